// `--format`: rows of a listing by a template in docker's spelling: '{{.ID}}\t{{.Names}}', 'table {{.ID}}…', 'json'.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::cli {

// One thing a row can tell. Keys are written {{.Key}}, in any case; headings stand above a table's columns.
struct Field {
  const char* key;
  const char* heading;
};

using CellOf = std::function<std::string(std::size_t field)>;  // text of one field of one row, made when asked for

// A template taken apart. Texts may hold \t and \n; {{json .Key}} prints the field as a JSON string, {{json .}} the row.
class RowFormat {
 public:
  // Throws UsageError naming the field that is unknown and those that exist.
  RowFormat(std::string_view text, std::span<const Field> fields);
  // The lines of all rows; a table has its headings first and aligned columns.
  std::vector<std::string> lines(const std::vector<CellOf>& rows) const;
  // The help text about the fields: "ID Names …".
  static std::string names(std::span<const Field> fields);

 private:
  enum class Kind { text, field, json_field, json_row };
  struct Piece {
    Kind kind;
    std::string text;
    std::size_t field = 0;
  };
  void parse(std::string_view text);
  std::string row_text(const CellOf& cell) const;
  std::string heading_text() const;

  std::span<const Field> fields_;
  std::vector<Piece> pieces_;
  bool table_ = false;
};

// "2 weeks", "5 minutes", "Less than a second", as docker writes ages.
std::string age_text(long seconds);
// "2026-11-25T02:07:47.84Z" as seconds since 1970; 0 when it is no such text.
long parse_time(std::string_view text);

}  // namespace udocker::cli
