// Users and groups of the host, and the text form of passwd and group files.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace udocker::host {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string gecos, home, shell;
};

struct Group {
  std::string name;
  gid_t gid = 0;
};

// Well-formed lines only; malformed ones are passed over.
std::vector<User> parse_passwd(std::string_view text);
std::vector<Group> parse_group(std::string_view text);
std::string passwd_line(const User& user);  // no newline

// By the C library, else by the host's `getent` (LDAP and SSSD users are unknown to a static program).
std::optional<User> find_user(uid_t uid);
std::optional<User> find_user(const std::string& name);
// The invoking user; a nameless one gets $USER, $HOME or "user<uid>" and "/".
User current_user();
std::vector<gid_t> supplementary_groups();
std::optional<std::string> find_group_name(gid_t gid);

}  // namespace udocker::host
