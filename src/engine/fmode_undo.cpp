#include "engine/fmode_undo.hpp"

#include "elf/disk.hpp"
#include "util/error.hpp"
#include "util/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace udocker::engine {

namespace {

constexpr std::uint32_t kMagic = 0x4f444e55;  // "UNDO"
constexpr std::size_t kJoin = 32;             // extents nearer than this become one
constexpr std::size_t kBlock = 1024;
constexpr std::uint64_t kMaxUndo = std::uint64_t{2} << 30;

std::uint32_t checksum(std::string_view bytes) {
  std::uint32_t h = 2166136261u;
  for (const char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put(std::string& out, const elf::Bytes& bytes) { out.append(bytes.begin(), bytes.end()); }

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool good() const { return good_; }
  std::string_view text(std::size_t size) {
    if (size > rest_.size()) good_ = false;
    if (!good_) return {};
    const std::string_view out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  template <typename T>
  T number() {
    T value{};
    const std::string_view raw = text(sizeof value);
    if (good_) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  elf::Bytes bytes(std::size_t size) {
    const std::string_view raw = text(size);
    return {raw.begin(), raw.end()};
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

UndoRecord make_undo(std::string path, elf::ByteView before, elf::ByteView after) {
  UndoRecord record{std::move(path), before.size(), after.size(), {}};
  const auto add = [&](std::size_t from, std::size_t to) {
    UndoExtent extent{from, {}, elf::Bytes(after.begin() + static_cast<std::ptrdiff_t>(from),
                                           after.begin() + static_cast<std::ptrdiff_t>(std::min(to, after.size())))};
    if (from < before.size())
      extent.before.assign(before.begin() + static_cast<std::ptrdiff_t>(from),
                           before.begin() + static_cast<std::ptrdiff_t>(std::min(to, before.size())));
    record.extents.push_back(std::move(extent));
  };
  const std::size_t common = std::min(before.size(), after.size());
  std::size_t at = 0;
  while (at < common) {
    if (common - at >= kBlock && std::memcmp(before.data() + at, after.data() + at, kBlock) == 0) {
      at += kBlock;
      continue;
    }
    at = static_cast<std::size_t>(
        std::mismatch(before.begin() + static_cast<std::ptrdiff_t>(at),
                      before.begin() + static_cast<std::ptrdiff_t>(common), after.begin() + static_cast<std::ptrdiff_t>(at))
            .first -
        before.begin());
    if (at == common) break;
    std::size_t last = at;
    for (std::size_t i = at + 1; i < common && i <= last + kJoin; i++)
      if (before[i] != after[i]) last = i;
    add(at, last + 1);
    at = last + 1;
  }
  if (after.size() != before.size()) add(common, std::max(before.size(), after.size()));
  return record;
}

void write_new(const std::string& path, const UndoRecord& record) {
  const elf::OpenForChange file(path);
  const timespec times[2] = {file.before().st_atim, file.before().st_mtim};
  try {
    // From the end, so that added bytes come before anything refers to them.
    for (auto extent = record.extents.rbegin(); extent != record.extents.rend(); ++extent)
      file.write(extent->after, extent->offset);
  } catch (...) {
    if (record.new_size > record.old_size) static_cast<void>(::ftruncate(file.fd(), static_cast<off_t>(record.old_size)));
    throw;
  }
  if (record.new_size < record.old_size && ::ftruncate(file.fd(), static_cast<off_t>(record.new_size)) != 0)
    throw_errno("cannot shorten", path);
  static_cast<void>(::futimens(file.fd(), times));
}

bool write_old(const std::string& path, const UndoRecord& record, Times wanted) {
  const bool recorded = wanted == Times::recorded && record.times[2] != 0;
  const timespec old_times[2] = {{record.times[0], record.times[1]}, {record.times[2], record.times[3]}};
  {
    const UniqueFd fd = open_fd(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) throw_errno("cannot read", path);
    const auto size = static_cast<std::uint64_t>(st.st_size);
    if (!S_ISREG(st.st_mode) || size < std::min(record.old_size, record.new_size) ||
        size > std::max(record.old_size, record.new_size))
      return false;
    bool old = size == record.old_size;
    for (const UndoExtent& extent : record.extents) {
      elf::Bytes now(std::max(extent.before.size(), extent.after.size()));
      const ssize_t got = ::pread(fd.get(), now.data(), now.size(), static_cast<off_t>(extent.offset));
      if (got < 0) throw_errno("cannot read", path);
      for (std::size_t i = 0; i < static_cast<std::size_t>(got); i++) {
        const bool was = i < extent.before.size() && now[i] == extent.before[i];
        const bool is = i < extent.after.size() && now[i] == extent.after[i];
        // Bytes behind the old end may still be the zeros of a hole.
        if (!was && !is && !(extent.offset + i >= record.old_size && now[i] == 0)) return false;
        old = old && was;
      }
    }
    if (old) {
      if (recorded) static_cast<void>(::futimens(fd.get(), old_times));
      return true;
    }
  }
  const elf::OpenForChange file(path);
  const timespec times[2] = {file.before().st_atim, file.before().st_mtim};
  for (const UndoExtent& extent : record.extents)
    if (!extent.before.empty()) file.write(extent.before, extent.offset);
  if (::ftruncate(file.fd(), static_cast<off_t>(record.old_size)) != 0) throw_errno("cannot shorten", path);
  static_cast<void>(::futimens(file.fd(), recorded ? old_times : times));
  return true;
}

UndoWriter::UndoWriter(const std::string& path)
    : path_(path), fd_(open_fd(path, O_WRONLY | O_CREAT | O_APPEND, 0600)) {}

void UndoWriter::add(const UndoRecord& record) {
  std::string body;
  put(body, static_cast<std::uint32_t>(record.path.size()));
  body += record.path;
  put(body, record.old_size);
  put(body, record.new_size);
  put(body, static_cast<std::uint32_t>(record.extents.size()));
  for (const UndoExtent& extent : record.extents) {
    put(body, extent.offset);
    put(body, static_cast<std::uint32_t>(extent.before.size()));
    put(body, static_cast<std::uint32_t>(extent.after.size()));
    put(body, extent.before);
    put(body, extent.after);
  }
  for (const std::int64_t time : record.times) put(body, time);
  std::string whole;
  put(whole, kMagic);
  put(whole, static_cast<std::uint32_t>(body.size()));
  put(whole, checksum(body));
  whole += body;
  // One write, so that records of several threads do not mix.
  const ssize_t done = ::write(fd_.get(), whole.data(), whole.size());
  if (done < 0) throw_errno("cannot write", path_);
  if (static_cast<std::size_t>(done) != whole.size()) throw SystemError("cannot write", path_, ENOSPC);
}

std::vector<UndoRecord> load_undo(const std::string& path) {
  std::vector<UndoRecord> records;
  const auto content = find_file(path, kMaxUndo);
  if (!content) return records;
  std::size_t at = 0;
  while (content->size() - at >= 12) {
    Reader head(std::string_view(*content).substr(at, 12));
    const auto magic = head.number<std::uint32_t>(), size = head.number<std::uint32_t>(), sum = head.number<std::uint32_t>();
    const std::string_view body = std::string_view(*content).substr(at + 12, size);
    if (magic != kMagic || body.size() != size || checksum(body) != sum) {
      // What a killed writer left; whole records may follow it.
      at = content->find("UNDO", at + 1);
      if (at == std::string::npos) break;
      continue;
    }
    at += 12 + size;
    Reader in(body);
    UndoRecord record;
    record.path = std::string(in.text(in.number<std::uint32_t>()));
    record.old_size = in.number<std::uint64_t>();
    record.new_size = in.number<std::uint64_t>();
    for (std::uint32_t left = in.number<std::uint32_t>(); left != 0 && in.good(); left--) {
      UndoExtent extent;
      extent.offset = in.number<std::uint64_t>();
      const auto before = in.number<std::uint32_t>(), after = in.number<std::uint32_t>();
      extent.before = in.bytes(before);
      extent.after = in.bytes(after);
      record.extents.push_back(std::move(extent));
    }
    for (std::int64_t& time : record.times) time = in.number<std::int64_t>();
    if (in.good()) records.push_back(std::move(record));
  }
  return records;
}

}  // namespace udocker::engine
