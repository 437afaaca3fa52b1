#include "store/lock.hpp"

#include "util/error.hpp"
#include "util/file.hpp"
#include "util/interrupt.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::store {

std::string unique_suffix() {
  std::uint64_t bits = 0;
  if (::getrandom(&bits, sizeof bits, GRND_NONBLOCK) != sizeof bits)
    bits = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return cat(::getpid(), ".", bits);
}

namespace {

constexpr std::chrono::seconds kSilence{600};  // an owner elsewhere that did not refresh for so long is gone

std::string start_of(long pid) {
  auto stat = find_file(cat("/proc/", pid, "/stat"));
  if (!stat) return "";
  auto fields = split_words(std::string_view(*stat).substr(stat->rfind(')') + 1));
  return fields.size() > 19 ? fields[19] : "";
}

std::string place_of_self() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  auto boot = find_file("/proc/sys/kernel/random/boot_id");
  auto space = find_link("/proc/self/ns/pid");
  std::string place = cat(host, "/", boot ? trim(*boot) : "-", "/", space ? *space : "-");
  for (char& c : place)
    if (c == ' ' || c == '\n') c = '_';
  return place;
}

struct Seen {
  std::string text;
  std::chrono::seconds age;
  ino_t inode;
};

std::optional<Seen> look(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) != 0) return std::nullopt;
  char text[1024];
  std::size_t got = read_full(fd.get(), text, sizeof text, path);
  return Seen{std::string(text, got), std::chrono::seconds(std::max<std::time_t>(0, std::time(nullptr) - st.st_mtime)), st.st_ino};
}

bool is_stale(const Seen& seen) {
  auto owner = Owner::parse(seen.text);
  if (!owner) return seen.age > std::chrono::seconds(30);  // being written, or cut off by a full disk
  return !owner->may_live(seen.age);
}

// Removes a lock that was found stale. Another process may do the same and lock again meanwhile: what is taken away
// is looked at once more and put back when it is not the stale one.
void break_stale(const std::string& path, const Seen& stale) {
  std::string aside = cat(path, ".", unique_suffix());
  if (::rename(path.c_str(), aside.c_str()) != 0) return;
  auto taken = look(aside);
  if (taken && taken->inode != stale.inode && !is_stale(*taken)) (void)!::link(aside.c_str(), path.c_str());
  ::unlink(aside.c_str());
}

// True when the lock is ours now; false when somebody has it.
bool attempt(const std::string& path) {
  std::string mine = cat(path, ".", unique_suffix());
  ScopeExit clean([&] { ::unlink(mine.c_str()); });
  {
    UniqueFd fd = open_fd(mine, O_WRONLY | O_CREAT | O_EXCL, 0644);
    write_all(fd.get(), Owner::self().text(), path);
    fd.close_checked(path);
  }
  for (int tries = 0; tries < 3; ++tries) {
    if (::link(mine.c_str(), path.c_str()) == 0) return true;
    int error = errno;
    struct stat st;  // NFS may lose the reply of a link that was made
    if (::stat(mine.c_str(), &st) == 0 && st.st_nlink == 2) return true;
    if (error != EEXIST) {  // no hard links here: O_EXCL is what there is
      UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
      if (fd) {
        write_all(fd.get(), Owner::self().text(), path);
        return true;
      }
      if (errno != EEXIST) throw_errno("lock", path);
    }
    auto seen = look(path);
    if (!seen) continue;  // gone meanwhile
    if (!is_stale(*seen)) return false;
    break_stale(path, *seen);
  }
  return false;
}

}  // namespace

Owner Owner::self() {
  static const std::string place = place_of_self();
  return {place, start_of(::getpid()), ::getpid()};
}

std::optional<Owner> Owner::parse(const std::string& text) {
  auto words = split_words(std::string_view(text).substr(0, text.find('\n')));
  if (words.size() != 4 || words[0] != "udocker") return std::nullopt;
  auto pid = parse_number(words[2]);
  if (!pid) return std::nullopt;
  return Owner{words[1], words[3] == "-" ? "" : words[3], static_cast<long>(*pid)};
}

std::string Owner::text() const { return cat("udocker ", place, " ", pid, " ", start.empty() ? "-" : start, "\n"); }

bool Owner::may_live(std::chrono::seconds age) const {
  static const std::string here = place_of_self();
  if (place != here) {
    // Same machine after a restart: nobody of that time lives.
    auto host = [](const std::string& p) { return p.substr(0, p.find('/')); };
    auto boot = [](const std::string& p) { return split(p, '/').at(1); };
    if (host(place) == host(here) && split(place, '/').size() > 2 && boot(place) != "-" && boot(here) != "-" &&
        boot(place) != boot(here))
      return false;
    return age < kSilence;
  }
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return false;
  std::string now = start_of(pid);
  return start.empty() || now.empty() || now == start;
}

std::optional<Lock> Lock::try_take(const std::string& path) {
  if (!attempt(path)) return std::nullopt;
  return Lock(path);
}

Lock Lock::take(const std::string& path, std::chrono::seconds patience) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  auto pause = std::chrono::milliseconds(2);
  while (true) {
    if (attempt(path)) return Lock(path);
    if (std::chrono::steady_clock::now() > deadline) {
      auto seen = look(path);
      auto owner = seen ? Owner::parse(seen->text) : std::nullopt;
      throw Error(cat("another udocker is still at work: ", path,
                      owner ? cat(" is held by process ", owner->pid, " on ", owner->place.substr(0, owner->place.find('/'))) : ""));
    }
    check_interrupt();
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::milliseconds(100));
  }
}

Lock::Lock(Lock&& other) noexcept : path_(std::move(other.path_)), refreshed_(other.refreshed_) { other.path_.clear(); }

Lock::~Lock() { release(); }

void Lock::release() {
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

void Lock::refresh() {
  auto now = std::chrono::steady_clock::now();
  if (now - refreshed_ < std::chrono::seconds(30)) return;
  refreshed_ = now;
  ::utimensat(AT_FDCWD, path_.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

bool is_locked(const std::string& path) {
  auto seen = look(path);
  return seen && !is_stale(*seen);
}

}  // namespace udocker::store
