// The PRoot-style command line shared by the ptrace, trap and preload programs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace udocker::cli {

struct ViewBind {
  std::string host;   // as written; made absolute
  std::string guest;  // as written or the host part
  bool read_only = false;
  bool listed = true;      // the directory it lies in shows its name also where ROOT lacks it
  bool keep_link = false;  // `!` at the end: the guest path's last link is not followed
};

// -r ROOT -R -S -b host[:guest[:ro|:rw]] -m -q -w -0 -i uid:gid -k release -p guest:host -n -l -H -v -V
// --kill-on-exit --no-seccomp --owners FILE --trust-owners --hostname NAME; the program and its arguments follow.
struct ViewOptions {
  std::string root = "/";
  std::vector<ViewBind> binds;  // in order; a later one of the same target wins
  std::string workdir;          // guest path; empty: the current one if it is in the view, else "/"
  std::optional<std::pair<uint32_t, uint32_t>> ids;  // -0 and -i; absent: the real ones
  bool fake_root = false;       // -0 or -S
  std::string release, hostname;
  std::string emulator;         // -q: first word; the rest in emulator_args
  std::vector<std::string> emulator_args;
  std::vector<std::pair<uint16_t, uint16_t>> ports;  // guest, host
  bool any_port = false;        // -n
  bool link_to_symlink = false;
  bool hide_links = false;      // -H
  bool kill_on_exit = false;
  bool host_links = false;      // --host-links: ROOT's absolute links are host paths (a tree in an F mode)
  std::string argv0;            // --argv0: what the program sees as its name; empty: as it was called
  bool listen = true;           // --no-listener: no seccomp listener, ptrace stops only
  bool seccomp = true;          // false: --no-seccomp or PROOT_NO_SECCOMP in the environment
  std::string owners;           // side store; empty: owners are not remembered
  bool trust_owners = false;    // --trust-owners: it belongs to the root, whatever the root looks like (overlaid)
  std::string tmp_dir;          // PROOT_TMP_DIR, TMPDIR or /tmp
  int verbosity = 0;
  bool show_version = false, show_help = false;
  std::vector<std::string> argv;  // empty: /bin/sh -l
};

// `engine_options`: long options of the caller's own, returned untouched (a name ending in '=' takes a value).
// Throws UsageError naming the word.
ViewOptions parse_view_options(const std::vector<std::string>& words,
                               const std::vector<std::string>& engine_options = {},
                               std::vector<std::pair<std::string, std::string>>* engine_values = nullptr);

// The options' help text, for --help of the three programs.
std::string view_options_help(const std::string& program);

// Makes the flat guest::View (see guest/view.hpp); `stand_ins` is a directory made by the caller when needed (empty:
// binds below directories that ROOT lacks are refused). Throws Error naming the bind or the root.
// A bind whose host side is missing is dropped with a warning, as PRoot does.
std::vector<char> make_view(const ViewOptions& options, const std::string& stand_ins);
// The same; makes a directory for stand-ins in options.tmp_dir when it is needed and names it in *stand_ins.
std::vector<char> make_view(const ViewOptions& options, std::string* stand_ins);
// Removes what the former made; a missing directory is no error.
void remove_stand_ins(const std::string& stand_ins);

}  // namespace udocker::cli
