#include "registry/remote.hpp"

#include "registry/errors.hpp"
#include "registry/retry.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <mutex>
#include <set>

namespace udocker::registry {

namespace {
constexpr int kMostChallenges = 3;        // per request
constexpr std::size_t kMostPages = 10000;
}  // namespace

// An endpoint in use: what has been learnt about it so far.
struct Remote::Place {
  Endpoint endpoint;
  std::shared_ptr<const net::Trust> trust;
  Authenticator authenticator;
  std::string scope;
  std::mutex mutex;
  std::string url;
  bool may_use_http;

  Place(const net::Client& client, Endpoint from, const Accounts& accounts)
      : endpoint(std::move(from)),
        trust(net::trust_for(account_place(endpoint.url), net::certs_d_directories(), endpoint.verify)),
        authenticator(client, endpoint.url, trust,
                      [accounts, at = endpoint.url, repository = endpoint.repository] { return accounts ? accounts(at, repository) : Credentials(); }),
        scope(endpoint.repository.empty() ? "" : cat("repository:", endpoint.repository, ":pull")),
        url(endpoint.url),
        may_use_http(endpoint.may_use_http) {}

  static std::string account_place(const std::string& url) {
    std::string rest = url.substr(url.find("://") + 3);
    return rest.substr(0, rest.find('/'));
  }
  std::string base() {
    std::lock_guard lock(mutex);
    return url;
  }
  // Plain http instead of https, to be tried when nothing has answered yet; "" when that is not allowed.
  std::string http_base() {
    std::lock_guard lock(mutex);
    return may_use_http && url.starts_with("https://") ? cat("http://", url.substr(8)) : "";
  }
  void settle(const std::string& base) {
    std::lock_guard lock(mutex);
    url = base;
    may_use_http = false;
  }
};

Remote::Remote(const net::Client& client, std::vector<Endpoint> endpoints, Accounts accounts, std::string shown_name)
    : client_(client), shown_name_(std::move(shown_name)) {
  for (auto& endpoint : endpoints) places_.push_back(std::make_unique<Place>(client, std::move(endpoint), accounts));
}
Remote::~Remote() = default;

// `request.url` is the path below the place's address. A reply 0 over https makes http the next try where allowed.
net::Response Remote::send_once(Place& place, net::Request& request, const net::Sink& sink) {
  const std::string path = request.url, base = place.base();
  request.trust = place.trust;
  request.url = base + path;
  net::Response response = client_.send(request, sink);
  if (response.status == 0 && (response.fault == net::Fault::no_tls || response.fault == net::Fault::again)) {
    if (std::string http = place.http_base(); !http.empty()) {
      request.url = http + path;
      net::Response plain = client_.send(request, sink);
      if (plain.status != 0 && plain.status != 400) {
        log::debug("registry", cat(http, ": no TLS, going on without"));
        place.settle(http);
        response = std::move(plain);
      }
    }
  } else if (response.status != 0) {
    place.settle(base);
  }
  request.url = path;
  return response;
}

net::Response Remote::send(Place& place, net::Request request, const net::Sink& sink) {
  for (int challenges = 0;; ++challenges) {
    request.authorization = place.authenticator.authorization(place.scope);
    net::Response response = send_once(place, request, sink);
    auto from = net::find_url(response.url), home = net::find_url(place.base());
    bool asked = response.status == 401 && from && home && from->origin() == home->origin();
    if (!asked || challenges == kMostChallenges || !place.authenticator.answer(place.scope, response.headers, request.authorization)) return response;
  }
}

net::Response Remote::get(Place& place, const std::string& path, const std::string& accept, std::uint64_t limit) {
  Backoff backoff;
  net::Request request;
  request.url = path;
  request.limit = limit;
  if (!accept.empty()) request.headers.push_back("Accept: " + accept);
  for (;;) {
    net::Response response = send(place, request);
    if (!worth_retrying(response)) return response;
    auto delay = backoff.next(response);
    if (!delay) return response;
    wait_for(*delay, nullptr);
  }
}

// Does the work at the first place that can; what a mirror cannot do is tried at the next place.
template <typename Work>
auto Remote::each_place(bool by_digest, const Work& work) {
  for (std::size_t i = 0;; ++i) {
    Place& place = *places_[i];
    bool last = i + 1 == places_.size();
    if (!last && !(by_digest ? place.endpoint.for_digests : place.endpoint.for_tags)) continue;
    if (last) return work(place);
    try {
      return work(place);
    } catch (const NetworkError& error) {
      log::verbose(cat("mirror ", place.endpoint.url, ": ", error.what()));
    } catch (const IntegrityError& error) {
      log::warning(cat("mirror ", place.endpoint.url, ": ", error.what()));
    }
  }
}

Document Remote::fetch_manifest(const std::string& reference) {
  auto wanted = oci::find_digest(reference);
  return each_place(wanted.has_value(), [&](Place& place) {
    std::string path = cat("/v2/", place.endpoint.repository, "/manifests/", reference);
    net::Response response = get(place, path, std::string(oci::manifest_accept()), oci::kLargestManifest);
    if (!response.ok()) {
      bool hidden = response.status == 401 || response.status == 403 || response.status == 404;
      throw failure(response, cat(hidden ? "manifest not found or not authorized: " : "pulling manifest: ", shown_name_));
    }
    Document out;
    out.content_type = response.headers.find("content-type");
    out.value = json::parse(response.body, cat("manifest of ", shown_name_));
    out.text = std::move(response.body);
    out.digest = oci::digest_of(out.text, wanted ? wanted->algorithm() : Hasher::Algorithm::sha256);
    bool comparable = oci::kind_of(out.value, out.content_type) != oci::DocumentKind::schema1;
    if (wanted && comparable && out.digest != *wanted) throw IntegrityError(cat("digest of manifest of ", shown_name_), wanted->text(), out.digest.text());
    return out;
  });
}

void Remote::fetch_blob(const oci::Descriptor& blob, BlobSink& sink, const std::atomic<bool>* cancel) {
  if (blob.data && blob.data->size() == blob.size && oci::digest_of(*blob.data, blob.digest.algorithm()) == blob.digest) {
    sink.restart();
    sink.append(*blob.data);
    return sink.commit();
  }
  try {
    each_place(true, [&](Place& place) { fetch_from(place, blob, sink, cancel); });
  } catch (const NetworkError&) {
    if (!fetch_from_urls(blob, sink, cancel)) throw;
  }
}

void Remote::fetch_from(Place& place, const oci::Descriptor& blob, BlobSink& sink, const std::atomic<bool>* cancel) {
  std::string path = cat("/v2/", place.endpoint.repository, "/blobs/", blob.digest.text());
  auto send_here = [&](net::Request& request, const net::Sink& pieces) {
    request.url = path;
    return send(place, request, pieces);
  };
  transfer(send_here, blob, sink, cancel);
}

// Foreign layers name other places; the bytes are checked like all others, no account is sent there.
bool Remote::fetch_from_urls(const oci::Descriptor& blob, BlobSink& sink, const std::atomic<bool>* cancel) {
  for (const auto& url : blob.urls) {
    try {
      auto send_there = [&](net::Request& request, const net::Sink& pieces) {
        request.url = url;
        return client_.send(request, pieces);
      };
      transfer(send_there, blob, sink, cancel);
      return true;
    } catch (const NetworkError& error) {
      log::verbose(error.what());
    }
  }
  return false;
}

// The state of one blob's way through as many requests as it takes.
struct Remote::Attempt {
  const oci::Descriptor& blob;
  BlobSink& sink;
  Backoff backoff;
  int broken = 0;       // times the bytes turned out wrong
  bool ranges = true;   // the server's ranges can be used

  struct RangeUnusable {};

  bool complete() { return blob.size_known && sink.offset() == blob.size; }

  // True when the blob is kept; false when it has to be fetched (again).
  bool commit() {
    try {
      sink.commit();
      return true;
    } catch (const IntegrityError&) {
      spoiled();
      return false;
    }
  }

  // Called while an IntegrityError is handled: one more try from the start, then it is thrown on.
  void spoiled() {
    if (++broken > 1) throw;
    log::verbose(cat("blob ", blob.digest.text(), " arrived damaged, fetching it again"));
    sink.restart();
  }

  void take(const net::Response& head, std::string_view piece, std::uint64_t from, bool& started) {
    if (!started) {
      auto range = head.status == 206 ? net::parse_content_range(head.headers.find("content-range")) : std::nullopt;
      if (head.status == 206 && (!range || range->first != from)) throw RangeUnusable();
      if (head.status != 206 && from > 0) sink.restart();
      started = true;
    }
    sink.append(piece);
  }
};

void Remote::transfer(const std::function<net::Response(net::Request&, const net::Sink&)>& send_request, const oci::Descriptor& blob, BlobSink& sink,
                      const std::atomic<bool>* cancel) {
  constexpr std::uint64_t kProgress = 64 * 1024;
  Attempt attempt{blob, sink, Backoff()};
  std::string what = cat("blob ", blob.digest.text());
  for (int round = 0;; ++round) {
    if (attempt.complete() && attempt.commit()) return;
    if (!attempt.ranges && sink.offset() > 0) sink.restart();
    std::uint64_t from = sink.offset();
    net::Request request;
    request.range_from = from;
    request.cancel = cancel;
    net::Response response;
    try {
      bool started = false;
      response = send_request(request, [&](const net::Response& head, std::string_view piece) { attempt.take(head, piece, from, started); });
    } catch (const Attempt::RangeUnusable&) {
      attempt.ranges = false;
      continue;
    } catch (const IntegrityError&) {
      attempt.spoiled();
      continue;
    }
    if (response.fault == net::Fault::again && sink.offset() > from + kProgress && round < 1000) attempt.backoff.progress();
    bool cut_short = response.ok() && blob.size_known && sink.offset() < blob.size;
    if (response.ok() && !cut_short) {
      if (attempt.complete() || attempt.commit()) {
        if (blob.size_known) continue;  // checked and kept at the head of the loop
        return;
      }
      continue;
    }
    auto got = sink.offset();
    if (cut_short && ++attempt.broken > 2) throw IntegrityError(cat("size of ", what), cat(blob.size), cat(got));
    if (cut_short) {
      response.fault = net::Fault::again;
      response.message = cat(net::shown_url(response.url), " ended after ", got, " of ", blob.size, " bytes");
    }
    bool from_storage = response.fault == net::Fault::none && response.url.find(cat("/blobs/", blob.digest.text())) == std::string::npos;
    bool stale = from_storage && (response.status == 400 || response.status == 401 || response.status == 403);  // a signed address that expired
    if (response.status == 416 && from > 0) attempt.ranges = false;
    else if (!worth_retrying(response) && !stale) throw failure(response, what);
    auto delay = attempt.backoff.next(response);
    if (!delay || !wait_for(*delay, cancel)) throw failure(response, what);
  }
}

std::string Remote::fetch_small_blob(const oci::Descriptor& blob, std::uint64_t limit) {
  struct Memory : BlobSink {
    const oci::Descriptor& blob;
    std::uint64_t limit;
    std::string bytes;
    Memory(const oci::Descriptor& of, std::uint64_t most) : blob(of), limit(most) {}
    std::uint64_t offset() override { return bytes.size(); }
    void restart() override { bytes.clear(); }
    void append(std::string_view piece) override {
      if (bytes.size() + piece.size() > limit || (blob.size_known && bytes.size() + piece.size() > blob.size)) {
        bytes.clear();
        throw IntegrityError(cat("blob ", blob.digest.text(), " is larger than it should be"));
      }
      bytes += piece;
    }
    void commit() override {
      auto got = oci::digest_of(bytes, blob.digest.algorithm());
      if (got != blob.digest) throw IntegrityError("digest of blob", blob.digest.text(), got.text());
    }
  } memory(blob, limit);
  if (blob.size_known && blob.size > limit) throw IntegrityError(cat("blob ", blob.digest.text(), " is larger than ", limit, " bytes"));
  fetch_blob(blob, memory);
  return std::move(memory.bytes);
}

std::vector<std::string> Remote::list_tags() { return list("tags", "tags"); }
std::vector<std::string> Remote::list_repositories() { return list("repositories", "repositories"); }

std::vector<std::string> Remote::list(const std::string& what, const std::string& member) {
  return each_place(false, [&](Place& place) {
    std::vector<std::string> items;
    std::set<std::string> seen;
    std::string path = member == "tags" ? cat("/v2/", place.endpoint.repository, "/tags/list") : "/v2/_catalog";
    while (!path.empty() && seen.insert(path).second && seen.size() <= kMostPages) {
      net::Response response = get(place, path, "", 32u << 20);
      if (!response.ok()) throw failure(response, cat("listing ", what, " of ", shown_name_));
      json::Value page = json::parse(response.body, cat(what, " of ", shown_name_));
      for (const auto& item : page[member].as_array()) items.push_back(item.as_string());
      auto next = net::resolve_url(response.url, net::next_link(response.headers.find("link")));
      auto base = place.base();
      path = next && next->text.starts_with(base + "/") ? next->text.substr(base.size()) : "";
    }
    return items;
  });
}

void Remote::check_access() {
  Place& place = *places_.front();
  Backoff backoff;
  net::Request request;
  request.url = "/v2/";
  request.limit = 1u << 20;
  net::Response response = send(place, request);
  while (response.status != 0 && worth_retrying(response)) {
    auto delay = backoff.next(response);
    if (!delay || !wait_for(*delay, nullptr)) break;
    response = send(place, request);
  }
  if (!response.ok()) throw failure(response, cat("registry ", place.endpoint.url));
}

}  // namespace udocker::registry
