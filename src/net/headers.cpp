#include "net/headers.hpp"

#include "util/strings.hpp"

#include <algorithm>

#include <curl/curl.h>

namespace udocker::net {

namespace {

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Reads challenges from left to right; every step moves on, so that any text ends.
class ChallengeReader {
 public:
  explicit ChallengeReader(std::string_view text) : text_(text) {}

  std::vector<Challenge> read() {
    std::vector<Challenge> out;
    while (skip(" \t,"), at_ < text_.size()) {
      std::string name = word();
      if (name.empty()) {
        ++at_;
        continue;
      }
      skip(" \t");
      bool parameter = at_ < text_.size() && text_[at_] == '=' && !out.empty();
      if (parameter) {
        ++at_;
        skip(" \t");
        out.back().parameters.emplace(to_lower(name), value());
      } else {
        out.push_back({to_lower(name), {}});
        token68();
      }
    }
    return out;
  }

 private:
  void skip(std::string_view set) {
    while (at_ < text_.size() && set.find(text_[at_]) != std::string_view::npos) ++at_;
  }
  std::string word() {
    std::size_t from = at_;
    while (at_ < text_.size() && is_token_char(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }
  std::string value() {
    if (at_ >= text_.size() || text_[at_] != '"') {  // a bare value may hold : and / in the field
      std::size_t from = at_;
      while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != ' ' && text_[at_] != '\t') ++at_;
      return std::string(text_.substr(from, at_ - from));
    }
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_];
    }
    if (at_ < text_.size()) ++at_;
    return out;
  }
  // "Negotiate dG9rZW4=": skip the credentials after a scheme, unless what follows is a parameter.
  void token68() {
    std::size_t from = at_, end = at_;
    while (end < text_.size() && (is_token_char(text_[end]) || text_[end] == '/')) ++end;
    while (end < text_.size() && text_[end] == '=') ++end;
    std::size_t after = end;
    while (after < text_.size() && (text_[after] == ' ' || text_[after] == '\t')) ++after;
    bool whole = end > from && text_[end - 1] == '=' && (after == text_.size() || text_[after] == ',');
    if (whole) at_ = end;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

void Headers::add_line(std::string_view line) {
  auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return;
  add(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
}

void Headers::add(std::string_view name, std::string_view value) {
  if (fields_.size() < 1000) fields_.emplace_back(to_lower(name), value);
}

std::string Headers::find(std::string_view name) const {
  for (const auto& [key, value] : fields_)
    if (key == name) return value;
  return {};
}

std::vector<std::string> Headers::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [key, value] : fields_)
    if (key == name) out.push_back(value);
  return out;
}

std::vector<Challenge> parse_challenges(std::string_view value) { return ChallengeReader(value).read(); }

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, std::time_t now) {
  value = trim(value);
  if (auto number = parse_number(value)) return std::chrono::seconds(std::min<std::uint64_t>(*number, 86400 * 365));
  if (value.empty() || value.size() > 64) return std::nullopt;
  std::time_t date = ::curl_getdate(std::string(value).c_str(), nullptr);
  if (date == -1) return std::nullopt;
  return std::chrono::seconds(std::max<std::time_t>(0, date - now));
}

std::string next_link(std::string_view value) {
  while (!value.empty()) {
    auto open = value.find('<');
    auto close = value.find('>', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) return {};
    std::string_view target = value.substr(open + 1, close - open - 1);
    auto next = value.find('<', close);
    std::string parameters = to_lower(value.substr(close, next == std::string_view::npos ? next : next - close));
    std::erase(parameters, ' ');
    if (parameters.find("rel=\"next\"") != std::string::npos || parameters.find("rel=next") != std::string::npos) return std::string(target);
    if (next == std::string_view::npos) return {};
    value.remove_prefix(next);
  }
  return {};
}

std::optional<ContentRange> parse_content_range(std::string_view value) {
  value = trim(value);
  if (!to_lower(value.substr(0, 6)).starts_with("bytes ")) return std::nullopt;
  value = trim(value.substr(6));
  auto dash = value.find('-'), slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  auto first = parse_number(value.substr(0, dash)), last = parse_number(value.substr(dash + 1, slash - dash - 1));
  auto total = value.substr(slash + 1);
  if (!first || !last || *first > *last) return std::nullopt;
  ContentRange out{*first, *last, parse_number(total)};
  if (!out.total && total != "*") return std::nullopt;
  if (out.total && *out.total <= out.last) return std::nullopt;
  return out;
}

}  // namespace udocker::net
