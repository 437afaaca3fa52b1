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

// What completes an option's value: "files", or a kind of words (see `udocker completion words`); "" when nothing does.
std::string value_choices(const Option& option) {
  std::string_view value = option.value;
  if (value.starts_with("FILE") || value.starts_with("DIR") || value.starts_with("HOST[") || value == "HOST") return "files";
  if (value == "MODE" && std::string_view(option.names).find("--execmode") != std::string_view::npos) return "modes";
  if (value == "[WHEN]") return "pull";
  if (value.starts_with("OS/ARCH")) return "platforms";
  return "";
}

// Texts inside single quotes of zsh's _arguments, where [ ] and : have a meaning of their own.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out;
}

std::string zsh_options(std::span<const Option> options) {
  std::string out;
  for (const auto& option : options) {
    if (option.help[0] == '\0') continue;
    std::string_view value = option.value;
    auto names = split_words(option.names);
    std::string choices = value_choices(option);
    std::string action = choices.empty() ? " " : choices == "files" ? "_files" : cat(" _udocker_words ", choices);
    std::string tail = cat("'[", zsh_text(option.help), "]");
    if (!value.empty()) tail += cat(value[0] == '[' ? "::" : ":", zsh_text(value[0] == '[' ? value.substr(1, value.size() - 2) : value), ":", action);
    tail += "' \\\n";
    const char* many = option.repeat == Repeat::list ? "\\*" : "";
    for (const auto& name : names)
      out += cat("    ", many, name, value.empty() ? "" : name.starts_with("--") ? (value[0] == '[' ? "=-" : "=") : "+", tail);
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
  // The line is split at blanks only: bash itself would cut names at : and options at =.
  out += "_udocker() {\n  local line=${COMP_LINE:0:COMP_POINT} command= kind= options= choices= i cur head\n  local -a words list\n"
         "  read -ra words <<< \"$line\"\n  [[ $line == *[[:blank:]] ]] && words+=('')\n  cur=${words[-1]-}\n  COMPREPLY=()\n"
         "  for ((i = 1; i < ${#words[@]} - 1; i++)); do\n    case ${words[i]} in --repo | --config) ((i++)) ;; -*) ;; *) command=${words[i]}; break ;; esac\n  done\n"
         "  case $command in\n";
  out += cat("    '') options='", command_names(), " ", spellings(general_options()), "' ;;\n");
  for (const Applet* applet : all_applets()) {
    out += cat("    ", applet->name, ") options='", spellings(applet->options), " --help' kind=", word_kind(*applet));
    out += cat(applet->words == Words::stop_options ? " stop=1" : "", " ;;\n");
  }
  out += "    *) return ;;\n  esac\n";
  out += "  local before=${words[-2]-} value=$cur\n"
         "  [[ $cur == --*=* ]] && before=${cur%%=*} value=${cur#*=}\n"
         "  case $command:$before in\n";
  for (const Applet* applet : all_applets())
    for (const auto& option : applet->options) {
      std::string choices = value_choices(option);
      if (choices.empty()) continue;
      for (const auto& name : split_words(option.names)) out += cat("    ", applet->name, ":", name, ") choices=", choices, " ;;\n");
    }
  out += "  esac\n"
         "  if [ -n \"$choices\" ]; then\n"
         "    [ \"$choices\" = files ] && mapfile -t list < <(compgen -f -- \"$value\") || mapfile -t list < <(compgen -W \"$(udocker completion words \"$choices\" 2>/dev/null)\" -- \"$value\")\n"
         "    [[ $cur == --*=* ]] && list=(\"${list[@]/#/$before=}\")\n"
         "  elif [ -z \"$command\" ] || [[ $cur == -* ]]; then\n    mapfile -t list < <(compgen -W \"$options\" -- \"$cur\")\n"
         "  elif [ \"$kind\" = files ]; then\n    mapfile -t list < <(compgen -f -- \"$cur\")\n"
         "  else\n    mapfile -t list < <(compgen -W \"$(udocker completion words \"$kind\" 2>/dev/null)\" -- \"$cur\")\n  fi\n"
         "  # bash replaces what stands behind its last word break only\n"
         "  head=${cur%\"${cur##*[:=]}\"}\n"
         "  COMPREPLY=(\"${list[@]#\"$head\"}\")\n  [ ${#list[@]} = 0 ] && COMPREPLY=()\n}\n"
         "complete -o default -F _udocker udocker\n";
  return out;
}

std::string zsh_completion() {
  std::string out = "#compdef udocker\n# zsh completion for udocker; put it as _udocker into a directory of $fpath\n"
                    "_udocker_words() { local -a w; w=(${(f)\"$(udocker completion words $1 2>/dev/null)\"}); compadd -a w }\n"
                    "_udocker() {\n  local -a commands\n  local state line\n  typeset -A opt_args\n  commands=(\n";
  for (const Applet* applet : all_applets()) out += cat("    '", applet->name, ":", zsh_text(applet->summary), "'\n");
  out += "  )\n  _arguments -C \\\n" + zsh_options(general_options()) +
         "    '1:command:->command' '*::argument:->arguments'\n"
         "  case $state in\n    command) _describe -t commands command commands ;;\n    arguments)\n      case $line[1] in\n";
  for (const Applet* applet : all_applets()) {
    std::string_view kind = word_kind(*applet);
    out += cat("        ", applet->name, ") _arguments \\\n", zsh_options(applet->options), "    '--help[show the help of this command]' \\\n");
    if (kind == "files") out += "    '*:file:_files' ;;\n";
    else out += cat("    '", applet->words == Words::stop_options ? "1" : "*", ":", kind, ": _udocker_words ", kind, "'",
                    applet->words == Words::stop_options ? " '*::: :_normal'" : "", " ;;\n");
  }
  out += "      esac ;;\n  esac\n}\nif [ \"$funcstack[1]\" = _udocker ]; then _udocker \"$@\"; else compdef _udocker udocker; fi\n";
  return out;
}

std::string fish_completion() {
  std::string out = "# fish completion for udocker; load with: udocker completion fish | source\ncomplete -c udocker -n __fish_use_subcommand -f\n";
  for (const Applet* applet : all_applets()) {
    std::string seen = cat(" -n '__fish_seen_subcommand_from ", applet->name, "'");
    out += cat("complete -c udocker -n __fish_use_subcommand -a ", applet->name, " -d '", quoted(applet->summary, '\''), "'\n");
    if (std::string_view kind = word_kind(*applet); kind != "files")
      out += cat("complete -c udocker", seen, " -f -a '(udocker completion words ", kind, " 2>/dev/null)'\n");
    for (const auto& option : applet->options) {
      if (option.help[0] == '\0') continue;
      out += cat("complete -c udocker", seen);
      for (const auto& name : split_words(option.names))
        out += name.starts_with("--") ? cat(" -l ", name.substr(2)) : cat(name.size() == 2 ? " -s " : " -o ", name.substr(1));
      std::string choices = value_choices(option);
      if (!choices.empty() && choices != "files") out += cat(" -x -a '(udocker completion words ", choices, " 2>/dev/null)'");
      else if (option.value[0] != '\0' && option.value[0] != '[') out += choices == "files" ? " -r -F" : " -r";
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
         ".TP\n.B UDOCKER_SET_EXECUTION_MODE\nmode of this run, as \\-\\-execmode\n"
         ".TP\n.B UDOCKER_REGISTRY, UDOCKER_INDEX\nregistry and index in place of Docker Hub's\n"
         ".TP\n.B UDOCKER_KEYSTORE, REGISTRY_AUTH_FILE, DOCKER_AUTH_CONFIG, DOCKER_CONFIG\nwhere accounts are kept\n"
         ".TP\n.B http_proxy, https_proxy, all_proxy, no_proxy\nproxies\n"
         ".TP\n.B UDOCKER_MAX_UNPACKED_SIZE, UDOCKER_MAX_UNPACKED_FILES\nlimits of what an image or an archive of create, load and"
         " import may unpack to: bytes (else 8 GiB, or 100 times its stored size) and files (20 million); 0: none\n"
         ".TP\n.B UDOCKER_LOGLEVEL\n0 (errors only) to 5 (debug)\n"
         ".SH FILES\n.TP\n.I ~/.udocker\nimages, layers, containers\n.TP\n.I ~/.udocker/keystore\naccounts of login\n.TP\n.I /etc/udocker.conf, ~/.udocker/udocker.conf\nsettings\n";
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
