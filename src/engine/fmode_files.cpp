// The ELF files of a container's tree: ROOT as prefix of the names in them, and the old bytes again.
#include "engine/fmode_parts.hpp"
#include "engine/fmode_undo.hpp"

#include "elf/disk.hpp"
#include "elf/root_prefix.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::engine {

namespace {

constexpr std::size_t kGrowth = 256u << 10;

void store_keeping_times(const std::string& path, elf::ByteView before, elf::ByteView after) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) throw_errno("cannot read", path);
  elf::store_in_place(path, before, after);
  const timespec times[2] = {st.st_atim, st.st_mtim};
  static_cast<void>(::utimensat(AT_FDCWD, path.c_str(), times, 0));
}

// Collects what single files refuse; damaged ELF files are content like any other and are left alone.
class Failures {
 public:
  explicit Failures(std::vector<std::string>& list) : list_(list) {}
  template <typename Work>
  void guard(const std::string& path, const Work& work) {
    try {
      work();
    } catch (const SystemError& error) {
      const std::lock_guard lock(mutex_);
      list_.emplace_back(error.what());
    } catch (const Error& error) {
      log::debug("fmode", cat(path, ": ", error.what()));
    }
  }

 private:
  std::vector<std::string>& list_;
  std::mutex mutex_;
};

// Pages of a large buffer come by the megabyte where the kernel has such.
void want_large_pages(void* buffer, std::size_t size) {
  constexpr std::uintptr_t kPage = 4096;
  const std::uintptr_t from = (reinterpret_cast<std::uintptr_t>(buffer) + kPage - 1) & ~(kPage - 1);
  const std::uintptr_t to = (reinterpret_cast<std::uintptr_t>(buffer) + size) & ~(kPage - 1);
  if (to > from) static_cast<void>(::madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE));
}

// Memory for one file after the other: fresh memory and mappings cost more than copying into old.
class Buffers {
 public:
  // The file's bytes; empty for what cannot be read or is no ELF file. Valid until the next call.
  elf::ByteView read(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    std::uint8_t magic[16];
    struct stat st;
    if (!fd || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
    if (::pread(fd.get(), magic, sizeof magic, 0) != sizeof magic || !elf::looks_like_elf(magic)) return {};
    const auto size = static_cast<std::size_t>(st.st_size);
    if (size > room_) {
      file_.reset();
      file_ = std::make_unique_for_overwrite<std::uint8_t[]>(room_ = size);
      want_large_pages(file_.get(), size);
    }
    return {file_.get(), read_full(fd.get(), file_.get(), size, path)};
  }
  // A copy with room to grow, to be given back when it has been used.
  elf::Bytes copy(elf::ByteView bytes) {
    if (edited_.capacity() < bytes.size() + kGrowth) {
      edited_ = {};
      edited_.reserve(bytes.size() + kGrowth);
      want_large_pages(edited_.data(), bytes.size() + kGrowth);
    }
    edited_.assign(bytes.begin(), bytes.end());
    return std::move(edited_);
  }
  void give_back(elf::Bytes bytes) { edited_ = std::move(bytes); }

 private:
  std::unique_ptr<std::uint8_t[]> file_;
  std::size_t room_ = 0;
  elf::Bytes edited_;
};

// The largest first: no thread is left with one at the end, and a thread's buffer need not grow.
std::vector<std::size_t> by_size(const std::string& root, const std::vector<std::string>& programs) {
  std::vector<std::pair<off_t, std::size_t>> sizes;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    struct stat st;
    sizes.emplace_back(::lstat(cat(root, "/", programs[i]).c_str(), &st) == 0 ? st.st_size : 0, i);
  }
  std::sort(sizes.rbegin(), sizes.rend());
  std::vector<std::size_t> order;
  for (const auto& [size, i] : sizes) order.push_back(i);
  return order;
}

}  // namespace

std::size_t patch_files(const std::string& container_dir, const std::string& root, const std::vector<std::string>& programs,
                        unsigned threads, std::vector<std::string>& failures) {
  UndoWriter journal(container_dir + "/patch.undo");
  Failures failed(failures);
  std::atomic<std::size_t> changed{0};
  const std::vector<std::size_t> order = by_size(root, programs);
  for_each_parallel(programs.size(), threads, [&](std::size_t next) {
    const std::size_t i = order[next];
    const std::string path = cat(root, "/", programs[i]);
    failed.guard(path, [&] {
      thread_local Buffers buffers;
      const elf::ByteView before = buffers.read(path);
      if (before.empty() || !elf::wants_root_prefix(elf::View(before), root)) return;
      elf::Editor editor(buffers.copy(before));
      elf::set_root_prefix(editor, root);
      elf::Bytes after = editor.finish();
      UndoRecord record = make_undo(programs[i], before, after);
      buffers.give_back(std::move(after));
      if (record.extents.empty()) return;
      struct stat st;
      if (::lstat(path.c_str(), &st) != 0) throw_errno("cannot read", path);
      const std::int64_t times[] = {st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
      std::copy(std::begin(times), std::end(times), record.times);
      journal.add(record);
      write_new(path, record);
      changed++;
    });
  });
  return changed;
}

std::size_t restore_files(const std::string& container_dir, const std::string& root,
                          const std::vector<std::string>& programs, const std::vector<std::string>& prefixes,
                          unsigned threads, Times times, std::vector<std::string>& failures) {
  const std::vector<UndoRecord> records = load_undo(container_dir + "/patch.undo");
  std::map<std::string, std::vector<const UndoRecord*>> by_path;
  for (const UndoRecord& record : records) by_path[record.path].push_back(&record);
  std::vector<const std::vector<const UndoRecord*>*> histories;
  for (const auto& [path, history] : by_path) histories.push_back(&history);

  Failures failed(failures);
  std::atomic<std::size_t> changed{0};
  for_each_parallel(histories.size(), threads, [&](std::size_t i) {
    const std::string path = cat(root, "/", histories[i]->front()->path);
    struct stat st;
    if (::lstat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return;
    failed.guard(path, [&] {
      bool restored = false;
      for (auto record = histories[i]->rbegin(); record != histories[i]->rend(); ++record)
        restored = write_old(path, **record, times) || restored;
      if (restored) changed++;
    });
  });

  for_each_parallel(programs.size(), threads, [&](std::size_t i) {
    const std::string path = cat(root, "/", programs[i]);
    failed.guard(path, [&] {
      const elf::Mapped file(path, elf::Links::refuse);
      if (file.bytes().empty()) return;
      for (const std::string& prefix : prefixes) {
        if (!elf::has_root_prefix(elf::View(file.bytes()), prefix)) continue;
        const elf::Bytes before(file.bytes().begin(), file.bytes().end());
        elf::Editor editor(before);
        elf::restore_root_prefix(editor, prefix);
        if (!editor.changed()) continue;
        store_keeping_times(path, before, editor.finish());
        changed++;
        return;
      }
    });
  });
  return changed;
}

}  // namespace udocker::engine
