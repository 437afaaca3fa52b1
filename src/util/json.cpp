#include "util/json.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <cmath>
#include <cstdio>

// picojson includes <iostream>, whose objects and locales every start of the program would make.
#define _GLIBCXX_IOSTREAM 1
#include <istream>
#include <ostream>
#define PICOJSON_USE_INT64
#define PICOJSON_USE_LOCALE 0
#include <picojson.h>

namespace udocker::json {

namespace {
const std::string kEmptyString;
const Array kEmptyArray;
const Object kEmptyObject;
const Value kNull;

constexpr int kDeepest = 100;             // hostile input must not reach the end of the stack,
constexpr std::size_t kMostValues = 250'000;  // nor take more than some tens of megabytes

struct Counts {
  int depth = 0;
  std::size_t values = 0;
};

// What picojson calls while it parses: makes our values at once.
class Builder {
 public:
  Builder(Value& out, Counts& counts) : out_(out), counts_(counts) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  bool set_null() { return put(Value()); }
  bool set_bool(bool value) { return put(value); }
  bool set_int64(std::int64_t value) { return put(value); }
  bool set_number(double value) { return std::isfinite(value) && put(value); }
  template <typename Iter>
  bool parse_string(picojson::input<Iter>& in) {
    std::string text;
    return picojson::_parse_string(text, in) && put(std::move(text));
  }
  bool parse_array_start() { return put(Array()) && deeper(); }
  template <typename Iter>
  bool parse_array_item(picojson::input<Iter>& in, std::size_t) {
    Array& array = out_.array();
    array.emplace_back();
    return item(array.back(), in);
  }
  bool parse_array_stop(std::size_t) { return shallower(); }
  bool parse_object_start() { return put(Object()) && deeper(); }
  template <typename Iter>
  bool parse_object_item(picojson::input<Iter>& in, const std::string& key) {
    return item(out_.object()[key], in);
  }
  bool parse_object_stop() { return shallower(); }

 private:
  bool put(Value value) {
    out_ = std::move(value);
    return ++counts_.values <= kMostValues;
  }
  bool deeper() { return ++counts_.depth <= kDeepest; }
  bool shallower() { return --counts_.depth >= 0; }
  template <typename Iter>
  bool item(Value& value, picojson::input<Iter>& in) {
    Builder builder(value, counts_);
    return picojson::_parse(builder, in);
  }
  Value& out_;
  Counts& counts_;
};

void append_escape(std::string& out, unsigned unit) {
  char buffer[12];
  std::snprintf(buffer, sizeof buffer, "\\u%04x", unit);
  out += buffer;
}

// Code point of the UTF-8 sequence at `at`, moved past it; a stray byte reads as itself.
unsigned next_code_point(const std::string& text, std::size_t& at) {
  auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  unsigned first = byte(at);
  int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  unsigned code = more == 0 ? first : first & (0x3fu >> more);
  for (int i = 1; i <= more; ++i) {
    if ((byte(at + static_cast<std::size_t>(i)) & 0xc0) != 0x80) return ++at, first;
    code = code << 6 | (byte(at + static_cast<std::size_t>(i)) & 0x3f);
  }
  at += static_cast<std::size_t>(more) + 1;
  return code;
}

void append_string(std::string& out, const std::string& text) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    unsigned code = next_code_point(text, at);
    switch (code) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (code >= 0x10000) {
          append_escape(out, 0xd800 + ((code - 0x10000) >> 10));
          append_escape(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
        } else if (code < 0x20 || code > 0x7e) {
          append_escape(out, code);
        } else {
          out += static_cast<char>(code);
        }
    }
  }
  out += '"';
}

struct Style {
  std::string_view comma, colon;
  int indent;
};

void newline(std::string& out, const Style& style, int depth) {
  if (style.indent) out += cat("\n", std::string(static_cast<std::size_t>(style.indent * depth), ' '));
}

void print(std::string& out, const Value& value, const Style& style, int depth) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_integer()) {
    out += cat(value.as_integer());
  } else if (value.is_number()) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.17g", value.as_number());
    out += std::isfinite(value.as_number()) ? buffer : "null";
  } else if (value.is_string()) {
    append_string(out, value.as_string());
  } else if (value.is_array()) {
    const auto& array = value.as_array();
    out += '[';
    for (std::size_t i = 0; i < array.size(); ++i) {
      if (i) out += style.comma;
      newline(out, style, depth + 1);
      print(out, array[i], style, depth + 1);
    }
    if (!array.empty()) newline(out, style, depth);
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : value.as_object()) {
      if (!first) out += style.comma;
      first = false;
      newline(out, style, depth + 1);
      append_string(out, key);
      out += style.colon;
      print(out, item, style, depth + 1);
    }
    if (!first) newline(out, style, depth);
    out += '}';
  }
}

std::string print(const Value& value, const Style& style) {
  std::string out;
  print(out, value, style, 0);
  return out;
}

}  // namespace

bool Value::as_bool(bool fallback) const { return is_bool() ? std::get<bool>(data_) : fallback; }
std::int64_t Value::as_integer(std::int64_t fallback) const {
  if (is_integer()) return std::get<std::int64_t>(data_);
  if (!is_number()) return fallback;
  double number = std::get<double>(data_);
  return std::fabs(number) < 9.0e15 ? static_cast<std::int64_t>(number) : fallback;
}
double Value::as_number(double fallback) const {
  if (is_integer()) return static_cast<double>(std::get<std::int64_t>(data_));
  return is_number() ? std::get<double>(data_) : fallback;
}
const std::string& Value::as_string() const { return is_string() ? std::get<std::string>(data_) : kEmptyString; }
const Array& Value::as_array() const { return is_array() ? std::get<Array>(data_) : kEmptyArray; }
const Object& Value::as_object() const { return is_object() ? std::get<Object>(data_) : kEmptyObject; }

const Value& Value::operator[](std::string_view key) const {
  const auto& members = as_object();
  auto found = members.find(std::string(key));
  return found == members.end() ? kNull : found->second;
}
bool Value::has(std::string_view key) const { return as_object().contains(std::string(key)); }

Value& Value::at(const std::string& key) { return object()[key]; }
void Value::push_back(Value item) { array().push_back(std::move(item)); }
Object& Value::object() {
  if (is_null()) data_ = Object{};
  if (!is_object()) throw IntegrityError("JSON value is not an object");
  return std::get<Object>(data_);
}
Array& Value::array() {
  if (is_null()) data_ = Array{};
  if (!is_array()) throw IntegrityError("JSON value is not an array");
  return std::get<Array>(data_);
}

Value parse(std::string_view text, std::string_view source) {
  Value value;
  Counts counts;
  std::string error;
  Builder builder(value, counts);
  auto end = picojson::_parse(builder, text.begin(), text.end(), &error);
  if (counts.depth > kDeepest) throw IntegrityError(cat(source, ": JSON nested deeper than ", kDeepest, " levels"));
  if (counts.values > kMostValues) throw IntegrityError(cat(source, ": JSON with more than ", kMostValues, " values"));
  if (!error.empty()) throw IntegrityError(cat(source, ": not valid JSON: ", printable(trim(error).substr(0, 120))));
  if (!trim(std::string_view(end, static_cast<std::size_t>(text.end() - end))).empty())
    throw IntegrityError(cat(source, ": text after the JSON value"));
  return value;
}

std::string to_line(const Value& value) { return print(value, {", ", ": ", 0}); }
std::string to_compact(const Value& value) { return print(value, {",", ":", 0}); }
std::string to_pretty(const Value& value) { return print(value, {",", ": ", 4}); }

}  // namespace udocker::json
