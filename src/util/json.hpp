// JSON values. The door to picojson: no other file includes it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace udocker::json {

class Value;
using Array = std::vector<Value>;
using Object = std::map<std::string, Value>;  // sorted, as the printed form is

class Value {
 public:
  Value() = default;  // null
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(static_cast<std::int64_t>(value)) {}
  Value(std::int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(const char* text) : data_(std::string(text)) {}
  Value(std::string_view text) : data_(std::string(text)) {}
  Value(std::string text) : data_(std::move(text)) {}
  Value(Array array) : data_(std::move(array)) {}
  Value(Object object) : data_(std::move(object)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(data_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }

  // Reading never throws: what is absent or of another type reads as the fallback, empty or null.
  bool as_bool(bool fallback = false) const;
  std::int64_t as_integer(std::int64_t fallback = 0) const;
  double as_number(double fallback = 0) const;
  const std::string& as_string() const;  // "" when not a string
  const Array& as_array() const;         // [] when not an array
  const Object& as_object() const;       // {} when not an object
  const Value& operator[](std::string_view key) const;  // null when absent or not an object
  bool has(std::string_view key) const;

  // Writing turns null into an object or array; on another type it throws IntegrityError.
  Value& at(const std::string& key);
  void push_back(Value item);
  Object& object();
  Array& array();

  bool operator==(const Value&) const = default;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> data_;
};

// Throws IntegrityError naming `source` on malformed text, trailing bytes, nesting deeper than 100, or more values than
// any image has (250000).
Value parse(std::string_view text, std::string_view source);

// One line with `, ` and `: `; non-ASCII as \uXXXX: byte-compatible with what the Python tool writes.
std::string to_line(const Value& value);
// One line without blanks.
std::string to_compact(const Value& value);
// Keys sorted, indent 4, non-ASCII as \uXXXX.
std::string to_pretty(const Value& value);

}  // namespace udocker::json
