// containers-registries.conf: mirrors, other locations, blocked and insecure registries.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::registry {

enum class PullFrom { all, digest_only, tag_only };

struct Mirror {
  std::string location;  // host[:port][/path]
  bool insecure = false;
  PullFrom pull = PullFrom::all;
};

struct Rule {
  std::string prefix;    // host[:port][/path], or *.host
  std::string location;  // "" is the prefix itself
  bool insecure = false, blocked = false;
  std::vector<Mirror> mirrors;
  std::string source;    // file it came from
};

enum class Aliases { heed, ignore };

class Registries {
 public:
  // Adds the [[registry]] tables of one file; a later rule with the same prefix replaces the earlier one.
  // Throws IntegrityError naming file and line where the text is not TOML of the kind these files hold.
  void add(std::string_view text, const std::string& source, Aliases aliases = Aliases::heed);
  // The rule with the longest prefix of "host/path"; null when none fits.
  const Rule* find(std::string_view name) const;
  // What [aliases] says a name without a registry stands for ("host/path"); "" when it says nothing.
  std::string alias(const std::string& name) const;
  const std::vector<Rule>& rules() const { return rules_; }

 private:
  std::vector<Rule> rules_;
  std::map<std::string, std::string> aliases_;
};

// The host's: CONTAINERS_REGISTRIES_CONF, else the user's file, else /etc/containers/registries.conf; then the files of
// registries.conf.d. Read once. A file that cannot be understood is a warning and is left out.
const Registries& system_registries();

}  // namespace udocker::registry
