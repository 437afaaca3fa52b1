// One repository at its registry (or mirrors): manifests, blobs, tags. Threads may share it.
#pragma once
#include "net/client.hpp"
#include "oci/manifest.hpp"
#include "registry/auth.hpp"
#include "registry/endpoint.hpp"
#include "util/json.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::registry {

// Takes a blob's bytes. Exceptions of its functions end the transfer; IntegrityError is answered with one more try.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  virtual std::uint64_t offset() = 0;                 // bytes held: where to go on
  virtual void restart() = 0;                         // forget what is held
  virtual void append(std::string_view bytes) = 0;
  virtual void commit() = 0;                          // check size and digest, keep
};

struct Document {
  std::string text;          // as served
  std::string content_type;
  oci::Digest digest;        // of the text
  json::Value value;
};

class Remote {
 public:
  // `accounts` finds the account for (registry URL, repository).
  using Accounts = std::function<Credentials(const std::string& registry_url, const std::string& repository)>;
  Remote(const net::Client& client, std::vector<Endpoint> endpoints, Accounts accounts, std::string shown_name);
  ~Remote();

  // A manifest or index by tag or digest; a digest is checked (schema 1 excepted: its digest is not of the bytes).
  // Throws NetworkError, IntegrityError.
  Document fetch_manifest(const std::string& reference);
  // Brings a blob into the sink: goes on where it stands, tries again after faults, restarts where ranges fail.
  // Throws NetworkError when the registry does not give it, IntegrityError when it is not what it should be.
  void fetch_blob(const oci::Descriptor& blob, BlobSink& sink, const std::atomic<bool>* cancel = nullptr);
  // A small blob into memory, checked.
  std::string fetch_small_blob(const oci::Descriptor& blob, std::uint64_t limit = 8u << 20);
  // All tags, following the registry's pages.
  std::vector<std::string> list_tags();
  // All repositories of the registry, where it tells.
  std::vector<std::string> list_repositories();
  // Does the registry answer /v2/ for this account? Throws NetworkError with the reason when not.
  void check_access();
  const std::string& shown_name() const { return shown_name_; }

 private:
  struct Place;
  struct Attempt;
  net::Response send(Place& place, net::Request request, const net::Sink& sink = {});
  net::Response send_once(Place& place, net::Request& request, const net::Sink& sink);
  net::Response get(Place& place, const std::string& path, const std::string& accept, std::uint64_t limit);
  void fetch_from(Place& place, const oci::Descriptor& blob, BlobSink& sink, const std::atomic<bool>* cancel);
  std::vector<std::string> list(const std::string& what, const std::string& member);
  bool fetch_from_urls(const oci::Descriptor& blob, BlobSink& sink, const std::atomic<bool>* cancel);
  void transfer(const std::function<net::Response(net::Request&, const net::Sink&)>& send, const oci::Descriptor& blob, BlobSink& sink,
                const std::atomic<bool>* cancel);
  template <typename Work>
  auto each_place(bool by_digest, const Work& work);

  const net::Client& client_;
  std::vector<std::unique_ptr<Place>> places_;
  std::string shown_name_;
};

}  // namespace udocker::registry
