#include "cli/row_format.hpp"

#include "util/error.hpp"
#include "util/json.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <ctime>

namespace udocker::cli {

namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool escape = text[i] == '\\' && i + 1 < text.size();
    if (escape && text[i + 1] == 't') out += '\t', ++i;
    else if (escape && text[i + 1] == 'n') out += '\n', ++i;
    else out += text[i];
  }
  return out;
}

std::string json_text(std::string text) { return json::to_line(json::Value(std::move(text))); }

// Columns are what stands between tabs; each is as wide as its widest text, three blanks apart.
void align(std::vector<std::string>& lines) {
  std::vector<std::size_t> widths;
  for (const auto& line : lines) {
    auto cells = split(line, '\t');
    widths.resize(std::max(widths.size(), cells.size()));
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  for (auto& line : lines) {
    auto cells = split(line, '\t');
    line.clear();
    for (std::size_t i = 0; i + 1 < cells.size(); ++i) line += pad(cells[i], -static_cast<int>(widths[i] + 3));
    line += cells.back();
  }
}

}  // namespace

RowFormat::RowFormat(std::string_view text, std::span<const Field> fields) : fields_(fields) {
  if (text == "json") {
    pieces_.push_back({Kind::json_row, ""});
    return;
  }
  if (text == "table" || text.starts_with("table ")) {
    table_ = true;
    text = trim(text.substr(5));
  }
  parse(text);
}

void RowFormat::parse(std::string_view text) {
  while (!text.empty()) {
    auto open = text.find("{{");
    if (open != 0) pieces_.push_back({Kind::text, unescape(text.substr(0, open))});
    if (open == text.npos) return;
    auto close = text.find("}}", open);
    if (close == text.npos) throw UsageError(cat("--format: {{ without }}: ", printable(text.substr(open))));
    std::string_view inside = trim(text.substr(open + 2, close - open - 2));
    text.remove_prefix(close + 2);
    Kind kind = Kind::field;
    if (inside.starts_with("json ")) {
      kind = Kind::json_field;
      inside = trim(inside.substr(5));
    }
    if (kind == Kind::json_field && inside == ".") {
      pieces_.push_back({Kind::json_row, ""});
      continue;
    }
    std::string key = to_lower(inside.starts_with('.') ? inside.substr(1) : inside);
    std::size_t at = 0;
    while (at < fields_.size() && to_lower(fields_[at].key) != key) ++at;
    if (at == fields_.size() || !inside.starts_with('.'))
      throw UsageError(cat("--format: no field ", printable(inside), "; there are: ", names(fields_)));
    pieces_.push_back({kind, "", at});
  }
}

std::string RowFormat::names(std::span<const Field> fields) {
  std::string out;
  for (const auto& field : fields) out += cat(out.empty() ? "." : " .", field.key);
  return out;
}

std::string RowFormat::row_text(const CellOf& cell) const {
  std::string out;
  for (const auto& piece : pieces_) {
    switch (piece.kind) {
      case Kind::text: out += piece.text; break;
      case Kind::field: out += printable(cell(piece.field)); break;
      case Kind::json_field: out += json_text(cell(piece.field)); break;
      case Kind::json_row: {
        json::Object row;
        for (std::size_t i = 0; i < fields_.size(); ++i) row[fields_[i].key] = cell(i);
        out += json::to_compact(row);
      }
    }
  }
  return out;
}

std::string RowFormat::heading_text() const {
  std::string out;
  for (const auto& piece : pieces_) out += piece.kind == Kind::text ? piece.text : fields_[piece.field].heading;
  return out;
}

std::vector<std::string> RowFormat::lines(const std::vector<CellOf>& rows) const {
  std::vector<std::string> out;
  if (table_) out.push_back(heading_text());
  for (const auto& row : rows) out.push_back(row_text(row));
  if (table_) align(out);
  return out;
}

std::string age_text(long seconds) {
  struct Unit {
    const char* name;
    long length, until;
  };
  static constexpr Unit kUnits[] = {{"second", 1, 60},           {"minute", 60, 3600},          {"hour", 3600, 48 * 3600},
                                    {"day", 86400, 14 * 86400},  {"week", 604800, 60 * 86400L}, {"month", 30 * 86400L, 730 * 86400L},
                                    {"year", 365 * 86400L, 0}};
  if (seconds < 1) return "Less than a second";
  for (const auto& unit : kUnits) {
    if (unit.until && seconds >= unit.until) continue;
    long count = seconds / unit.length;
    return cat(count, " ", unit.name, count == 1 ? "" : "s");
  }
  return "";
}

long parse_time(std::string_view text) {
  std::string whole(text.substr(0, 19));
  tm parts{};
  const char* end = ::strptime(whole.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  return end && *end == '\0' ? ::timegm(&parts) : 0;
}

}  // namespace udocker::cli
