// The command line as data: options and applets are tables; parser, help, man page and completions read them.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::cli {

enum class Repeat { last_wins, list };

// One option. `names` are blank-separated spellings ("-v --volume"); the last one is its key.
struct Option {
  const char* names;
  const char* value;  // name of its value in the help; "" for a flag; "[X]" for a value given only as --opt=X
  const char* help;   // "" hides it from the help
  Repeat repeat = Repeat::last_wins;
};

// The parsed words of one command line. Keys are given without dashes: args.has("rm"), args.value("workdir").
class Arguments {
 public:
  bool has(std::string_view key) const;
  std::optional<std::string> value(std::string_view key) const;  // the last one given
  std::string value_or(std::string_view key, std::string_view fallback) const;
  const std::vector<std::string>& values(std::string_view key) const;
  const std::vector<std::string>& words() const { return words_; }
  // Word number `index`; throws UsageError "must specify WHAT" when it is missing.
  const std::string& word(std::size_t index, std::string_view what) const;
  // Throws UsageError naming the extra words when there are more than `limit`.
  void at_most(std::size_t limit) const;
  const Arguments& general() const { return general_ ? *general_ : *this; }  // options before the command

 private:
  friend Arguments parse(std::span<const Option>, std::span<const std::string>, struct ParseRules);
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::vector<std::string> words_;
  const Arguments* general_ = nullptr;

 public:
  void set_general(const Arguments* general) { general_ = general; }
};

enum class Words { stop_options, mix };  // does the first plain word end the options?

struct ParseRules {
  Words words = Words::stop_options;
};

// Accepts --opt v, --opt=v, -o v, -o=v, -ov, grouped flags (-it), `--`, and keeps empty words.
// Throws UsageError naming the word on an unknown option or a missing or unwanted value.
Arguments parse(std::span<const Option> options, std::span<const std::string> words, ParseRules rules);

// One user command: a file applets/NAME.cpp defines `extern const cli::Applet applet_NAME`.
struct Applet {
  const char* name;
  const char* usage;    // "rmi [-f] <repo/image:tag>"
  const char* summary;  // one line
  std::span<const Option> options;
  int (*run)(const Arguments&);  // exit status; throws Error
  const char* examples = "";     // lines for the help
  Words words = Words::mix;
};

// One engine or tool chosen by argv[0]: embedded/FOLDER/main.cpp defines `extern const cli::Program program_FOLDER`.
struct Program {
  const char* names;  // blank-separated: "udocker-proot proot"
  const char* summary;
  int (*main)(int argc, char** argv);  // exit status; may throw Error
};

// Made by the Makefile from the file names.
std::span<const Applet* const> all_applets();
std::span<const Program* const> all_programs();

std::span<const Option> general_options();
std::string help_text(const Applet& applet);
std::string global_help();

// `argv[0]`'s base name picks a Program by any of its names; null when there is none.
const Program* find_program(std::string_view name);
const Applet* find_applet(std::string_view name);

}  // namespace udocker::cli
