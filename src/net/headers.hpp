// Header fields of a reply, and the meaning of a few. Pure; the text comes from servers that may lie.
#pragma once
#include <chrono>
#include <cstdint>
#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace udocker::net {

class Headers {
 public:
  // A raw line "Name: value\r\n"; anything else is passed over.
  void add_line(std::string_view line);
  void add(std::string_view name, std::string_view value);
  std::string find(std::string_view name) const;               // first one, "" when absent
  std::vector<std::string> all(std::string_view name) const;
  void clear() { fields_.clear(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;  // names in lower case
};

// One challenge of WWW-Authenticate: scheme in lower case, parameters with lower-case names, values unquoted.
struct Challenge {
  std::string scheme;
  std::map<std::string, std::string> parameters;
};
// Several challenges in one value, parameters quoted or not, blanks and commas inside quotes and around.
std::vector<Challenge> parse_challenges(std::string_view value);

// Retry-After: seconds or an HTTP date seen from `now`; never negative.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value, std::time_t now);
// Target of the `rel="next"` entry of a Link header; "" when there is none.
std::string next_link(std::string_view value);

struct ContentRange {
  std::uint64_t first = 0, last = 0;
  std::optional<std::uint64_t> total;
};
// "bytes 5-9/10" and "bytes 5-9/*".
std::optional<ContentRange> parse_content_range(std::string_view value);

}  // namespace udocker::net
