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
#include <mutex>

#include <fcntl.h>
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

}  // namespace

std::size_t patch_files(const std::string& container_dir, const std::string& root, const std::vector<std::string>& programs,
                        unsigned threads, std::vector<std::string>& failures) {
  UndoWriter journal(container_dir + "/patch.undo");
  Failures failed(failures);
  std::atomic<std::size_t> changed{0};
  for_each_parallel(programs.size(), threads, [&](std::size_t i) {
    const std::string path = cat(root, "/", programs[i]);
    failed.guard(path, [&] {
      const elf::Mapped file(path, elf::Links::refuse);
      if (file.bytes().empty() || !elf::wants_root_prefix(elf::View(file.bytes()), root)) return;
      // One buffer for all files of a thread: fresh memory costs more than copying into old.
      thread_local elf::Bytes buffer;
      buffer.clear();
      buffer.reserve(file.bytes().size() + kGrowth);
      buffer.assign(file.bytes().begin(), file.bytes().end());
      elf::Editor editor(std::move(buffer));
      elf::set_root_prefix(editor, root);
      buffer = editor.finish();
      UndoRecord record = make_undo(programs[i], file.bytes(), buffer);
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
