// YAML as programs write it for settings: block and flow maps and lists, plain and quoted scalars, comments.
#pragma once
#include "util/json.hpp"

namespace udocker::yaml {

// Scalars are texts, whatever they look like ("0", "true"); `~`, `null` and nothing are null. Throws IntegrityError naming
// `source` and the line on what is not read: anchors, aliases, tags, directives, block scalars (`|`, `>`), keys that are
// no scalar, a second document; on a key given twice, tabs that indent, nesting deeper than 100, more than 250000 values.
json::Value parse(std::string_view text, std::string_view source);

}  // namespace udocker::yaml
