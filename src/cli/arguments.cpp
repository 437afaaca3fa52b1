#include "cli/applet.hpp"

#include "util/error.hpp"
#include "util/strings.hpp"

namespace udocker::cli {

namespace {

const std::vector<std::string> kNone;

std::string key_of(const Option& option) {
  auto names = split_words(option.names);
  return names.back().substr(names.back().find_first_not_of('-'));
}

const Option* find_option(std::span<const Option> options, std::string_view spelling) {
  for (const auto& option : options)
    for (const auto& name : split_words(option.names))
      if (name == spelling) return &option;
  return nullptr;
}

[[noreturn]] void unknown(std::span<const Option> options, const std::string& word) {
  std::vector<std::string> spellings;
  for (const auto& option : options)
    for (auto& name : split_words(option.names)) spellings.push_back(std::move(name));
  std::string spelled = word.substr(0, word.find('='));
  auto hint = nearest(spelled, spellings);
  throw UsageError(cat("syntax error at: ", printable(spelled), hint ? cat(" (did you mean ", *hint, "?)") : ""));
}

bool is_flag(const Option& option) { return option.value[0] == '\0'; }
bool is_optional(const Option& option) { return option.value[0] == '['; }

class Parser {
 public:
  Parser(std::span<const Option> options, std::span<const std::string> words) : options_(options), words_(words) {}

  std::map<std::string, std::vector<std::string>, std::less<>> found;
  std::vector<std::string> plain;

  void run(Words rule) {
    for (at_ = 0; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      bool is_option = word.size() > 1 && word[0] == '-';
      if (word == "--") return take_rest(at_ + 1);
      if (!is_option && rule == Words::stop_options) return take_rest(at_);
      if (!is_option) {
        plain.push_back(word);
      } else if (word[1] == '-') {
        long_option(word);
      } else {
        short_options(word);
      }
    }
  }

 private:
  void take_rest(std::size_t from) { plain.insert(plain.end(), words_.begin() + static_cast<long>(from), words_.end()); }

  void add(const Option& option, std::string value) {
    auto& values = found[key_of(option)];
    if (option.repeat == Repeat::last_wins) values.clear();
    values.push_back(std::move(value));
  }

  void remove(const Option& option) { found.erase(key_of(option)); }

  std::string next_value(const std::string& spelling) {
    if (at_ + 1 >= words_.size()) throw UsageError(cat("option ", spelling, " needs a value"));
    return words_[++at_];
  }

  void with_value(const Option& option, const std::string& spelling, const std::string& value) {
    if (!is_flag(option)) return add(option, std::string(trim(value)));
    if (value == "true" || value == "1") return add(option, "");
    if (value == "false" || value == "0") return remove(option);
    throw UsageError(cat("option ", spelling, " takes no value: ", printable(value)));
  }

  void long_option(const std::string& word) {
    auto equals = word.find('=');
    std::string spelling = word.substr(0, equals);
    const Option* option = find_option(options_, spelling);
    if (!option) unknown(options_, word);
    if (equals != std::string::npos) return with_value(*option, spelling, word.substr(equals + 1));
    if (is_flag(*option) || is_optional(*option)) return add(*option, "");
    add(*option, next_value(spelling));
  }

  // -x, -xyz, -xVALUE, -x=VALUE, -x VALUE; a whole word such as -it is tried as one spelling first.
  void short_options(const std::string& word) {
    std::string whole = word.substr(0, word.find('='));
    if (whole.size() > 2 && find_option(options_, whole)) return long_option(word);
    for (std::size_t i = 1; i < word.size(); ++i) {
      std::string spelling = {'-', word[i]};
      const Option* option = find_option(options_, spelling);
      if (!option) unknown(options_, i == 1 ? word : spelling);
      bool last = i + 1 == word.size();
      if (!last && word[i + 1] == '=') return with_value(*option, spelling, word.substr(i + 2));
      if (is_flag(*option) || (is_optional(*option) && last)) {
        add(*option, "");
        continue;
      }
      return add(*option, last ? next_value(spelling) : word.substr(i + 1));
    }
  }

  std::span<const Option> options_;
  std::span<const std::string> words_;
  std::size_t at_ = 0;
};

}  // namespace

Arguments parse(std::span<const Option> options, std::span<const std::string> words, ParseRules rules) {
  Parser parser(options, words);
  parser.run(rules.words);
  Arguments result;
  result.options_ = std::move(parser.found);
  result.words_ = std::move(parser.plain);
  return result;
}

bool Arguments::has(std::string_view key) const { return options_.find(key) != options_.end(); }

std::optional<std::string> Arguments::value(std::string_view key) const {
  auto found = options_.find(key);
  if (found == options_.end()) return std::nullopt;
  return found->second.back();
}

std::string Arguments::value_or(std::string_view key, std::string_view fallback) const {
  return value(key).value_or(std::string(fallback));
}

const std::vector<std::string>& Arguments::values(std::string_view key) const {
  auto found = options_.find(key);
  return found == options_.end() ? kNone : found->second;
}

const std::string& Arguments::word(std::size_t index, std::string_view what) const {
  if (index >= words_.size()) throw UsageError(cat("must specify ", what));
  return words_[index];
}

void Arguments::at_most(std::size_t limit) const {
  if (words_.size() <= limit) return;
  std::vector<std::string> extra(words_.begin() + static_cast<long>(limit), words_.end());
  throw UsageError(cat("syntax error at: ", printable(join(extra, " "))));
}

}  // namespace udocker::cli
