#include "archive/foreign.hpp"

#include "archive/extract.hpp"
#include "archive/tar.hpp"
#include "util/cold_memory.hpp"
#include "util/error.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

namespace udocker::archive {

namespace {

constexpr std::size_t kHead = 512;

class PrefixedInput : public Input {
 public:
  PrefixedInput(std::string head, std::unique_ptr<Input> rest) : head_(std::move(head)), rest_(std::move(rest)) {}
  std::string_view next() override {
    if (!used_ && !head_.empty()) {
      used_ = true;
      return head_;
    }
    return rest_->next();
  }

 private:
  std::string head_;
  std::unique_ptr<Input> rest_;
  bool used_ = false;
};

// A header with a true checksum, or the zeros of an empty archive.
bool is_tar_header(std::string_view head) {
  if (head.size() < kHead) return head.empty();
  if (std::all_of(head.begin(), head.begin() + kHead, [](char c) { return c == '\0'; })) return true;
  std::string block(head.substr(0, kHead));
  TextInput text(block);
  TarReader reader(text, "");
  Entry entry;
  try {
    reader.next(entry);
  } catch (const IntegrityError& error) {
    return std::string_view(error.what()).find("wrong header") == std::string_view::npos;
  }
  return true;
}

void rewind(int fd, const std::string& directory) {
  if (::lseek(fd, 0, SEEK_SET) != 0) throw_errno("rewind a temporary file in", directory);
}

class BufferedOutput : public Output {
 public:
  BufferedOutput(int fd, std::string name) : to_(fd, std::move(name)) {}
  void write(std::string_view bytes) override {
    held_ += bytes;
    if (held_.size() >= (256u << 10)) flush();
  }
  void flush() {
    to_.write(held_);
    held_.clear();
  }

 private:
  FdOutput to_;
  std::string held_;
};

[[noreturn]] void too_large(const std::string& name, std::uint64_t limit) {
  throw Error(cat(name, ": unpacks to more than the limit of ", limit, " bytes (", kLimitAdvice, ")"));
}

class Converter {
 public:
  Converter(int fd, std::string name, Output& output, std::uint64_t limit) : name_(std::move(name)), tar_(output), limit_(limit), from_(::archive_read_new()) {
    if (!from_) throw std::bad_alloc();
    // Not all formats: mtree would read files of the host that the archive names.
    for (auto enable : {::archive_read_support_format_cpio, ::archive_read_support_format_zip, ::archive_read_support_format_7zip,
                        ::archive_read_support_format_ar, ::archive_read_support_format_cab, ::archive_read_support_format_iso9660,
                        ::archive_read_support_format_lha, ::archive_read_support_format_rar, ::archive_read_support_format_rar5,
                        ::archive_read_support_format_xar})
      enable(from_);
    if (::archive_read_open_fd(from_, fd, 256 << 10) != ARCHIVE_OK) bad();
  }
  ~Converter() { ::archive_read_free(from_); }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  void run() {
    struct archive_entry* found = nullptr;
    while (true) {
      int status = ::archive_read_next_header(from_, &found);
      if (status == ARCHIVE_EOF) break;
      if (status < ARCHIVE_WARN) bad();
      take(found);
    }
    tar_.finish();
  }

 private:
  [[noreturn]] void bad() const {
    const char* why = ::archive_error_string(from_);
    throw IntegrityError(cat(name_, ": not an archive that can be read: ", why ? printable(why) : "unknown format"));
  }

  void count(std::uint64_t more) {
    if (limit_ && more > limit_ - made_) too_large(name_, limit_);
    made_ += more;
  }

  void take(struct archive_entry* found) {
    Entry entry;
    count(kHead);
    const char* path = ::archive_entry_pathname(found);
    if (!path || !*path) return;
    entry.path = path;
    entry.mode = static_cast<std::uint32_t>(::archive_entry_perm(found)) & 07777;
    entry.uid = static_cast<std::uint64_t>(std::max<std::int64_t>(0, ::archive_entry_uid(found)));
    entry.gid = static_cast<std::uint64_t>(std::max<std::int64_t>(0, ::archive_entry_gid(found)));
    entry.mtime = ::archive_entry_mtime(found);
    if (const char* target = ::archive_entry_hardlink(found)) return take_hard_link(found, std::move(entry), target);
    using Type = Entry::Type;
    switch (::archive_entry_filetype(found)) {
      case AE_IFREG: return take_file(found, std::move(entry));
      case AE_IFDIR: entry.type = Type::directory; break;
      case AE_IFLNK: {
        const char* target = ::archive_entry_symlink(found);
        if (!target) throw IntegrityError(cat(name_, ": ", printable(entry.path), " is a link without a target"));
        entry.type = Type::symbolic_link;
        entry.link = target;
        break;
      }
      case AE_IFIFO: entry.type = Type::fifo; break;
      case AE_IFCHR: case AE_IFBLK:
        entry.type = ::archive_entry_filetype(found) == AE_IFCHR ? Type::character_device : Type::block_device;
        entry.major = static_cast<std::uint32_t>(::archive_entry_rdevmajor(found));
        entry.minor = static_cast<std::uint32_t>(::archive_entry_rdevminor(found));
        break;
      default: return;  // sockets
    }
    tar_.add(entry);
  }

  void take_file(struct archive_entry* found, Entry entry) {
    if (!::archive_entry_size_is_set(found)) throw IntegrityError(cat(name_, ": the size of ", printable(entry.path), " is not known"));
    entry.size = static_cast<std::uint64_t>(::archive_entry_size(found));
    count(entry.size);
    tar_.add(entry);
    const void* data;
    std::size_t size;
    la_int64_t offset;
    std::uint64_t at = 0;
    const std::string zeros(64 << 10, '\0');
    auto fill = [&](std::uint64_t until) {
      for (std::uint64_t step; at < until; at += step) {
        step = std::min<std::uint64_t>(until - at, zeros.size());
        tar_.write({zeros.data(), static_cast<std::size_t>(step)});
      }
    };
    int status;
    while ((status = ::archive_read_data_block(from_, &data, &size, &offset)) == ARCHIVE_OK || status == ARCHIVE_WARN) {
      if (static_cast<std::uint64_t>(offset) < at || size > entry.size || static_cast<std::uint64_t>(offset) > entry.size - size) bad();
      fill(static_cast<std::uint64_t>(offset));
      tar_.write({static_cast<const char*>(data), size});
      at += size;
    }
    if (status != ARCHIVE_EOF) bad();
    fill(entry.size);
  }

  // cpio keeps the data with the last name of a file; the names before it came without.
  void take_hard_link(struct archive_entry* found, Entry entry, const char* target) {
    auto& names = names_[target];
    if (::archive_entry_size_is_set(found) && ::archive_entry_size(found) > 0) {
      std::string here = entry.path;
      Entry link = entry;
      take_file(found, std::move(entry));
      link.type = Entry::Type::hard_link;
      link.link = here;
      names.insert(names.begin(), target);
      for (auto& name : names) {
        link.path = name;
        tar_.add(link);
      }
      names.clear();
      return;
    }
    names.push_back(entry.path);
    entry.type = Entry::Type::hard_link;
    entry.link = target;
    tar_.add(entry);
  }

  std::string name_;
  TarWriter tar_;
  std::uint64_t limit_, made_ = 0;
  struct ::archive* from_;
  std::map<std::string, std::vector<std::string>> names_;  // of each file with several, by the first one
};

}  // namespace

TarStream as_tar(std::unique_ptr<Input> plain, const std::string& name, const std::string& directory, std::uint64_t limit) {
  std::string head;
  while (head.size() < kHead) {
    std::string_view piece = plain->next();
    if (piece.empty()) break;
    head += piece;
  }
  bool is_tar = is_tar_header(head);
  auto input = std::make_unique<PrefixedInput>(std::move(head), std::move(plain));
  if (is_tar) return {std::move(input), false};
  UniqueFd stored = unnamed_file(directory), made = unnamed_file(directory);
  std::uint64_t size = 0;
  for (auto piece = input->next(); !piece.empty(); piece = input->next()) {
    if (limit && (size += piece.size()) > limit) too_large(name, limit);
    write_all(stored.get(), piece, directory);
  }
  rewind(stored.get(), directory);
  BufferedOutput output(made.get(), directory);
  Converter(stored.get(), name, output, limit).run();
  output.flush();
  rewind(made.get(), directory);
  return {std::make_unique<FdInput>(std::move(made), name), true};
}

}  // namespace udocker::archive
