// udocker-patchelf: patchelf's command line over src/elf, with the root-prefix options of modes F3 and F4.
#include "cli/applet.hpp"
#include "elf/disk.hpp"
#include "elf/editor.hpp"
#include "elf/root_prefix.hpp"
#include "elf/shrink.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <functional>

#include <elf.h>

#include <sys/stat.h>

namespace udocker {
namespace {

using elf::Editor;

struct Job {
  std::vector<std::function<void(Editor&)>> steps;
  std::vector<std::string> files;
  std::string output;
  elf::EditOptions options;
  elf::RpathTag rpath_tag = elf::RpathTag::runpath;
  std::vector<std::string> allowed_prefixes;
  std::vector<std::string> added_needed;
  std::map<std::string, std::string> replaced_needed;
  bool changes = false, quiet = false;
};

constexpr const char* kUsage =
    "usage: patchelf OPTION... FILE...\n"
    "  --set-interpreter FILE, --print-interpreter\n"
    "  --set-rpath PATH, --add-rpath PATH, --remove-rpath, --print-rpath, --force-rpath\n"
    "  --shrink-rpath [--allowed-rpath-prefixes PREFIXES]\n"
    "  --set-soname NAME, --print-soname\n"
    "  --add-needed LIB, --remove-needed LIB, --replace-needed OLD NEW, --print-needed\n"
    "  --no-default-lib, --add-debug-tag, --clear-symbol-version SYMBOL, --rename-dynamic-symbols FILE\n"
    "  --print-execstack, --clear-execstack, --set-execstack, --print-os-abi, --set-os-abi ABI\n"
    "  --set-root-prefix DIR, --restore-root-prefix DIR   put names below DIR, take them out again\n"
    "  --page-size SIZE, --output FILE, -q --quiet, --debug, --version\n"
    "A value @FILE is read from that file. One FILE only with --output.";

// A value of the form @FILE is the content of that file.
std::string resolve(const std::string& value) {
  return value.size() > 1 && value[0] == '@' ? load_file(value.substr(1)) : value;
}

constexpr const char* kAbiNames[] = {"System V", "HP-UX",   "NetBSD",       "Linux",  "GNU Hurd", nullptr, "Solaris",
                                     "AIX",      "IRIX",    "FreeBSD",      "Tru64",  "Novell Modesto", "OpenBSD",
                                     "OpenVMS",  "NonStop Kernel", "AROS",  "FenixOS", "CloudABI", "OpenVOS"};

std::string abi_name(std::uint8_t abi) {
  if (abi < std::size(kAbiNames) && kAbiNames[abi] != nullptr) return kAbiNames[abi];
  return cat("0x", hex(&abi, 1));
}

std::uint8_t find_abi(const std::string& text) {
  for (std::size_t i = 0; i < std::size(kAbiNames); i++)
    if (kAbiNames[i] != nullptr && to_lower(kAbiNames[i]) == to_lower(text)) return static_cast<std::uint8_t>(i);
  if (to_lower(text) == "system-v") return 0;
  const auto number = parse_number(text);
  if (!number || *number > 255) throw UsageError("unknown OS ABI: " + printable(text));
  return static_cast<std::uint8_t>(*number);
}

std::map<std::string, std::string> load_renames(const std::string& path) {
  std::map<std::string, std::string> names;
  const std::vector<std::string> words = split_words(load_file(path));
  if (words.size() % 2 != 0) throw UsageError("symbol map holds an odd number of names: " + path);
  for (std::size_t i = 0; i < words.size(); i += 2)
    if (!names.emplace(words[i], words[i + 1]).second)
      throw UsageError(cat("symbol map names ", printable(words[i]), " twice: ", path));
  return names;
}

void print_lines(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) log::output(line);
}

void print_interpreter(Editor& e) {
  const auto path = e.interpreter();
  if (!path) throw Error("cannot find section '.interp'. The input file is most likely statically linked");
  log::output(*path);
}

// Steps refer to `job`, which must stay where it is.
void parse(const std::vector<std::string>& words, Job& job) {
  std::size_t i = 0;
  const auto value = [&](const std::string& option) {
    if (i + 1 >= words.size()) throw UsageError(cat("missing value after ", option));
    return words[++i];
  };
  const auto print = [&](std::function<void(Editor&)> step) { job.steps.push_back(std::move(step)); };
  const auto change = [&](std::function<void(Editor&)> step) {
    job.steps.push_back(std::move(step));
    job.changes = true;
  };
  // --force-rpath counts wherever it stands.
  for (const std::string& word : words)
    if (word == "--force-rpath") job.rpath_tag = elf::RpathTag::rpath;
  const elf::RpathTag tag = job.rpath_tag;
  for (; i < words.size(); i++) {
    const std::string& w = words[i];
    if (w == "--set-interpreter" || w == "--interpreter") {
      change([v = resolve(value(w))](Editor& e) { e.set_interpreter(v); });
    } else if (w == "--print-interpreter") {
      print(print_interpreter);
    } else if (w == "--set-rpath") {
      change([v = resolve(value(w)), tag](Editor& e) { e.set_rpath(v, tag); });
    } else if (w == "--add-rpath") {
      change([v = resolve(value(w)), tag](Editor& e) {
        const std::string old = e.rpath().value_or("");
        e.set_rpath(old.empty() ? v : cat(old, ":", v), tag);
      });
    } else if (w == "--remove-rpath") {
      change([](Editor& e) { e.remove_rpath(); });
    } else if (w == "--shrink-rpath") {
      change([&job, tag](Editor& e) { elf::shrink_rpath(e, job.allowed_prefixes, tag); });
    } else if (w == "--allowed-rpath-prefixes") {
      job.allowed_prefixes = split(resolve(value(w)), ':');
    } else if (w == "--print-rpath") {
      print([](Editor& e) { log::output(e.rpath().value_or("")); });
    } else if (w == "--force-rpath") {
      // Read above: it says how other options write the path.
    } else if (w == "--set-soname") {
      change([v = resolve(value(w))](Editor& e) {
        if (e.tables().type == ET_DYN) e.set_soname(v);
        else log::debug("patchelf", "this is not a dynamic library");
      });
    } else if (w == "--print-soname") {
      print([](Editor& e) { log::output(e.soname().value_or("")); });
    } else if (w == "--add-needed") {
      if (job.added_needed.empty()) change([&job](Editor& e) { e.add_needed(job.added_needed); });
      job.added_needed.push_back(resolve(value(w)));
    } else if (w == "--remove-needed") {
      change([v = resolve(value(w))](Editor& e) { e.remove_needed(v); });
    } else if (w == "--replace-needed") {
      if (job.replaced_needed.empty()) change([&job](Editor& e) { e.replace_needed(job.replaced_needed); });
      const std::string from = resolve(value(w));
      job.replaced_needed[from] = resolve(value(w));
    } else if (w == "--print-needed") {
      print([](Editor& e) { print_lines(e.needed()); });
    } else if (w == "--no-default-lib") {
      change([](Editor& e) { e.set_no_default_lib(); });
    } else if (w == "--add-debug-tag") {
      change([](Editor& e) { e.add_debug_tag(); });
    } else if (w == "--clear-symbol-version") {
      change([v = resolve(value(w))](Editor& e) { e.clear_symbol_version(v); });
    } else if (w == "--rename-dynamic-symbols") {
      change([names = load_renames(value(w))](Editor& e) { e.rename_symbols(names); });
    } else if (w == "--print-execstack") {
      print([](Editor& e) { log::output(cat("execstack: ", e.execstack())); });
    } else if (w == "--clear-execstack" || w == "--set-execstack") {
      change([on = w == "--set-execstack"](Editor& e) { e.set_execstack(on); });
    } else if (w == "--print-os-abi") {
      print([](Editor& e) { log::output(abi_name(e.os_abi())); });
    } else if (w == "--set-os-abi") {
      change([abi = find_abi(value(w))](Editor& e) { e.set_os_abi(abi); });
    } else if (w == "--set-root-prefix") {
      change([v = value(w)](Editor& e) { elf::set_root_prefix(e, v); });
    } else if (w == "--restore-root-prefix") {
      change([v = value(w)](Editor& e) { elf::restore_root_prefix(e, v); });
    } else if (w == "--page-size") {
      const auto size = parse_number(value(w));
      if (!size || *size == 0 || (*size & (*size - 1)) != 0 || *size > (1u << 30))
        throw UsageError("the page size must be a power of two");
      job.options.page_size = *size;
    } else if (w == "--output") {
      job.output = resolve(value(w));
    } else if (w == "-q" || w == "--quiet") {
      job.quiet = true;
    } else if (w == "--debug") {
      log::set_level(log::Level::debug);
    } else if (w == "--no-clobber-old-sections" || w == "--no-sort") {
      // Old places are never overwritten and never sorted.
    } else if (w.size() > 1 && w[0] == '-') {
      throw UsageError(cat("unknown option ", printable(w), "\n", kUsage));
    } else {
      job.files.push_back(w);
    }
  }
  if (job.files.empty()) throw UsageError(cat("missing file name\n", kUsage));
  if (!job.output.empty() && job.files.size() != 1) throw UsageError("--output option only allowed with single input file");
}

void patch(const Job& job, const std::string& path) {
  const elf::Bytes before = elf::load_bytes(path);
  Editor editor(before, job.options);
  for (const auto& step : job.steps) step(editor);
  const bool changed = editor.changed();
  log::debug("patchelf", cat(path, changed ? ": changed" : ": nothing to change"));
  if (!changed && (job.output.empty() || job.output == path)) return;
  const elf::Bytes after = editor.finish();
  if (job.output.empty() || job.output == path) {
    elf::store_in_place(path, before, after);
    return;
  }
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) throw_errno("cannot read", path);
  make_file(job.output, {reinterpret_cast<const char*>(after.data()), after.size()}, st.st_mode & 0777);
}

int patchelf_main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  for (const std::string& word : words) {
    if (word == "--version") {
      log::output(cat("patchelf 0.18.0 (udocker ", UDOCKER_VERSION, ")"));
      return 0;
    }
    if (word == "--help" || word == "-h") {
      log::output(kUsage);
      return 0;
    }
  }
  Job job;
  parse(words, job);
  int status = 0;
  for (const std::string& path : job.files) {
    try {
      patch(job, path);
    } catch (const Error& error) {
      if (!job.quiet) log::error(cat(path, ": ", error.what()));
      status = 1;
    }
  }
  return status;
}

}  // namespace

extern const cli::Program program_elfpatch{"udocker-patchelf patchelf", "change ELF files: interpreter, search path, needed libraries",
                                           patchelf_main};

}  // namespace udocker
