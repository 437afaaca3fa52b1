// HTTP and HTTPS: the door to libcurl (and, through it, to TLS and proxies). No other file includes it.
#pragma once
#include "net/headers.hpp"
#include "net/trust.hpp"
#include "net/url.hpp"
#include "util/secret.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::net {

struct Options {
  std::string proxy;  // "" leaves it to http_proxy, https_proxy, all_proxy, no_proxy of the environment
  std::string agent;  // "" is "udocker/VERSION"
  std::chrono::seconds connect_timeout{6}, timeout{12}, download_timeout{1800}, stall_timeout{30};
};

enum class Fault {
  none,
  again,   // connection refused or lost, time-out: the next attempt may succeed
  final,   // certificate, malformed URL, redirect loop: it will not
  no_tls,  // the server answered, but not with TLS
};

struct Response {
  long status = 0;  // 0: no reply
  Headers headers;
  std::string body;  // unless it went to a sink; cut at Request::limit
  std::string url;   // the one that answered, after redirects
  Fault fault = Fault::none;
  std::string message;  // what went wrong, a whole sentence without secrets
  bool ok() const { return fault == Fault::none && status >= 200 && status < 300; }
};

// Gets the pieces of a 2xx body; `head` has status and headers. An exception ends the transfer and leaves send().
using Sink = std::function<void(const Response& head, std::string_view piece)>;

struct Request {
  std::string url;
  std::string method = "GET";
  std::vector<std::string> headers;  // "Name: value"
  Secret authorization;              // value of Authorization; sent only to the origin of `url`
  std::string body;                  // of POST
  std::uint64_t range_from = 0;      // more than 0: `Range: bytes=N-`
  std::shared_ptr<const Trust> trust;  // of the origin of `url`; elsewhere default_trust. Null is default_trust
  std::uint64_t limit = 8u << 20;      // a longer body without a sink is a final fault
  const std::atomic<bool>* cancel = nullptr;  // set to true elsewhere: ends with Fault::final
};

// Safe to use from several threads; keeps connections alive between requests.
class Client {
 public:
  // Throws UsageError when the proxy's address is malformed (without showing its password).
  explicit Client(Options options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Follows up to 10 redirects. Never throws because of the network: see Response::fault.
  Response send(const Request& request, const Sink& sink = {}) const;
  const Options& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace udocker::net
