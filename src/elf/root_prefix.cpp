#include "elf/root_prefix.hpp"

#include "util/strings.hpp"

#include <elf.h>

namespace udocker::elf {

namespace {

bool under(std::string_view text, const std::string& prefix) { return text.starts_with(prefix + "/"); }

std::string add(const std::string& text, const std::string& prefix) {
  return under(text, prefix) || text == prefix ? text : prefix + "/" + text;
}

std::string strip(const std::string& text, const std::string& prefix) {
  return under(text, prefix) ? text.substr(prefix.size() + 1) : text;
}

bool relative_to_file(const std::string& element) {
  return element.starts_with("$ORIGIN") || element.starts_with("${ORIGIN}");
}

template <typename Change>
std::string each_element(const std::string& path, const Change& change) {
  std::vector<std::string> elements = split(path, ':');
  for (std::string& element : elements)
    if (!element.empty()) element = change(element);
  return join(elements, ":");
}

std::string add_to_path(const std::string& path, const std::string& prefix) {
  return each_element(path, [&](const std::string& e) { return relative_to_file(e) ? e : add(e, prefix); });
}

std::string strip_from_path(const std::string& path, const std::string& prefix) {
  return each_element(path, [&](const std::string& e) { return strip(e, prefix); });
}

template <typename Name, typename Path>
bool differs(const View& view, const Name& name, const Path& path) {
  if (const auto interpreter = view.interpreter()) {
    const std::string old(*interpreter);
    if (name(old) != old) return true;
  }
  if (!view.is_dynamic() || !view.dynamic_value(DT_STRTAB)) return false;
  if (const auto old = view.rpath(); old && path(*old) != *old) return true;
  for (const std::string& old : view.needed())
    if (old.starts_with('/') && name(old) != old) return true;
  return false;
}

template <typename Name, typename Path>
void change(Editor& editor, const Name& name, const Path& path) {
  if (const auto old = editor.interpreter(); old && !old->empty()) editor.set_interpreter(name(*old));
  if (!editor.is_dynamic()) return;
  if (const auto old = editor.rpath()) {
    const std::string changed = path(*old);
    if (changed != *old) editor.set_rpath(changed, RpathTag::runpath);
  }
  std::map<std::string, std::string> names;
  for (const std::string& old : editor.needed())
    if (old.starts_with('/')) names[old] = name(old);
  editor.replace_needed(names);
}

}  // namespace

bool wants_root_prefix(const View& view, const std::string& prefix) {
  return differs(
      view, [&](const std::string& n) { return add(n, prefix); },
      [&](const std::string& p) { return add_to_path(p, prefix); });
}

bool has_root_prefix(const View& view, const std::string& prefix) {
  return differs(
      view, [&](const std::string& n) { return strip(n, prefix); },
      [&](const std::string& p) { return strip_from_path(p, prefix); });
}

void set_root_prefix(Editor& editor, const std::string& prefix) {
  change(
      editor, [&](const std::string& n) { return add(n, prefix); },
      [&](const std::string& p) { return add_to_path(p, prefix); });
}

void restore_root_prefix(Editor& editor, const std::string& prefix) {
  change(
      editor, [&](const std::string& n) { return strip(n, prefix); },
      [&](const std::string& p) { return strip_from_path(p, prefix); });
}

}  // namespace udocker::elf
