// What a path of the container will be once the mounts planned so far are made. Reads, never changes anything.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace udocker::launcher {

enum class Kind { missing, directory, file, link };

struct Entry {
  Kind kind = Kind::missing;
  std::string target;  // of a link
};
// Looks at one path of the host without following it.
using Look = std::function<Entry(const std::string& host_path)>;
Entry look_at_host(const std::string& host_path);

// What is behind a guest directory.
enum class Behind {
  host,    // a directory of the host: ROOT or a volume; nothing may be created there
  scratch,  // a tmpfs of ours: created freely
  kernel,  // proc, sysfs and the like: entries come and go by themselves
};

struct Place {
  std::string path;        // guest path without links; with the missing part, if any
  Kind kind = Kind::missing;
  bool dangling = false;   // the last part is a link that leads nowhere; `path` is the link itself
  Behind behind = Behind::host;
  std::string base;        // deepest existing directory on the way, guest path
  std::string base_host;   // its host path when behind == host
  std::size_t owner = 0;   // which add() put what is behind it there
  std::vector<std::string> missing;  // parts to create below base
};

class View {
 public:
  View(std::string root, Look look);
  // `guest` must be a path that resolve() gave. Returns the number of this mount (the root is 0).
  std::size_t add(const std::string& guest, Behind behind, std::string host, Kind kind);
  // Entries that a layer or a scratch directory will have.
  void add_entry(const std::string& guest, Kind kind, std::string target = {});
  // Follows links as the guest would. A dangling last link is kept as the place itself when `keep_link`.
  Place resolve(const std::string& path, bool keep_link) const;

 private:
  struct Mounted {
    Behind behind;
    std::string host;
    Kind kind;
    std::size_t number;
  };
  std::map<std::string, Mounted> mounts_;
  std::map<std::string, Entry> entries_;
  Look look_;
  std::size_t count_ = 0;

  struct Cursor {
    std::string guest;  // "" is the root
    Behind behind;
    std::string host;
    std::size_t number;
  };
  Entry step(const Cursor& from, const std::string& name, Cursor& to) const;
};

}  // namespace udocker::launcher
