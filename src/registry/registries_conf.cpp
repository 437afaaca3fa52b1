#include "registry/registries_conf.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

namespace udocker::registry {

namespace {

// The part of TOML these files use: tables, arrays of tables, keys with strings, booleans, numbers and arrays of them
// (arrays and inline tables may span lines and are passed over).
class Reader {
 public:
  Reader(std::string_view text, const std::string& source, std::vector<Rule>& rules, std::map<std::string, std::string>& aliases)
      : text_(text), source_(source), rules_(rules), aliases_(aliases) {}

  void read() {
    while (skip_blank(true), at_ < text_.size()) {
      if (text_[at_] == '[') table();
      else assignment();
      skip_blank(false);
      if (at_ < text_.size() && text_[at_] != '\n') fail("text after a value");
    }
    finish_rule();
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())), '\n');
    throw IntegrityError(cat(source_, ":", line, ": ", why));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_blank(bool lines) {
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        if (at_ == text_.size()) return;
        c = '\n';
      }
      if (c == '\n' ? !lines : c != ' ' && c != '\t' && c != '\r') return;
    }
  }

  std::string key() {
    skip_blank(false);
    if (peek() == '"' || peek() == '\'') return string();
    std::size_t from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '-' || text_[at_] == '_')) ++at_;
    if (at_ == from) fail("a key was expected");
    return std::string(text_.substr(from, at_ - from));
  }

  std::string dotted_key() {
    std::string out = key();
    while (skip_blank(false), peek() == '.') {
      ++at_;
      out += "." + key();
    }
    return out;
  }

  std::string string() {
    char quote = text_[at_];
    std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
    bool is_long = text_.substr(at_).starts_with(triple);
    at_ += is_long ? 3 : 1;
    std::string out;
    for (;; ++at_) {
      if (at_ >= text_.size() || (!is_long && text_[at_] == '\n')) fail("a string does not end");
      if (is_long ? text_.substr(at_).starts_with(triple) : text_[at_] == quote) break;
      if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_];
    }
    at_ += is_long ? 3 : 1;
    return out;
  }

  struct Value {
    std::string text;
    bool is_true = false;
  };

  // Nested values are passed over; `depth` bounds the recursion.
  Value value(int depth = 0) {
    skip_blank(depth > 0);
    if (depth > 20) fail("nested too deep");
    if (peek() == '"' || peek() == '\'') return {string()};
    if (peek() == '[' || peek() == '{') {
      char close = peek() == '[' ? ']' : '}';
      ++at_;
      while (skip_blank(true), peek() != close) {
        if (at_ >= text_.size()) fail("an array or table does not end");
        if (peek() == ',') {
          ++at_;
          continue;
        }
        if (close == '}') {
          dotted_key();
          skip_blank(false);
          if (peek() != '=') fail("= was expected");
          ++at_;
        }
        value(depth + 1);
      }
      ++at_;
      return {};
    }
    std::size_t from = at_;
    while (at_ < text_.size() && std::string_view(" \t\r\n,]}#").find(text_[at_]) == std::string_view::npos) ++at_;
    if (at_ == from) fail("a value was expected");
    std::string word(text_.substr(from, at_ - from));
    return {word, word == "true"};
  }

  void table() {
    bool array = text_.substr(at_).starts_with("[[");
    at_ += array ? 2 : 1;
    std::string name = dotted_key();
    skip_blank(false);
    if (!text_.substr(at_).starts_with(array ? "]]" : "]")) fail("] was expected");
    at_ += array ? 2 : 1;
    where_ = !array && name == "aliases" ? Where::aliases : Where::elsewhere;
    if (array && name == "registry") {
      finish_rule();
      rule_.emplace();
      rule_->source = source_;
      where_ = Where::rule;
    } else if (array && name == "registry.mirror") {
      if (!rule_) fail("a mirror without a registry");
      rule_->mirrors.emplace_back();
      where_ = Where::mirror;
    }
  }

  void assignment() {
    std::string name = dotted_key();
    skip_blank(false);
    if (peek() != '=') fail("= was expected");
    ++at_;
    Value got = value();
    if (where_ == Where::aliases) {
      aliases_[name] = got.text;
    } else if (where_ == Where::rule) {
      if (name == "prefix") rule_->prefix = got.text;
      else if (name == "location") rule_->location = got.text;
      else if (name == "insecure") rule_->insecure = got.is_true;
      else if (name == "blocked") rule_->blocked = got.is_true;
      else if (name == "mirror-by-digest-only") digest_only_ = got.is_true;
    } else if (where_ == Where::mirror) {
      Mirror& mirror = rule_->mirrors.back();
      if (name == "location") mirror.location = got.text;
      else if (name == "insecure") mirror.insecure = got.is_true;
      else if (name == "pull-from-mirror")
        mirror.pull = got.text == "digest-only" ? PullFrom::digest_only : got.text == "tag-only" ? PullFrom::tag_only : PullFrom::all;
    }
  }

  void finish_rule() {
    if (rule_) {
      if (rule_->prefix.empty()) rule_->prefix = rule_->location;
      std::erase_if(rule_->mirrors, [](const Mirror& mirror) { return mirror.location.empty(); });
      if (digest_only_)
        for (auto& mirror : rule_->mirrors)
          if (mirror.pull == PullFrom::all) mirror.pull = PullFrom::digest_only;
      if (rule_->prefix.empty()) fail("a registry needs a prefix or a location");
      std::erase_if(rules_, [&](const Rule& other) { return other.prefix == rule_->prefix; });
      rules_.push_back(std::move(*rule_));
    }
    rule_.reset();
    digest_only_ = false;
  }

  enum class Where { elsewhere, aliases, rule, mirror };
  std::string_view text_;
  const std::string& source_;
  std::vector<Rule>& rules_;
  std::map<std::string, std::string>& aliases_;
  std::size_t at_ = 0;
  Where where_ = Where::elsewhere;
  std::optional<Rule> rule_;
  bool digest_only_ = false;
};

bool fits(const Rule& rule, std::string_view name) {
  if (rule.prefix.starts_with("*.")) {
    std::string_view host = name.substr(0, name.find('/'));
    return host.ends_with(std::string_view(rule.prefix).substr(1));
  }
  return starts_with_word(name, rule.prefix);
}

void add_file(Registries& registries, const std::string& path, Aliases aliases) {
  try {
    if (auto text = find_file(path)) registries.add(*text, path, aliases);
  } catch (const Error& error) {
    log::warning(cat(error.what(), " (file not used)"));
  }
}

Registries load_system() {
  auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  Registries out;
  std::string config = environment("XDG_CONFIG_HOME"), home = environment("HOME");
  if (config.empty() && !home.empty()) config = home + "/.config";
  std::string user = config + "/containers/registries.conf", system = "/etc/containers/registries.conf";
  if (std::string only = environment("CONTAINERS_REGISTRIES_CONF"); !only.empty()) {
    add_file(out, only, Aliases::heed);
    return out;
  }
  // A bare name is one of Docker Hub's, as in the Python tool, whatever short names a distribution ships: aliases count
  // where the user wrote them.
  bool own = !config.empty() && path_exists(user);
  add_file(out, own ? user : system, own ? Aliases::heed : Aliases::ignore);
  for (const auto& folder : {system + ".d", user + ".d"})
    if (folder.starts_with('/'))
      for (const auto& name : list_directory(folder))
        if (name.ends_with(".conf")) add_file(out, cat(folder, "/", name), folder == user + ".d" ? Aliases::heed : Aliases::ignore);
  return out;
}

}  // namespace

void Registries::add(std::string_view text, const std::string& source, Aliases heed) {
  std::vector<Rule> rules = rules_;  // nothing of a file that turns out to be broken
  std::map<std::string, std::string> aliases = aliases_;
  Reader(text, source, rules, aliases).read();
  rules_ = std::move(rules);
  if (heed == Aliases::heed) aliases_ = std::move(aliases);
}

std::string Registries::alias(const std::string& name) const {
  auto found = aliases_.find(name);
  return found == aliases_.end() ? "" : found->second;
}

const Rule* Registries::find(std::string_view name) const {
  const Rule* best = nullptr;
  for (const auto& rule : rules_)
    if (fits(rule, name) && (!best || rule.prefix.size() > best->prefix.size())) best = &rule;
  return best;
}

const Registries& system_registries() {
  static const Registries registries = load_system();
  return registries;
}

}  // namespace udocker::registry
