// Whom to trust for TLS: CA certificates of the host, of the user, of one registry (certs.d), or none at all.
#pragma once
#include <memory>
#include <string>
#include <vector>

namespace udocker::net {

enum class Verify { yes, no };

struct Trust {
  Verify verify = Verify::yes;
  std::string certificates;  // PEM, all of them
  std::string origin;        // where they came from, for messages
  std::string client_certificate, client_key;  // paths; empty when there are none
};

// SSL_CERT_FILE and SSL_CERT_DIR when set (both, as OpenSSL does), else the host's bundle, else the carried one.
// The result of the first call is kept. Throws SystemError when SSL_CERT_FILE names a file that cannot be read.
std::shared_ptr<const Trust> default_trust();
// For one registry "host[:port]": default_trust with *.crt of the first DIR/host[:port] folders added and its
// *.cert and *.key as client certificate. `directories` are the parents (/etc/docker/certs.d …), all are looked into.
std::shared_ptr<const Trust> trust_for(const std::string& host, const std::vector<std::string>& directories, Verify verify);
// Parents of certs.d folders: the user's, then those of containers tools and Docker.
std::vector<std::string> certs_d_directories();

}  // namespace udocker::net
