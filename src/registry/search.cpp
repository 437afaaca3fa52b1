#include "registry/search.hpp"

#include "registry/errors.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker::registry {

namespace {

Found found_from(const json::Value& item) {
  Found out;
  for (const char* key : {"name", "repo_name"})
    if (out.name.empty()) out.name = item[key].as_string();
  for (const char* key : {"description", "short_description"})
    if (out.description.empty()) out.description = item[key].as_string();
  out.official = item["is_official"].as_bool() || item["badge"].as_string() == "official" || item["source"].as_string() == "official";
  if (item["star_count"].is_number()) out.stars = item["star_count"].as_integer();
  return out;
}

Page items_of(const json::Value& reply) {
  Page out;
  for (const auto& item : reply["results"].as_array())
    if (Found found = found_from(item); !found.name.empty()) out.items.push_back(std::move(found));
  return out;
}

}  // namespace

Page parse_v2(const json::Value& reply, int page, int page_size) {
  Page out = items_of(reply);
  if (reply.has("next")) out.more = reply["next"].is_string();
  else out.more = reply["count"].as_integer() > static_cast<std::int64_t>(page) * page_size;
  out.more = out.more && !out.items.empty();
  return out;
}

Page parse_v4(const json::Value& reply, int page, int page_size) {
  Page out;
  for (const auto& item : reply["results"].as_array()) {
    const auto& type = item["type"].as_string();
    if (!type.empty() && type != "image") continue;  // plugins and extensions cannot be pulled
    Found found = found_from(item);
    if (const auto& slug = item["slug"].as_string(); !slug.empty()) found.name = slug;
    if (!found.name.empty()) out.items.push_back(std::move(found));
  }
  out.more = !reply["results"].as_array().empty() && reply["total"].as_integer() > static_cast<std::int64_t>(page) * page_size;
  return out;
}

Page parse_v1(const json::Value& reply, int page) {
  Page out = items_of(reply);
  out.more = !out.items.empty() && page < reply["num_pages"].as_integer();
  return out;
}

Page parse_quay(const json::Value& reply) {
  Page out;
  for (const auto& item : reply["results"].as_array()) {
    Found found = found_from(item);
    if (const auto& space = item["namespace"]["name"].as_string(); !space.empty()) found.name = cat(space, "/", found.name);
    if (item["stars"].is_number()) found.stars = item["stars"].as_integer();
    if (!found.name.empty()) out.items.push_back(std::move(found));
  }
  out.more = !out.items.empty() && reply["has_additional"].as_bool();
  return out;
}

Search::Search(const net::Client& client, SearchPlace place, int page_size, Remote::Accounts accounts)
    : client_(client), place_(std::move(place)), page_size_(page_size), accounts_(std::move(accounts)) {
  for (const auto& base : {place_.index, place_.registry}) {
    if (base.empty()) continue;
    if (account_host(base) == "quay.io") interfaces_.push_back({Kind::quay, base});
    interfaces_.push_back({Kind::v2, base});
    interfaces_.push_back({Kind::v4, base});
    interfaces_.push_back({Kind::v1, base});
  }
}

std::optional<Page> Search::ask(const Interface& interface) {
  net::Request request;
  std::string query = net::url_escape(place_.query);
  std::string tail;
  switch (interface.kind) {
    case Kind::v2:
      tail = cat("/v2/search/repositories?query=", query.empty() ? "%2A" : query, "&page_size=", page_size_, page_ > 1 ? cat("&page=", page_) : "");
      break;
    case Kind::v4:
      tail = cat("/api/search/v4?query=", query, "&from=", (page_ - 1) * page_size_, "&size=", page_size_, "&type=image");
      break;
    case Kind::v1: tail = cat("/v1/search?q=", query, "&n=", page_size_, "&page=", page_); break;
    case Kind::quay: tail = cat("/api/v1/find/repositories?query=", query, "&page=", page_); break;
  }
  request.url = interface.base + tail;
  if (place_.verify == net::Verify::no) request.trust = net::trust_for("", {}, net::Verify::no);
  net::Response response = client_.send(request);
  auto url = net::find_url(interface.base);
  if (response.status == 0 && url && url->scheme == "https" && (is_loopback(url->host) || place_.verify == net::Verify::no)) {
    request.url = cat("http", interface.base.substr(5), tail);
    response = client_.send(request);
  }
  if (!response.ok()) {
    failed_ = std::move(response);
    return std::nullopt;
  }
  try {
    json::Value reply = json::parse(response.body, net::shown_url(response.url));
    if (!reply["results"].is_array()) return std::nullopt;
    switch (interface.kind) {
      case Kind::v2: return parse_v2(reply, page_, page_size_);
      case Kind::v4: return parse_v4(reply, page_, page_size_);
      case Kind::v1: return parse_v1(reply, page_);
      case Kind::quay: return parse_quay(reply);
    }
    return std::nullopt;
  } catch (const IntegrityError& error) {
    log::debug("registry", error.what());
    return std::nullopt;
  }
}

Page Search::catalogue() {
  EndpointOptions options;
  bool bare = !place_.host.empty();
  options.registry = bare ? place_.host : place_.registry;
  options.insecure = place_.verify == net::Verify::no;
  Remote remote(client_, plan_endpoints({}, options), accounts_, options.registry);
  Page page;
  for (const auto& name : remote.list_repositories())
    if (name.find(place_.query) != std::string::npos) page.items.push_back({name, "", false, std::nullopt});
  return page;
}

Page Search::next() {
  std::optional<Page> page;
  std::string unreachable;
  while (!interfaces_.empty() && !page) {
    const Interface& first = interfaces_.front();
    if (first.base != unreachable) page = ask(first);
    if (page) break;
    if (failed_ && failed_->status == 0) unreachable = first.base;
    interfaces_.erase(interfaces_.begin());
  }
  if (!page && page_ == 1 && !place_.registry.empty() && place_.registry != unreachable) {
    try {
      page = catalogue();
    } catch (const NetworkError& error) {
      log::debug("registry", error.what());
    }
  }
  if (!page && failed_) throw failure(*failed_, cat("searching ", printable(place_.query)));
  if (!page) throw NetworkError(cat("searching ", printable(place_.query), ": no interface for searching there"));
  interfaces_.resize(std::min<std::size_t>(interfaces_.size(), 1), Interface{});
  ++page_;
  if (!place_.host.empty())
    for (auto& item : page->items)
      if (!starts_with_word(item.name, place_.host)) item.name = cat(place_.host, "/", item.name);
  return std::move(*page);
}

}  // namespace udocker::registry
