// A text that no message, log line or listing shows.
#pragma once
#include <string>
#include <utility>

namespace udocker {

// Does not convert to text by itself: cat() and the log take only text() (stars), requests take reveal().
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  std::string text() const { return value_.empty() ? "" : "******"; }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace udocker
