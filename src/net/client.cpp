#include "net/client.hpp"

#include "net/resolver.hpp"
#include "util/error.hpp"
#include "util/interrupt.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cstdlib>
#include <exception>
#include <mutex>

#include <curl/curl.h>

namespace udocker::net {

namespace {

bool has_proxy_variable() {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
    if (const char* value = std::getenv(name); value && *value) return true;
  return false;
}

constexpr int kMostRedirects = 10;
constexpr long kBufferSize = 512 * 1024;

void initialise_once() {
  static std::once_flag once;
  std::call_once(once, [] { ::curl_global_init(CURL_GLOBAL_DEFAULT); });
}

struct FreeEasy {
  void operator()(CURL* easy) const { ::curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, FreeEasy>;

struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

// What the callbacks of one request share. No exception crosses libcurl: it is kept and thrown again afterwards.
struct Transfer {
  Response response;
  const Sink* sink = nullptr;
  std::uint64_t limit = 0, received = 0;
  const std::atomic<bool>* cancel = nullptr;
  std::exception_ptr thrown;
  bool too_long = false, cancelled = false;
};

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string_view line(data, size * count);
  try {
    if (line.starts_with("HTTP/")) {
      transfer.response.headers.clear();
      auto words = split_words(line);
      if (words.size() > 1) transfer.response.status = static_cast<long>(parse_number(words[1]).value_or(0));
    } else {
      transfer.response.headers.add_line(line);
    }
    return line.size();
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 0;
  }
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string_view piece(data, size * count);
  Response& response = transfer.response;
  try {
    bool success = response.status >= 200 && response.status < 300;
    transfer.received += piece.size();
    if (success && transfer.sink && *transfer.sink) {
      (*transfer.sink)(response, piece);
      return piece.size();
    }
    if (response.body.size() + piece.size() > transfer.limit) {
      transfer.too_long = success;
      return success ? 0 : piece.size();  // of an error page the beginning is enough
    }
    response.body += piece;
    return piece.size();
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 0;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.cancelled = (transfer.cancel && transfer.cancel->load(std::memory_order_relaxed)) || pending_interrupt();
  return transfer.cancelled ? 1 : 0;
}

Fault fault_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY: return Fault::again;
    case CURLE_SSL_CONNECT_ERROR: return Fault::no_tls;
    default: return Fault::final;
  }
}

// libcurl's sentences may quote a proxy's address with its password.
std::string reason_of(CURLcode code, const char* detail) {
  std::string text(trim(detail));
  if (text.empty()) text = ::curl_easy_strerror(code);
  if (text.find("Unsupported proxy") != std::string::npos) return "the proxy's address is malformed";
  return printable(text);
}

void set_trust(CURL* easy, const Trust& trust) {
  bool verify = trust.verify == Verify::yes;
  ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  ::curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
  ::curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  if (!trust.certificates.empty()) {
    curl_blob blob{const_cast<char*>(trust.certificates.data()), trust.certificates.size(), CURL_BLOB_NOCOPY};
    ::curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    ::curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO_BLOB, &blob);
  }
  if (!trust.client_certificate.empty()) {
    ::curl_easy_setopt(easy, CURLOPT_SSLCERT, trust.client_certificate.c_str());
    ::curl_easy_setopt(easy, CURLOPT_SSLKEY, trust.client_key.c_str());
  }
}

bool is_redirect(long status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

}  // namespace

struct Client::State {
  Options options;
  std::mutex mutex;
  std::vector<Easy> idle;

  Easy borrow() {
    std::lock_guard lock(mutex);
    if (idle.empty()) return Easy(::curl_easy_init());
    Easy easy = std::move(idle.back());
    idle.pop_back();
    return easy;
  }
  void give_back(Easy easy) {
    ::curl_easy_reset(easy.get());
    std::lock_guard lock(mutex);
    idle.push_back(std::move(easy));
  }

  Response perform(const Request& request, const Url& url, const Secret& authorization, const std::string& method, const Trust& trust, const Sink& sink);
};

Response Client::State::perform(const Request& request, const Url& url, const Secret& authorization, const std::string& method, const Trust& trust,
                                const Sink& sink) {
  Easy easy = borrow();
  if (!easy) throw Error("out of memory");
  CURL* c = easy.get();
  Transfer transfer;
  transfer.sink = &sink;
  transfer.limit = request.limit;
  transfer.cancel = request.cancel;
  transfer.response.url = url.text;
  char detail[CURL_ERROR_SIZE] = "";
  std::vector<std::string> lines = request.headers;
  if (!authorization.empty()) lines.push_back("Authorization: " + authorization.reveal());
  if (method == "POST") lines.push_back("Expect:");
  curl_slist* raw = nullptr;
  for (const auto& line : lines) raw = ::curl_slist_append(raw, line.c_str());
  List list(raw);

  ::curl_easy_setopt(c, CURLOPT_URL, url.text.c_str());
  ::curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(c, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  ::curl_easy_setopt(c, CURLOPT_HTTPHEADER, list.get());
  ::curl_easy_setopt(c, CURLOPT_USERAGENT, options.agent.c_str());
  ::curl_easy_setopt(c, CURLOPT_BUFFERSIZE, kBufferSize);
  ::curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
  ::curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  ::curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  ::curl_easy_setopt(c, CURLOPT_HEADERDATA, &transfer);
  ::curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  ::curl_easy_setopt(c, CURLOPT_WRITEDATA, &transfer);
  ::curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
  ::curl_easy_setopt(c, CURLOPT_XFERINFODATA, &transfer);
  ::curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout.count()));
  bool streaming = static_cast<bool>(sink);
  ::curl_easy_setopt(c, CURLOPT_TIMEOUT, static_cast<long>((streaming ? options.download_timeout : options.timeout).count()));
  if (streaming) {
    ::curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    ::curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.count()));
  }
  if (!options.proxy.empty()) ::curl_easy_setopt(c, CURLOPT_PROXY, options.proxy.c_str());
  set_trust(c, trust);
  if (request.range_from > 0) ::curl_easy_setopt(c, CURLOPT_RANGE, cat(request.range_from, "-").c_str());
  if (method == "HEAD") {
    ::curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  } else if (method == "POST") {
    ::curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    ::curl_easy_setopt(c, CURLOPT_POSTFIELDS, request.body.c_str());
  }

  // A name that cannot be asked for is not asked for: the C library would wait for every server, twice.
  if (options.proxy.empty() && !has_proxy_variable() && is_unresolvable(url.host)) {
    give_back(std::move(easy));
    transfer.response.fault = Fault::final;
    transfer.response.message = cat("cannot get ", shown_url(url.text), ": Could not resolve host: ", url.host,
                                    ": no route leads to a name server, this host has no network");
    return std::move(transfer.response);
  }
  CURLcode code = ::curl_easy_perform(c);
  give_back(std::move(easy));
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  Response& response = transfer.response;
  if (code != CURLE_OK) {
    std::string reason = transfer.cancelled ? "stopped" : transfer.too_long ? "the reply is too long" : reason_of(code, detail);
    response.fault = transfer.cancelled || transfer.too_long ? Fault::final : fault_of(code);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) reason += cat(" (trusted: ", trust.origin, ")");
    response.message = cat("cannot get ", shown_url(url.text), ": ", reason);
  }
  log::debug("net", cat(method, " ", shown_url(url.text), " -> ", response.status, ", ", transfer.received, " bytes", response.message.empty() ? "" : "; ",
                        response.message));
  return std::move(response);
}

Client::Client(Options options) : state_(std::make_unique<State>()) {
  initialise_once();
  if (!options.proxy.empty() && !is_proxy_address(options.proxy))
    throw UsageError(cat("not the address of a proxy ([http|https|socks4|socks4a|socks5|socks5h]://[user:password@]host:port): ", shown_url(options.proxy)));
  if (options.agent.empty()) options.agent = cat("udocker/", UDOCKER_VERSION);
  state_->options = std::move(options);
}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

const Options& Client::options() const { return state_->options; }

Response Client::send(const Request& request, const Sink& sink) const {
  auto failed = [](std::string url, long status, std::string message) {
    Response out;
    out.status = status;
    out.url = std::move(url);
    out.fault = Fault::final;
    out.message = std::move(message);
    return out;
  };
  auto url = find_url(request.url);
  if (!url) return failed(request.url, 0, cat("not an http or https address: ", shown_url(request.url)));
  const std::string origin = url->origin();
  std::string method = request.method;
  std::shared_ptr<const Trust> trust = request.trust ? request.trust : default_trust();
  for (int redirects = 0;; ++redirects) {
    bool home = url->origin() == origin;
    const Trust& use = home || trust->verify == Verify::no ? *trust : *default_trust();
    Response response = state_->perform(request, *url, home ? request.authorization : Secret(), method, use, sink);
    std::string location = response.headers.find("location");
    if (response.fault != Fault::none || !is_redirect(response.status) || location.empty()) return response;
    if (redirects == kMostRedirects) return failed(url->text, response.status, cat("cannot get ", shown_url(request.url), ": more than 10 redirects"));
    auto next = resolve_url(url->text, location);
    if (!next) return failed(url->text, response.status, cat("cannot get ", shown_url(request.url), ": redirected to a place that is no http or https address: ", shown_url(location)));
    if (response.status == 303 && method == "POST") method = "GET";
    url = std::move(next);
  }
}

}  // namespace udocker::net
