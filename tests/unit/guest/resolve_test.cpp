// The walk of the guest view against the kernel's own, in a chroot, on random trees that change between look-ups.
#include "guest/resolve.hpp"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::guest {
namespace {

std::string temporary_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "guest-test-XXXXXX").string();
  if (!::mkdtemp(name.data())) std::abort();
  return std::filesystem::canonical(name).string();
}

// A view of `root` with the given binds, and what resolving in it needs.
class Fixture {
 public:
  explicit Fixture(const std::string& root, std::vector<MountSpec> mounts = {}, const std::string& stand_ins = {})
      : block_(kViewCapacity / 8), shared_(std::make_unique<Shared>()), work_(std::make_unique<Workspace>()),
        found_(std::make_unique<Resolved>()) {
    ViewSpec spec;
    spec.root = {root.data(), root.size()};
    spec.mounts = mounts.data();
    spec.mount_count = mounts.size();
    spec.stand_ins = {stand_ins.data(), stand_ins.size()};
    size_t bad;
    result_ = build_view(spec, view(), kViewCapacity, &bad);
    place_.view = view();
    place_.shared = shared_.get();
    place_.pid = place_.tid = ::getpid();
  }
  long build_result() const { return result_; }
  View* view() { return reinterpret_cast<View*>(block_.data()); }
  Shared* shared() { return shared_.get(); }
  Place& place() { return place_; }
  Resolved& found() { return *found_; }
  long resolve(const std::string& path, Follow follow) {
    return guest::resolve(place_, *work_, AT_FDCWD, {path.data(), path.size()}, follow, *found_);
  }
  // Inode, or -errno, of what the path names in the view.
  long inode(const std::string& path, bool follow) {
    long result = resolve(path, follow ? Follow::yes : Follow::no);
    if (result < 0) return result;
    struct stat stat;
    if (::lstat(found_->host.c_str(), &stat) != 0) return -errno;
    return static_cast<long>(stat.st_ino);
  }

 private:
  std::vector<uint64_t> block_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Workspace> work_;
  std::unique_ptr<Resolved> found_;
  Place place_;
  long result_ = 0;
};

// A child in a chroot that answers look-ups: the kernel's opinion.
class Kernel {
 public:
  // `binds`: host directories and where they are mounted, below `root`.
  explicit Kernel(const std::string& root, const std::vector<std::pair<std::string, std::string>>& binds = {}) {
    int down[2], up[2];
    if (::pipe(down) != 0 || ::pipe(up) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(down[1]);
      ::close(up[0]);
      int spaces = (::geteuid() == 0 ? 0 : CLONE_NEWUSER) | (binds.empty() ? 0 : CLONE_NEWNS);
      bool good = spaces == 0 || ::unshare(spaces) == 0;
      if (good && !binds.empty()) good = ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
      for (const auto& [host, guest] : binds) good = good && ::mount(host.c_str(), (root + guest).c_str(), nullptr, MS_BIND, nullptr) == 0;
      good = good && ::chroot(root.c_str()) == 0 && ::chdir("/") == 0;
      char ready = good ? 'y' : 'n';
      if (::write(up[1], &ready, 1) != 1 || !good) ::_exit(0);
      char request[2048];
      while (::read(down[0], request, sizeof request) == sizeof request) {
        struct stat stat;
        long answer = ::fstatat(AT_FDCWD, request + 1, &stat, request[0] ? 0 : AT_SYMLINK_NOFOLLOW) == 0 ? static_cast<long>(stat.st_ino) : -errno;
        if (::write(up[1], &answer, sizeof answer) != sizeof answer) break;
      }
      ::_exit(0);
    }
    ::close(down[0]);
    ::close(up[1]);
    to_ = down[1];
    from_ = up[0];
    char ready = 'n';
    usable_ = ::read(from_, &ready, 1) == 1 && ready == 'y';
  }
  ~Kernel() {
    ::close(to_);
    ::close(from_);
    ::waitpid(pid_, nullptr, 0);
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  bool usable() const { return usable_; }
  long inode(const std::string& path, bool follow) {
    char request[2048] = {};
    request[0] = follow;
    std::snprintf(request + 1, sizeof request - 1, "%s", path.c_str());
    long answer = -EIO;
    if (::write(to_, request, sizeof request) != sizeof request || ::read(from_, &answer, sizeof answer) != sizeof answer) return -EIO;
    return answer;
  }

 private:
  pid_t pid_;
  int to_, from_;
  bool usable_ = false;
};

const char* const kNames[] = {"a", "b", "c", "d", "link", "x.y", "...", "long-name-of-a-file"};

class Random {
 public:
  // `more`: names that paths go through beside those that change.
  explicit Random(unsigned seed, std::vector<std::string> more = {}) : engine_(seed), more_(std::move(more)) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }
  std::string name() { return kNames[below(std::size(kNames))]; }
  // A path of some components, with dots and doubled slashes now and then.
  std::string path(unsigned most) {
    std::string path = below(8) ? "/" : "//";
    unsigned count = 1 + below(most);
    for (unsigned i = 0; i < count; ++i) {
      unsigned kind = below(12);
      path += kind == 0 ? ".." : kind == 1 ? "." : !more_.empty() && kind < 5 ? more_[below(static_cast<unsigned>(more_.size()))] : name();
      if (i + 1 < count) path += below(10) ? "/" : "///";
    }
    if (below(10) == 0) path += "/";
    return path;
  }
  std::string target() {
    unsigned kind = below(3);
    if (kind == 0) return path(3);
    return (kind == 1 ? "../" : "") + path(2).substr(1);
  }

 private:
  std::mt19937 engine_;
  std::vector<std::string> more_;
};

// One random change, told to the cache as the engines tell it.
void change(Random& random, const std::string& root, Shared* shared) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  fs::path directory = root;
  for (unsigned depth = random.below(3); depth > 0; --depth) {
    fs::path next = directory / random.name();
    if (fs::is_directory(fs::symlink_status(next, ignored))) directory = next;
  }
  fs::path name = directory / random.name(), other = directory / random.name();
  auto note = [&](const fs::path& path) { note_change(shared, {path.c_str(), path.native().size()}); };
  switch (random.below(6)) {
    case 0:
    case 1:
      fs::create_directory(name, ignored);
      return;
    case 2: {
      std::string target = random.target();
      note(name);
      if (::symlink(target.c_str(), name.c_str()) != 0) return;
      return;
    }
    case 3:
      ::close(::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
      return;
    case 4:
      note(name);
      if (::unlink(name.c_str()) != 0 && ::rmdir(name.c_str()) != 0) return;
      return;
    default:
      note(name);
      note(other);
      if (::rename(name.c_str(), other.c_str()) != 0) return;
  }
}

TEST(Resolve, AgreesWithTheKernelOnRandomTrees) {
  std::string root = temporary_directory();
  Kernel kernel(root);
  if (!kernel.usable()) GTEST_SKIP() << "no chroot in a user namespace here";
  Fixture view(root);
  ASSERT_EQ(view.build_result(), 0);
  Random random(20260101);
  for (int round = 0; round < 8000; ++round) {
    change(random, root, view.shared());
    for (int look = 0; look < 6; ++look) {
      std::string path = random.path(6);
      bool follow = random.below(2);
      long expected = kernel.inode(path, follow), got = view.inode(path, follow);
      ASSERT_EQ(got, expected) << path << (follow ? " followed" : "") << " in round " << round << " of " << root;
    }
  }
  std::filesystem::remove_all(root);
}

// Directories of the host shown in the tree, one of them twice, one within another; all of them change.
TEST(Resolve, AgreesWithTheKernelOnRandomTreesWithBinds) {
  std::string root = temporary_directory(), data = temporary_directory(), more = temporary_directory();
  for (const char* name : {"/m1", "/fixed", "/fixed/m2", "/m3"}) std::filesystem::create_directory(root + name);
  std::filesystem::create_directory(data + "/m4");
  std::vector<std::pair<std::string, std::string>> binds = {{data, "/m1"}, {more, "/fixed/m2"}, {data, "/m3"}, {more, "/m1/m4"}};
  Kernel kernel(root, binds);
  if (!kernel.usable()) GTEST_SKIP() << "no mounts in a user namespace here";
  std::vector<MountSpec> mounts;
  for (const auto& [host, guest] : binds) mounts.push_back({{host.data(), host.size()}, {guest.data(), guest.size()}});
  Fixture view(root, mounts);
  ASSERT_EQ(view.build_result(), 0);
  Random random(20260102, {"m1", "fixed", "m2", "m3", "m4"});
  for (int round = 0; round < 6000; ++round) {
    const std::string* trees[] = {&root, &data, &more};
    change(random, *trees[random.below(3)], view.shared());
    for (int look = 0; look < 6; ++look) {
      std::string path = random.path(6);
      bool follow = random.below(2);
      long expected = kernel.inode(path, follow), got = view.inode(path, follow);
      ASSERT_EQ(got, expected) << path << (follow ? " followed" : "") << " in round " << round << " of " << root;
    }
  }
  for (const auto& path : {root, data, more}) std::filesystem::remove_all(path);
}

// Another thread changes the tree all the time: every answer is one of a path in the root or an error of a walk, and when
// the changes have ended nothing stale outlives the cache's time.
TEST(Resolve, SurvivesRacesAndAgreesAfterThem) {
  std::string root = temporary_directory();
  Kernel kernel(root);
  if (!kernel.usable()) GTEST_SKIP() << "no chroot in a user namespace here";
  Fixture view(root);
  ASSERT_EQ(view.build_result(), 0);
  Random random(20260103);
  for (int burst = 0; burst < 20; ++burst) {
    view.shared()->now += 1;
    std::atomic<bool> going{true};
    std::thread changer([&] {
      Random own(static_cast<unsigned>(burst));
      for (int i = 0; i < 300; ++i) change(own, root, view.shared());
      going = false;
    });
    bool inside = true, sane = true;
    do {
      long result = view.resolve(random.path(6), random.below(2) ? Follow::yes : Follow::no);
      if (result == 0) inside = inside && std::string(view.found().host.c_str()).starts_with(root);
      else sane = sane && (result == -ENOENT || result == -ENOTDIR || result == -ELOOP || result == -ENAMETOOLONG);
    } while (going);
    changer.join();
    ASSERT_TRUE(inside);
    ASSERT_TRUE(sane);
    view.shared()->now += kCacheLife + 1;
    for (int look = 0; look < 300; ++look) {
      std::string path = random.path(6);
      bool follow = random.below(2);
      long expected = kernel.inode(path, follow), got = view.inode(path, follow);
      ASSERT_EQ(got, expected) << path << (follow ? " followed" : "") << " after burst " << burst << " in " << root;
    }
  }
  std::filesystem::remove_all(root);
}

TEST(Resolve, TakesOnlyNamesOfMountsForMounts) {
  std::string root = temporary_directory();
  std::filesystem::create_directories(root + "/mnt/data");
  Fixture view(root, {{"/tmp", "/mnt/data"}, {"/tmp", "/longer-name"}}, temporary_directory());
  ASSERT_EQ(view.build_result(), 0);
  for (int i = 0; i < 1000; ++i) {
    std::string name = "name" + std::to_string(i);
    EXPECT_FALSE(mount_is_called(*view.view(), {name.data(), name.size()}));
  }
  EXPECT_TRUE(mount_is_called(*view.view(), "data"));
  EXPECT_TRUE(mount_is_called(*view.view(), "longer-name"));
  EXPECT_FALSE(mount_is_called(*view.view(), "name"));
  EXPECT_FALSE(mount_is_called(*view.view(), ""));
}

TEST(Resolve, RemembersNoFileAsADirectory) {
  std::string root = temporary_directory();
  std::ofstream(root + "/file").put('x');
  Fixture view(root);
  for (int again = 0; again < 2; ++again)
    for (const char* path : {"/file/./.", "/file/.", "/file/x", "/file/./x", "/file/./..", "/file/.."})
      EXPECT_EQ(view.inode(path, true), -ENOTDIR) << path;
  std::filesystem::remove_all(root);
}

TEST(Resolve, KeepsToTheRoot) {
  std::string root = temporary_directory();
  std::filesystem::create_symlink("/etc", root + "/e");
  std::filesystem::create_symlink("../../../../etc", root + "/f");
  Fixture view(root);
  EXPECT_EQ(view.inode("/e/passwd", true), -ENOENT);
  EXPECT_EQ(view.inode("/f/passwd", true), -ENOENT);
  ASSERT_EQ(view.resolve("/../../x", Follow::yes), 0);
  EXPECT_EQ(std::string(view.found().host.c_str()), root + "/x");
  EXPECT_EQ(view.resolve("", Follow::yes), -ENOENT);
  EXPECT_EQ(view.resolve("/" + std::string(300, 'n'), Follow::yes), -ENAMETOOLONG);
  std::filesystem::create_symlink("loop", root + "/loop");
  EXPECT_EQ(view.resolve("/loop/x", Follow::yes), -ELOOP);
  std::filesystem::remove_all(root);
}

TEST(Resolve, CrossesBindsBothWays) {
  std::string root = temporary_directory(), data = temporary_directory(), spare = temporary_directory();
  std::filesystem::create_directory(root + "/mnt");
  std::filesystem::create_directory(data + "/sub");
  ::close(::open((data + "/file").c_str(), O_CREAT | O_WRONLY, 0644));
  std::filesystem::create_symlink("/mnt/in", root + "/way");
  std::filesystem::create_symlink("../back", data + "/up");
  std::vector<MountSpec> mounts = {{{data.data(), data.size()}, "/mnt/in", kMountReadOnly}, {{data.data(), data.size()}, "/new/deep/in"}};
  Fixture view(root, mounts, spare);
  ASSERT_EQ(view.build_result(), 0);
  ASSERT_EQ(view.resolve("/way/file", Follow::yes), 0);
  EXPECT_EQ(std::string(view.found().host.c_str()), data + "/file");
  EXPECT_TRUE(view.found().read_only());
  ASSERT_EQ(view.resolve("/mnt/in/up", Follow::yes), 0);
  EXPECT_EQ(std::string(view.found().host.c_str()), root + "/mnt/back");
  ASSERT_EQ(view.resolve("/mnt/in/..", Follow::yes), 0);
  EXPECT_EQ(std::string(view.found().guest.c_str()), "/mnt");
  ASSERT_EQ(view.resolve("/new/deep/in/sub", Follow::yes), 0);
  EXPECT_FALSE(view.found().read_only());
  ASSERT_EQ(view.resolve("/new/deep", Follow::yes), 0);
  EXPECT_TRUE(view.found().read_only());
  ASSERT_EQ(view.resolve("/mnt/in", Follow::no), 0);
  EXPECT_TRUE(view.found().is_mount_point);
  GuestPath guest;
  std::string inside = root + "/usr";
  ASSERT_TRUE(host_to_guest(*view.view(), {inside.data(), inside.size()}, guest));
  EXPECT_EQ(std::string(guest.c_str()), "/usr");
  ASSERT_TRUE(host_to_guest(*view.view(), {data.data(), data.size()}, guest));
  EXPECT_FALSE(host_to_guest(*view.view(), "/etc", guest));
  EXPECT_TRUE(std::filesystem::is_empty(root + "/mnt"));
  EXPECT_FALSE(std::filesystem::exists(root + "/new"));
  for (const auto& path : {root, data, spare}) std::filesystem::remove_all(path);
}

TEST(Resolve, NeedsAPlaceForStandIns) {
  std::string root = temporary_directory();
  Fixture view(root, {{"/", "/new/deep"}});
  EXPECT_EQ(view.build_result(), -EXDEV);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace udocker::guest
