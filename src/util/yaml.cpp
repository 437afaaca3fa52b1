#include "util/yaml.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>

namespace udocker::yaml {

namespace {

using json::Value;

constexpr int kDeepest = 100;
constexpr std::size_t kMostValues = 250'000;

void append_utf8(std::string& out, unsigned code) {
  auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) put(0xc0 | code >> 6);
  else if (code < 0x10000) put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 0x3f));
  else put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 0x3f)), put(0x80 | (code >> 6 & 0x3f));
  put(0x80 | (code & 0x3f));
}

// Columns count from 0. `at_` is always within the text or at its end, which reads as NUL; NUL bytes are refused before.
class Reader {
 public:
  Reader(std::string_view text, std::string_view source) : text_(text), source_(source) {}

  Value document() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    refuse_control_characters();
    next_content();
    if (peek() == '%') fail("directives are not read");
    if (is_marker("---")) at_ += 3;
    Value value = node(0, Inside::document);
    next_content();
    if (is_marker("...")) {
      at_ += 3;
      next_content();
    }
    if (is_marker("---")) fail("only one document is read");
    if (at_ < text_.size()) fail("text that belongs to nothing, perhaps by its indentation");
    return value;
  }

 private:
  enum class Inside { document, map, list };
  struct Level {
    explicit Level(Reader& reader) : reader_(reader) {
      if (++reader_.depth_ > kDeepest) reader_.fail(cat("nesting deeper than ", kDeepest, " levels"));
    }
    ~Level() { --reader_.depth_; }
    Reader& reader_;
  };

  [[noreturn]] void fail(std::string_view what) const {
    std::size_t line = 1;
    for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n';
    throw IntegrityError(cat(source_, ": not valid YAML, or not a part of it that is read: line ", line, ": ", what));
  }

  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0'; }
  std::size_t line_start() const { return at_ == 0 ? 0 : text_.rfind('\n', at_ - 1) + 1; }  // npos + 1 is 0
  std::size_t line_end() const { return std::min(text_.find('\n', at_), text_.size()); }
  int column() const { return static_cast<int>(std::min<std::size_t>(at_ - line_start(), 1 << 20)); }
  bool is_marker(std::string_view marker) const {
    return text_.substr(at_).starts_with(marker) && is_blank(peek(3)) && (at_ == 0 || text_[at_ - 1] == '\n');
  }
  // The document ends here: at its text, or a marker.
  bool is_end() const { return at_ >= text_.size() || is_marker("---") || is_marker("..."); }
  bool is_item() const { return peek() == '-' && is_blank(peek(1)); }

  void skip_blanks() {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\r')) ++at_;
  }
  void refuse_control_characters() {
    auto bad = std::find_if(text_.begin(), text_.end(), [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f; });
    if (bad == text_.end()) return;
    at_ = static_cast<std::size_t>(bad - text_.begin());
    fail("a control character");
  }
  enum class Tabs { refuse, allow };
  // To the next character that is neither blank nor in a comment; false when it is in another line.
  bool next_content(Tabs tabs = Tabs::refuse) {
    bool same_line = true;
    for (;;) {
      std::size_t before = at_;
      skip_blanks();
      if (peek() == '#' && (at_ == 0 || is_blank(text_[at_ - 1]))) at_ = line_end();
      if (peek() != '\n' || at_ >= text_.size()) {
        if (!same_line && tabs == Tabs::refuse && text_.substr(before, at_ - before).find('\t') != text_.npos && at_ < text_.size()) fail("a tab indents");
        return same_line;
      }
      ++at_;
      same_line = false;
    }
  }
  // Behind a value: the rest of its line may only be a comment.
  void end_of_line() {
    std::size_t before = at_;
    skip_blanks();
    if (at_ >= text_.size() || peek() == '\n') return;
    if (peek() == '#' && at_ > before) return;
    fail(peek() == ':' ? "a map within the line of another" : "more text behind a value");
  }
  Value counted(Value value) {
    if (++values_ > kMostValues) fail(cat("more than ", kMostValues, " values"));
    return value;
  }

  // A value whose text stands at `least` or farther right; what stands farther left is not its own: it is null then. The
  // items of a list in a map may stand at the map's own column, which is least - 1.
  Value node(int least, Inside inside) {
    bool same_line = next_content();
    bool fresh = !same_line || inside != Inside::map;  // a map or a list may begin here
    if (is_end()) return counted(Value());
    if (!same_line && column() < least && !(inside == Inside::map && is_item() && column() == least - 1)) return counted(Value());
    if (is_item()) {
      if (!fresh) fail("a list within the line of a key");
      return list(column());
    }
    if (peek() == '[' || peek() == '{') {
      Value value = flow();
      end_of_line();
      return value;
    }
    const int start = column();
    const std::size_t begin = at_;
    const bool quoted = peek() == '"' || peek() == '\'';
    std::string text = scalar();
    std::size_t behind = at_;
    skip_blanks();
    if (peek() == ':' && is_blank(peek(1)) && fresh) {
      end_of_key(begin, text);
      return map(start, std::move(text));
    }
    at_ = behind;
    if (!quoted) continue_plain(text, least);
    end_of_line();
    return counted(quoted ? Value(std::move(text)) : plain_value(std::move(text)));
  }

  // The key of the first entry and its `:` are read.
  Value map(int start, std::string key) {
    Level level(*this);
    Value out{json::Object{}};
    counted(Value());
    for (;;) {
      if (out.has(key)) fail(cat("the key ", printable(key), " is there twice"));
      out.at(key) = node(start + 1, Inside::map);
      next_content();
      if (is_end() || column() < start) return out;
      if (column() > start) fail("text that belongs to nothing, perhaps by its indentation");
      if (is_item()) fail("a list where a key is expected");
      const std::size_t begin = at_;
      key = scalar();
      skip_blanks();
      end_of_key(begin, key);
    }
  }
  void end_of_key(std::size_t begin, const std::string& key) {
    if (peek() != ':' || !is_blank(peek(1))) fail(cat("no `: ` behind the key ", printable(key)));
    if (text_.substr(begin, at_ - begin).find('\n') != text_.npos) fail("a key of more than one line");
    ++at_;
  }

  Value list(int start) {
    Level level(*this);
    Value out{json::Array{}};
    counted(Value());
    for (;;) {
      ++at_;
      out.push_back(node(start + 1, Inside::list));
      next_content();
      if (is_end() || column() < start || (column() == start && !is_item())) return out;
      if (column() > start) fail("text that belongs to nothing, perhaps by its indentation");
    }
  }

  // One line of a plain scalar, or a quoted one.
  std::string scalar() {
    if (peek() == '"') return double_quoted();
    if (peek() == '\'') return single_quoted();
    refuse_indicators();
    return plain("");
  }
  void refuse_indicators() const {
    switch (peek()) {
      case '&': case '*': fail("anchors and aliases are not read");
      case '!': fail("tags are not read");
      case '|': case '>': fail("block scalars are not read");
      case '%': case '@': case '`': case ',': case ']': case '}': case '[': case '{': case '#': fail(cat("an unexpected ", std::string(1, peek())));
      case '?': case ':': case '-':
        if (is_blank(peek(1))) fail(peek() == '?' ? "keys that are no scalar are not read" : cat("an unexpected ", std::string(1, peek())));
    }
  }
  // Up to `: `, ` #`, the end of the line, or one of `ends`.
  std::string plain(std::string_view ends) {
    std::size_t begin = at_;
    while (at_ < text_.size() && peek() != '\n') {
      if (peek() == ':' && (is_blank(peek(1)) || (!ends.empty() && ends.find(peek(1)) != ends.npos))) break;
      if (peek() == '#' && at_ > begin && is_blank(text_[at_ - 1])) break;
      if (ends.find(peek()) != ends.npos) break;
      ++at_;
    }
    std::string_view found = trim(text_.substr(begin, at_ - begin));
    at_ = begin + found.size();
    return std::string(found);
  }
  // A plain scalar goes on in lines that stand farther right than what it belongs to.
  void continue_plain(std::string& text, int least) {
    for (;;) {
      std::size_t before = at_;
      skip_blanks();
      if (peek() != '\n') return void(at_ = before);
      ++at_;
      skip_blanks();
      if (at_ >= text_.size() || peek() == '\n' || peek() == '#' || column() < least || is_end()) return void(at_ = before);
      text += ' ';
      text += plain("");
    }
  }
  static Value plain_value(std::string text) {
    if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
    return Value(std::move(text));
  }

  // Inside quotes, at the end of a line: blanks around it become one, empty lines stay.
  void fold(std::string& out, std::size_t literal) {
    while (out.size() > literal && (out.back() == ' ' || out.back() == '\t' || out.back() == '\r')) out.pop_back();
    std::size_t lines = 0;
    for (; at_ < text_.size() && is_blank(peek()); ++at_) lines += peek() == '\n';
    if (is_end()) fail("quotes that do not end");
    out += lines == 1 ? std::string(1, ' ') : std::string(lines - 1, '\n');
  }
  std::string single_quoted() {
    std::string out;
    for (++at_; at_ < text_.size();) {
      char c = peek();
      if (c == '\n') {
        fold(out, 0);
        continue;
      }
      ++at_;
      if (c != '\'') out += c;
      else if (peek() == '\'') out += '\'', ++at_;
      else return out;
    }
    fail("quotes that do not end");
  }
  std::string double_quoted() {
    std::string out;
    std::size_t literal = 0;  // what escapes gave is no blank to fold
    for (++at_; at_ < text_.size();) {
      char c = peek();
      if (c == '\n') {
        fold(out, literal);
        continue;
      }
      ++at_;
      if (c == '"') return out;
      if (c == '\\') {
        escape(out);
        literal = out.size();
      } else {
        out += c;
      }
    }
    fail("quotes that do not end");
  }
  unsigned hex_digits(int count) {
    unsigned code = 0;
    for (int i = 0; i < count; ++i, ++at_) {
      char c = peek();
      int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
      if (digit < 0) fail("an escape that is none");
      code = code << 4 | static_cast<unsigned>(digit);
    }
    return code;
  }
  void escape(std::string& out) {
    char c = peek();
    if (at_ < text_.size()) ++at_;
    constexpr std::string_view kNames = "0abtnvfre\"/\\ ", kValues("\0\a\b\t\n\v\f\r\x1b\"/\\ ", 13);
    if (auto at = kNames.find(c); c != '\0' && at != kNames.npos) return void(out += kValues[at]);
    if (c == '\r' && peek() == '\n') c = '\n', ++at_;
    if (c == '\n') {  // empty lines behind it stay
      for (; at_ < text_.size() && is_blank(peek()); ++at_)
        if (peek() == '\n') out += '\n';
      if (is_end()) fail("quotes that do not end");
      return;
    }
    if (c == 'N') return append_utf8(out, 0x85);
    if (c == '_') return append_utf8(out, 0xa0);
    if (c == 'L') return append_utf8(out, 0x2028);
    if (c == 'P') return append_utf8(out, 0x2029);
    if (c != 'x' && c != 'u' && c != 'U') fail("an escape that is none");
    unsigned code = hex_digits(c == 'x' ? 2 : c == 'u' ? 4 : 8);
    if (code >= 0xd800 && code < 0xdc00 && c == 'u' && peek() == '\\' && peek(1) == 'u') {  // as JSON writes it
      at_ += 2;
      unsigned low = hex_digits(4);
      if (low < 0xdc00 || low > 0xdfff) fail("an escape that is no character");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) fail("an escape that is no character");
    append_utf8(out, code);
  }

  // `[…]` or `{…}`, in one or more lines.
  Value flow() {
    Level level(*this);
    const bool is_map = peek() == '{';
    const char end = is_map ? '}' : ']';
    Value out = is_map ? Value(json::Object{}) : Value(json::Array{});
    counted(Value());
    ++at_;
    for (;;) {
      flow_content();
      if (peek() == end) return ++at_, out;
      if (is_map) {
        std::string key = flow_scalar().first;
        flow_content();
        if (out.has(key)) fail(cat("the key ", printable(key), " is there twice"));
        bool has_value = peek() == ':';
        if (has_value) ++at_, flow_content();
        out.at(key) = has_value && peek() != ',' && peek() != end ? flow_value() : counted(Value());
      } else {
        out.push_back(flow_value());
      }
      flow_content();
      if (peek() == ',') ++at_;
      else if (peek() != end) fail(cat("no `,` or `", std::string(1, end), "` behind a value"));
    }
  }
  void flow_content() {
    next_content(Tabs::allow);
    if (is_end()) fail("a list or map in brackets that does not end");
  }
  std::pair<std::string, bool> flow_scalar() {
    if (peek() == '"') return {double_quoted(), true};
    if (peek() == '\'') return {single_quoted(), true};
    refuse_indicators();
    return {plain(",[]{}"), false};
  }
  Value flow_value() {
    if (peek() == '[' || peek() == '{') return flow();
    auto [text, quoted] = flow_scalar();
    return counted(quoted ? Value(std::move(text)) : plain_value(std::move(text)));
  }

  std::string_view text_, source_;
  std::size_t at_ = 0, values_ = 0;
  int depth_ = 0;
};

}  // namespace

Value parse(std::string_view text, std::string_view source) { return Reader(text, source).document(); }

}  // namespace udocker::yaml
