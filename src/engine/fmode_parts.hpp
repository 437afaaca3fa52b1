// The steps behind change_fmode; see fmode.hpp for what they mean.
#pragma once
#include "engine/fmode.hpp"
#include "engine/fmode_scan.hpp"
#include "engine/fmode_undo.hpp"
#include "util/fd.hpp"

#include <map>
#include <string>
#include <vector>

#include <sys/stat.h>

namespace udocker::engine {

// fmode.pending: shows that a change has begun, and remembers modes and times of directories while their entries are
// being replaced, for whoever goes on after a kill.
class Pending {
 public:
  // Takes over what an interrupted change left.
  Pending(std::string path, const std::string& title);
  // To be called before an entry of `directory` is replaced. Throws SystemError.
  void add(const std::string& directory, const struct stat& before);
  // What `directory` was before the first change of it; null when nothing is known.
  const struct stat* find(const std::string& directory) const;
  // Gives all remembered directories their modes and times again and removes the file.
  void finish();

 private:
  std::string path_;
  UniqueFd fd_;
  std::map<std::string, struct stat> before_;
};

// `root` is the real path of ROOT, `old_root` the content of root.path (empty: unknown). The number of links changed.
std::size_t turn_links(const std::string& root, const std::string& old_root, const std::vector<ScannedLink>& links,
                       Pending& pending, std::vector<std::string>& failures);
std::size_t restore_links(const std::string& root, const std::string& old_root, const std::vector<ScannedLink>& links,
                          Pending& pending, std::vector<std::string>& failures);

// The target a link gets; the same text when it stays. Pure.
std::string turned_target(const std::string& target, const std::string& root, const std::string& old_root);
std::string restored_target(const std::string& target, const std::string& root, const std::string& old_root);

// The loader without the host's directories; same size. Pure.
std::string neutral_loader(std::string bytes);
// The form the Python tool makes, recognised when a container of its is taken over. Pure.
std::string pythons_loader(std::string bytes);
void patch_loader(const std::string& container_dir, const std::string& root);
void restore_loader(const std::string& container_dir, const std::string& root, Times times);

// Puts `prefix` (the real path of ROOT) into all programs; originals of changed bytes go to patch.undo first.
std::size_t patch_files(const std::string& container_dir, const std::string& root, const std::vector<std::string>& programs,
                        unsigned threads, std::vector<std::string>& failures);
// Brings back the bytes that patch.undo holds, then takes any of `prefixes` out of what is left.
std::size_t restore_files(const std::string& container_dir, const std::string& root,
                          const std::vector<std::string>& programs, const std::vector<std::string>& prefixes,
                          unsigned threads, Times times, std::vector<std::string>& failures);

}  // namespace udocker::engine
