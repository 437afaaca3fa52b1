// The use cases `login` and `logout`: accounts in the tool's own keystore.
#pragma once
#include "config/settings.hpp"
#include "util/secret.hpp"

#include <optional>
#include <string>

namespace udocker::ops {

enum class PasswordFrom { option, standard_input, prompt };

struct LoginOptions {
  std::string registry;                 // "" is Docker Hub
  std::optional<std::string> user;      // asked for when absent
  PasswordFrom from = PasswordFrom::prompt;
  Secret password;                      // with PasswordFrom::option
};

// Checks the account at the registry, then stores it. Refused: throws Error and stores nothing. A registry that cannot
// be reached is a warning, and the account is stored unchecked.
void login(const config::Settings& settings, const LoginOptions& options);

// Throws Error "deleting credentials" when there is nothing to delete.
void logout(const config::Settings& settings, const std::string& registry);
void logout_all(const config::Settings& settings);

}  // namespace udocker::ops
