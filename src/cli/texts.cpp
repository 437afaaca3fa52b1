#include "cli/texts.hpp"

#include "cli/applet.hpp"
#include "util/strings.hpp"

namespace udocker::cli {

namespace {

std::string spellings(std::span<const Option> options) {
  std::vector<std::string> words;
  for (const auto& option : options)
    if (option.help[0] != '\0')
      for (auto& name : split_words(option.names)) words.push_back(std::move(name));
  return join(words, " ");
}

std::string command_names() {
  std::vector<std::string> names;
  for (const Applet* applet : all_applets()) names.emplace_back(applet->name);
  return join(names, " ");
}

// What the plain words of a command are, by its usage line.
const char* word_kind(const Applet& applet) {
  std::string_view usage = applet.usage;
  bool container = usage.find("container") != std::string_view::npos, image = usage.find("image") != std::string_view::npos;
  return container && image ? "both" : container ? "containers" : image ? "images" : "files";
}

std::string quoted(std::string_view text, char quote) {
  std::string out;
  for (char c : text) {
    if (c == quote || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// In groff a leading dot or quote starts a request, and `-` is a hyphen unless escaped.
std::string groff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else out += c;
    line_start = c == '\n';
  }
  return out;
}

std::string groff_options(std::span<const Option> options) {
  std::string out;
  for (const auto& option : options) {
    if (option.help[0] == '\0') continue;
    std::string_view value = option.value;
    std::string heading = join(split_words(option.names), ", ");
    if (!value.empty()) heading += cat(value[0] == '[' ? "[=" : "=", value[0] == '[' ? value.substr(1) : value);
    out += cat(".TP\n.B ", groff(heading), "\n", groff(option.help), "\n");
  }
  return out;
}

}  // namespace

std::string bash_completion() {
  std::string out = "# bash completion for udocker; load with: source <(udocker completion bash)\n";
  out += "_udocker_names() {\n  case $1 in\n"
         "    containers|both) udocker -q ps 2>/dev/null | sed -n '1d; s/^\\([^ ]*\\) .*/\\1/p; s/.*\\[\\(.*\\)\\].*/\\1/p' | tr -d \"',\" ;;&\n"
         "    images|both) udocker -q images 2>/dev/null | awk '{print $1}' ;;\n  esac\n}\n";
  out += "_udocker() {\n  local cur=${COMP_WORDS[COMP_CWORD]} command= i kind= options=\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do case ${COMP_WORDS[i]} in -*) ;; *) command=${COMP_WORDS[i]}; break ;; esac; done\n"
         "  case $command in\n";
  out += cat("    '') COMPREPLY=($(compgen -W '", command_names(), " ", spellings(general_options()), "' -- \"$cur\")); return ;;\n");
  for (const Applet* applet : all_applets())
    out += cat("    ", applet->name, ") options='", spellings(applet->options), " --help' kind=", word_kind(*applet), " ;;\n");
  out += "  esac\n  case $cur in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
         "    *) if [ \"$kind\" = files ]; then COMPREPLY=($(compgen -f -- \"$cur\"))\n"
         "       else COMPREPLY=($(compgen -W \"$(_udocker_names \"$kind\")\" -- \"$cur\")); fi ;;\n  esac\n"
         "  __ltrim_colon_completions \"$cur\" 2>/dev/null\n}\n"
         "complete -o default -F _udocker udocker\n";
  return out;
}

std::string zsh_completion() {
  std::string out = "#compdef udocker\n# zsh completion for udocker; put it as _udocker into a directory of $fpath\n_udocker() {\n  local -a commands\n  commands=(\n";
  for (const Applet* applet : all_applets()) out += cat("    '", applet->name, ":", quoted(applet->summary, '\''), "'\n");
  out += "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n  case $words[2] in\n";
  for (const Applet* applet : all_applets())
    out += cat("    ", applet->name, ") compadd -- ", spellings(applet->options), " --help ;;\n");
  out += "  esac\n  compadd -- ${(f)\"$(udocker -q images 2>/dev/null | awk '{print $1}')\"}\n"
         "  compadd -- ${(f)\"$(udocker -q ps 2>/dev/null | awk 'NR > 1 {print $1}')\"}\n  _files\n}\n_udocker \"$@\"\n";
  return out;
}

std::string fish_completion() {
  std::string out = "# fish completion for udocker; load with: udocker completion fish | source\ncomplete -c udocker -n __fish_use_subcommand -f\n";
  for (const Applet* applet : all_applets()) {
    out += cat("complete -c udocker -n __fish_use_subcommand -a ", applet->name, " -d '", quoted(applet->summary, '\''), "'\n");
    for (const auto& option : applet->options) {
      if (option.help[0] == '\0') continue;
      out += cat("complete -c udocker -n '__fish_seen_subcommand_from ", applet->name, "'");
      for (const auto& name : split_words(option.names))
        out += name.starts_with("--") ? cat(" -l ", name.substr(2)) : cat(name.size() == 2 ? " -s " : " -o ", name.substr(1));
      if (option.value[0] != '\0' && option.value[0] != '[') out += " -r";
      out += cat(" -d '", quoted(option.help, '\''), "'\n");
    }
  }
  return out;
}

std::string man_page(const std::string& version) {
  std::string out = cat(".TH UDOCKER 1 \"\" \"udocker ", version, "\" \"User commands\"\n.SH NAME\nudocker \\- run containers as an ordinary user\n",
                        ".SH SYNOPSIS\n.B udocker\n[general options] COMMAND [options] [arguments]\n.SH DESCRIPTION\n"
                        "Pulls Docker and OCI images and runs programs in them without root, daemon or installation.\n"
                        "Results go to the standard output, messages to the standard error.\n.SH GENERAL OPTIONS\n",
                        groff_options(general_options()), ".SH COMMANDS\n");
  for (const Applet* applet : all_applets()) {
    out += cat(".SS udocker ", groff(applet->usage), "\n", groff(applet->summary), ".\n", groff_options(applet->options));
    if (applet->examples[0] != '\0') out += cat(".PP\nExamples:\n.nf\n", groff(applet->examples), ".fi\n");
  }
  out += ".SH EXIT STATUS\n0 on success, 1 when a command fails, 2 when\n.B run\ncannot start the program, else the status of the program:\n"
         "its own, or 128+n when signal n ended it.\n"
         ".SH ENVIRONMENT\n.TP\n.B UDOCKER_DIR\nthe local repository\n.TP\n.B UDOCKER_DEFAULT_EXECUTION_MODE\nmode of containers that have none of their own\n"
         ".TP\n.B UDOCKER_LOGLEVEL\n0 (errors only) to 5 (debug)\n"
         ".SH FILES\n.TP\n.I ~/.udocker\nimages, layers, containers\n.TP\n.I /etc/udocker.conf, ~/.udocker/udocker.conf\nsettings\n";
  return out;
}

std::string markdown_commands() {
  std::string out = "| command | what it does |\n|---|---|\n";
  for (const Applet* applet : all_applets()) {
    std::string usage;
    for (char c : std::string_view(applet->usage)) usage += c == '|' ? std::string("\\|") : std::string(1, c);
    out += cat("| `", usage, "` | ", applet->summary, " |\n");
  }
  return out;
}

}  // namespace udocker::cli
