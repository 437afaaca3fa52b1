#include "host/users.hpp"

#include "util/error.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cstdlib>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace udocker::host {

std::vector<User> parse_passwd(std::string_view text) {
  std::vector<User> users;
  for (const auto& line : split(text, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() < 7 || fields[0].empty()) continue;
    auto uid = parse_number(fields[2]), gid = parse_number(fields[3]);
    if (!uid || !gid || *uid > 0xffffffffu || *gid > 0xffffffffu) continue;
    users.push_back({fields[0], static_cast<uid_t>(*uid), static_cast<gid_t>(*gid), fields[4], fields[5], fields[6]});
  }
  return users;
}

std::vector<Group> parse_group(std::string_view text) {
  std::vector<Group> groups;
  for (const auto& line : split(text, '\n')) {
    auto fields = split(line, ':');
    auto gid = fields.size() >= 3 ? parse_number(fields[2]) : std::nullopt;
    if (gid && *gid <= 0xffffffffu && !fields[0].empty()) groups.push_back({fields[0], static_cast<gid_t>(*gid)});
  }
  return groups;
}

std::string passwd_line(const User& user) {
  return cat(user.name, ":x:", user.uid, ":", user.gid, ":", user.gecos, ":", user.home, ":", user.shell);
}

namespace {

std::optional<std::string> ask_getent(const char* database, const std::string& key) {
  try {
    auto reply = run_captured({"getent", database, key});
    if (reply.status == 0) return reply.output;
  } catch (const Error&) {  // no getent on this host: the user stays unknown
  }
  return std::nullopt;
}

std::optional<User> from_entry(const passwd* entry, const std::string& key) {
  if (entry)
    return User{entry->pw_name, entry->pw_uid, entry->pw_gid, entry->pw_gecos ? entry->pw_gecos : "",
                entry->pw_dir ? entry->pw_dir : "", entry->pw_shell ? entry->pw_shell : ""};
  auto reply = ask_getent("passwd", key);
  auto users = reply ? parse_passwd(*reply) : std::vector<User>{};
  return users.empty() ? std::nullopt : std::optional(users[0]);
}

}  // namespace

std::optional<User> find_user(uid_t uid) { return from_entry(::getpwuid(uid), cat(uid)); }
std::optional<User> find_user(const std::string& name) { return from_entry(::getpwnam(name.c_str()), name); }

User current_user() {
  static std::optional<User> known;
  if (known && known->uid == ::getuid()) return *known;
  if ((known = find_user(::getuid()))) return *known;
  User user;
  const char *name = std::getenv("USER"), *home = std::getenv("HOME");
  user.uid = ::getuid();
  user.gid = ::getgid();
  user.name = name && *name ? name : cat("user", user.uid);
  user.home = home && *home == '/' ? home : "/";
  user.shell = "/bin/sh";
  return user;
}

std::vector<gid_t> supplementary_groups() {
  int count = ::getgroups(0, nullptr);
  std::vector<gid_t> groups(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (count > 0) count = ::getgroups(count, groups.data());
  groups.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return groups;
}

std::optional<std::string> find_group_name(gid_t gid) {
  if (group* entry = ::getgrgid(gid)) return entry->gr_name;
  auto reply = ask_getent("group", cat(gid));
  auto groups = reply ? parse_group(*reply) : std::vector<Group>{};
  return groups.empty() ? std::nullopt : std::optional(groups[0].name);
}

}  // namespace udocker::host
