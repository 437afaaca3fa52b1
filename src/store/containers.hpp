// containers/: one directory per container, and names as links (compatibility spec 2.4).
#pragma once
#include "store/directories.hpp"
#include "store/lock.hpp"
#include "util/interrupt.hpp"
#include "util/json.hpp"
#include "util/write_back.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace udocker::store {

// A container that exists. Small files are read when asked for.
class Container {
 public:
  Container(Directories dirs, std::string id);
  const std::string& id() const { return id_; }
  const std::string& directory() const { return directory_; }  // CDIR
  std::string root() const { return directory_ + "/ROOT"; }
  std::string path(std::string_view file) const;               // CDIR/file
  std::vector<std::string> names() const;                      // sorted
  std::optional<json::Value> metadata() const;  // container.json; nothing when absent, empty or not JSON
  std::string image() const;                    // imagerepo.name; "" when absent
  std::string platform() const;                 // as Image::platform
  std::optional<std::string> execmode() const;  // "P1"; nothing when not set
  void set_execmode(std::string_view mode) const;  // writes execmode and root.path
  std::string root_path() const;                // root.path; "" when absent
  bool is_protected() const;
  void set_protected(bool on) const;
  // Held while the container is changed as a whole (setup, clone, rm). `containers/.lock.<id>`.
  Lock lock() const;

 private:
  Directories dirs_;
  std::string id_, directory_;
};

// A container being made, under a hidden place; removed unless committed.
class NewContainer {
 public:
  explicit NewContainer(const Directories& dirs);
  NewContainer(const NewContainer&) = delete;
  NewContainer& operator=(const NewContainer&) = delete;
  ~NewContainer();
  const std::string& id() const { return id_; }
  const std::string& directory() const { return directory_; }  // where CDIR is now; ROOT exists in it
  std::string root() const { return directory_ + "/ROOT"; }
  void set_metadata(const json::Value& metadata) const;
  void set_image(std::string_view name) const;
  // Keeps the lock alive; throws Interrupted after a Ctrl-C.
  void refresh() {
    lock_.refresh();
    check_interrupt();
  }
  // Makes it durable and moves it to its place: from here on everybody sees it whole. `name` is set in the same step
  // when given: a name that is taken throws Error "container name already exists" and nothing is left.
  Container commit(std::string_view name = {});

 private:
  Directories dirs_;
  std::string id_, directory_;
  Lock lock_;
  std::optional<WriteBack> write_back_;  // until it is committed
};

class Containers {
 public:
  explicit Containers(const Directories& dirs) : dirs_(dirs) {}

  std::optional<Container> find(std::string_view id_or_name) const;
  Container load(std::string_view id_or_name) const;  // throws Error "container id or name not found"
  std::vector<Container> list() const;                // sorted by id
  NewContainer make() const { return NewContainer(dirs_); }
  // Takes it out of sight at once (with its names), then deletes. The caller has checked protection.
  void remove(const Container& container) const;
  // Deletes what killed processes left in the staging place. Returns how many trees.
  std::size_t collect() const;
  // The same in containers: the work folders of killed runs.
  std::size_t collect_work() const;

  bool has_name(std::string_view name) const;
  // Throws Error "invalid container name or wrong format", "container name already exists".
  void set_name(const Container& container, std::string_view name) const;
  void remove_name(std::string_view name) const;  // throws Error "removing container name"
  static bool is_valid_name(std::string_view name);
  // All names by id: for listings.
  std::vector<std::pair<std::string, std::string>> names() const;  // (id, name)

 private:
  Directories dirs_;
};

// Random identifier in the form of a UUID.
std::string make_id();

}  // namespace udocker::store
