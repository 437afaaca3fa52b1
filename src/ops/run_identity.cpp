#include "ops/run_options.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>

#include <unistd.h>

namespace udocker::ops {

namespace {

struct Wanted {
  std::string name;  // empty for a number
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::string group;
};

bool is_name(std::string_view text) {
  if (text.empty() || !(text[0] == '_' || (text[0] | 32) >= 'a') || (text[0] | 32) > 'z') return text.starts_with('_');
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '_' || c == '-' || c == '.' || c == '$' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
  });
}

Wanted parse_user(const std::string& text) {
  auto bad = [&]() { refuse_run(cat("invalid syntax for user ", printable(text))); };
  Wanted wanted;
  auto colon = text.find(':');
  std::string user = text.substr(0, colon);
  if (auto number = parse_number(user)) {
    if (*number >= 0xffffffffu) bad();
    wanted.uid = static_cast<uid_t>(*number);
  } else if (is_name(user)) {
    wanted.name = user;
  } else {
    bad();
  }
  if (colon == std::string::npos) return wanted;
  std::string group = text.substr(colon + 1);
  if (auto number = parse_number(group)) {
    if (*number >= 0xffffffffu) bad();
    wanted.gid = static_cast<gid_t>(*number);
  } else if (is_name(group)) {
    wanted.group = group;
  } else {
    bad();
  }
  return wanted;
}

std::string with_newline(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

bool has_line(std::string_view text, const std::string& line) {
  auto lines = split(text, '\n');
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

const host::User* find_entry(const std::vector<host::User>& users, const Wanted& wanted) {
  for (const auto& user : users)
    if (wanted.uid ? user.uid == *wanted.uid : user.name == wanted.name) return &user;
  return nullptr;
}

host::User unknown_user(const Wanted& wanted) {
  host::User user;
  user.uid = wanted.uid.value_or(::getuid());
  user.gid = wanted.gid.value_or(::getgid());
  user.name = wanted.name.empty() ? cat("udoc", cat(user.uid).substr(0, 4)) : wanted.name;
  user.gecos = "*UDOCKER*";
  user.home = "/";
  user.shell = "/bin/sh";
  return user;
}

}  // namespace

Identity resolve_identity(const IdentityRequest& request, const engine::ContainerView& view) {
  using engine::Family;
  const bool preload = request.family == Family::preload;
  const host::User self = host::current_user();
  std::string text = request.user;
  if (text.empty()) text = preload ? self.name : "root";
  Wanted wanted = parse_user(text);
  if (preload && (wanted.name == "root" || wanted.uid == 0u)) {
    if (!request.user.empty()) log::warning(cat("this engine does not support execution as root (P, T and R modes do): running as ", self.name));
    wanted = {self.name, std::nullopt, std::nullopt, ""};
  }
  const bool own_files = request.passwd_is_volume || request.container_auth;
  std::string passwd = view.read("/etc/passwd").value_or(""), group = view.read("/etc/group").value_or("");
  if (request.host_auth && !request.passwd_is_volume) {
    passwd = find_file("/etc/passwd", 16 << 20).value_or("");
    group = find_file("/etc/group", 16 << 20).value_or("");
    if (!has_line(passwd, host::passwd_line(self)) && !find_entry(host::parse_passwd(passwd), {self.name, {}, {}, ""}))
      passwd = cat(with_newline(passwd), host::passwd_line(self), "\n");
  }
  if (!wanted.group.empty()) {
    for (const auto& entry : host::parse_group(group))
      if (entry.name == wanted.group) wanted.gid = entry.gid;
    if (!wanted.gid) refuse_run(cat("unable to find group ", printable(wanted.group), " in the container's /etc/group"));
  }
  auto users = host::parse_passwd(passwd);
  Identity identity;
  if (const host::User* entry = find_entry(users, wanted)) {
    identity.user = *entry;
    bool as_listed = entry->name == "root" || entry->uid == 0 || request.passwd_is_volume;
    if (!as_listed) {
      identity.user.uid = ::getuid();
      identity.user.gid = ::getgid();
    }
    if (wanted.gid && as_listed) identity.user.gid = *wanted.gid;
  } else if (wanted.name == "root" || wanted.uid == 0u) {
    identity.user = {"root", 0, wanted.gid.value_or(0), "root", "/root", "/bin/sh"};
  } else if (request.host_auth || request.container_auth) {
    refuse_run(cat("user not found: ", printable(text)));
  } else {
    identity.user = unknown_user(wanted);
    if (preload && wanted.name == self.name) identity.user.gecos = self.gecos;
  }
  if (identity.user.home.empty()) identity.user.home = "/";
  if (request.bind_home) identity.user.home = self.home;
  if (own_files) return identity;

  std::string new_passwd = with_newline(passwd), new_group = with_newline(group);
  if (!has_line(passwd, host::passwd_line(identity.user)) && !request.host_auth) {
    const host::User* same = find_entry(users, {identity.user.name, {}, {}, ""});
    bool listed = same && same->uid == identity.user.uid && same->home == identity.user.home;
    // The first line of a name or number counts: ours goes before the image's.
    if (!listed) new_passwd = cat(host::passwd_line(identity.user), "\n", new_passwd);
  }
  if (!request.host_auth && identity.user.uid != 0) {
    auto groups = host::parse_group(group);
    auto known = [&](gid_t gid) {
      return std::any_of(groups.begin(), groups.end(), [&](const host::Group& entry) { return entry.gid == gid; });
    };
    if (!known(identity.user.gid)) new_group += cat(identity.user.name, ":x:", identity.user.gid, ":\n");
    for (gid_t gid : host::supplementary_groups())
      if (gid != identity.user.gid && !known(gid)) new_group += cat("G", gid, ":x:", gid, ":", identity.user.name, "\n");
  }
  if (request.host_auth || new_passwd != with_newline(passwd)) identity.passwd = new_passwd;
  if (request.host_auth || new_group != with_newline(group)) identity.group = new_group;
  return identity;
}

}  // namespace udocker::ops
