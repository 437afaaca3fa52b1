#include "host/idmap.hpp"

#include "host/namespaces.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

namespace udocker::host {
namespace {

int write_text(const std::string& path, const std::string& text) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int failed = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : errno;
  ::close(fd);
  return failed;
}

void run_helper(const char* name, pid_t child, const std::vector<IdRange>& ranges, int direct_error) {
  std::vector<std::string> argv = {name, std::to_string(child)};
  for (const auto& range : ranges)
    for (auto number : {range.inside, range.outside, range.size}) argv.push_back(std::to_string(number));
  const char* path = std::getenv("PATH");
  if (!find_program(name, path ? path : "/usr/bin:/bin"))
    throw NotSupported(explain_mapping_refusal(read_user_namespace_facts(), direct_error),
                       cat("for more than one id the program ", name, " (package uidmap) must be installed"));
  if (int status = run_captured(argv).status)
    throw NotSupported(cat(name, " refused to map the ids (status ", status, "): the ranges must belong to this user in ",
                           std::string_view(name) == "newuidmap" ? "/etc/subuid" : "/etc/subgid"),
                       "ask for such a range, or map one id only");
}

}  // namespace

std::string map_text(const std::vector<IdRange>& ranges) {
  std::string out;
  for (const auto& range : ranges) out += cat(range.inside, " ", range.outside, " ", range.size, "\n");
  return out;
}

bool maps_only_self(const std::vector<IdRange>& uids, const std::vector<IdRange>& gids, uid_t uid, gid_t gid) {
  return uids.size() == 1 && gids.size() == 1 && uids[0].size == 1 && gids[0].size == 1 && uids[0].outside == uid &&
         gids[0].outside == gid;
}

int write_own_maps(const std::vector<IdRange>& uids, const std::vector<IdRange>& gids) {
  if (int failed = write_text("/proc/self/uid_map", map_text(uids))) return failed;
  write_text("/proc/self/setgroups", "deny");  // absent before Linux 3.19, and then not needed
  return write_text("/proc/self/gid_map", map_text(gids));
}

void write_child_maps(pid_t child, const std::vector<IdRange>& uids, const std::vector<IdRange>& gids) {
  std::string dir = cat("/proc/", child, "/");
  bool single = maps_only_self(uids, gids, ::geteuid(), ::getegid());
  if (int failed = write_text(dir + "uid_map", map_text(uids))) {
    if (single) throw NotSupported(explain_mapping_refusal(read_user_namespace_facts(), failed));
    run_helper("newuidmap", child, uids, failed);
  }
  if (::geteuid() != 0 && single) write_text(dir + "setgroups", "deny");
  int failed = write_text(dir + "gid_map", map_text(gids));
  if (!failed) return;
  if (gids.size() == 1 && gids[0].size == 1 && gids[0].outside == ::getegid()) {
    write_text(dir + "setgroups", "deny");
    if (!write_text(dir + "gid_map", map_text(gids))) return;
  }
  run_helper("newgidmap", child, gids, failed);
}

std::optional<IdRange> find_subordinate_range(std::string_view text, std::string_view name, std::uint32_t id) {
  for (const auto& line : split(text, '\n')) {
    auto fields = split(trim(line), ':');
    if (fields.size() != 3 || (fields[0] != name && fields[0] != std::to_string(id))) continue;
    auto start = parse_number(fields[1]), size = parse_number(fields[2]);
    if (start && size && *size > 0 && *start + *size <= 0xffffffffu)
      return IdRange{0, static_cast<std::uint32_t>(*start), static_cast<std::uint32_t>(*size)};
  }
  return std::nullopt;
}

std::vector<IdRange> identity_map(std::string_view own_map_text) {
  std::vector<IdRange> out;
  for (const auto& line : split(own_map_text, '\n')) {
    auto words = split_words(line);
    if (words.size() != 3) continue;
    auto inside = parse_number(words[0]), size = parse_number(words[2]);
    if (inside && size)
      out.push_back({static_cast<std::uint32_t>(*inside), static_cast<std::uint32_t>(*inside), static_cast<std::uint32_t>(*size)});
  }
  return out;
}

}  // namespace udocker::host
