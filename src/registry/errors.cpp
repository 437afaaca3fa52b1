#include "registry/errors.hpp"

#include "util/json.hpp"
#include "util/strings.hpp"

namespace udocker::registry {

namespace {

std::string status_text(long status) {
  switch (status) {
    case 400: return "bad request";
    case 401: return "not authorized";
    case 403: return "forbidden";
    case 404: return "not found";
    case 410: return "gone";
    case 416: return "range not satisfiable";
    case 429: return "too many requests";
    case 500: return "error of the server";
    case 502: return "bad gateway";
    case 503: return "service unavailable";
    case 504: return "gateway time-out";
    default: return "refused";
  }
}

}  // namespace

std::string registry_text(const net::Response& response) {
  std::string_view body = trim(response.body);
  if (!body.starts_with('{')) return {};
  try {
    json::Value document = json::parse(body, "reply");
    const json::Value* first = &document;
    if (const auto& errors = document["errors"].as_array(); !errors.empty()) first = &errors[0];
    std::string code = (*first)["code"].as_string(), message = (*first)["message"].as_string();
    if (message.empty()) message = (*first)["detail"].as_string();
    if (message.empty()) message = (*first)["details"].as_string();
    if (message.size() > 300) message.resize(300);
    return printable(cat(code, code.empty() || message.empty() ? "" : ": ", message));
  } catch (const IntegrityError&) {
    return {};
  }
}

NetworkError failure(const net::Response& response, std::string_view what) {
  if (response.fault != net::Fault::none) return NetworkError(cat(what, ": ", response.message), response.status);
  std::string text = cat(what, ": ", status_text(response.status), " (HTTP ", response.status, " from ", net::shown_url(response.url), ")");
  if (std::string said = registry_text(response); !said.empty()) text += cat(": ", said);
  if (response.status == 429) {
    if (std::string after = response.headers.find("retry-after"); !after.empty()) text += cat("; it asks to wait: ", printable(after));
    if (std::string limit = response.headers.find("ratelimit-limit"); !limit.empty()) text += cat("; its limit is ", printable(limit));
    text += "; a login may raise the limit";
  }
  return NetworkError(text, response.status);
}

}  // namespace udocker::registry
