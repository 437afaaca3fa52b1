#include "util/cold_memory.hpp"

#include "util/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace udocker {

UniqueFd unnamed_file(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return fd;
  std::string path = directory + "/.unnamed.XXXXXX";
  fd.reset(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd) throw_errno("make a temporary file in", directory);
  ::unlink(path.c_str());
  return fd;
}

std::string temporary_directory() {
  if (const char* own = std::getenv("TMPDIR"); own && own[0] == '/') return own;
  return ::access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

ColdMemory::~ColdMemory() {
  for (auto [block, size] : files_) ::munmap(block, size);
}

void* ColdMemory::allocate(std::size_t size) noexcept {
  if (size >= kLarge) {
    try {
      UniqueFd fd = unnamed_file(directory_);
      // Room is taken at once: a page that finds none later would be a signal.
      if (::posix_fallocate(fd.get(), 0, static_cast<off_t>(size)) == 0) {
        void* block = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (block != MAP_FAILED) {
          files_[block] = size;
          return block;
        }
      }
    } catch (...) {  // memory then
    }
  }
  return std::calloc(1, size);
}

void ColdMemory::release(void* block) noexcept {
  auto found = files_.find(block);
  if (found == files_.end()) return std::free(block);
  ::munmap(block, found->second);
  files_.erase(found);
}

void ColdMemory::relax() noexcept {
  for (auto [block, size] : files_) ::madvise(block, size, MADV_DONTNEED);
}

std::uint64_t Journal::append(std::string_view bytes) {
  std::uint64_t at = size();
  held_ += bytes;
  if (held_.size() >= kHeld) flush();
  return at;
}

void Journal::flush() {
  if (!fd_) fd_ = unnamed_file(directory_);
  write_all(fd_.get(), held_, "a temporary file in " + directory_);
  written_ += held_.size();
  held_.clear();
}

std::string Journal::read(std::uint64_t at, std::size_t size) const {
  std::string out;
  if (at < written_) {
    out.resize(static_cast<std::size_t>(std::min<std::uint64_t>(size, written_ - at)));
    for (std::size_t have = 0; have < out.size();) {
      ssize_t got = ::pread(fd_.get(), out.data() + have, out.size() - have, static_cast<off_t>(at + have));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw_errno("read a temporary file in", directory_);
      have += static_cast<std::size_t>(got);
    }
    size -= out.size();
    at += out.size();
  }
  if (size > 0 && at >= written_ && at - written_ < held_.size()) out += std::string_view(held_).substr(static_cast<std::size_t>(at - written_), size);
  return out;
}

void Journal::clear() {
  fd_.reset();
  held_.clear();
  written_ = 0;
}

void put(Journal& journal, std::string_view text) {
  auto size = static_cast<std::uint32_t>(text.size());
  journal.append({reinterpret_cast<const char*>(&size), sizeof size});
  journal.append(text);
}

bool JournalReader::next(std::string& text) {
  constexpr std::size_t kPiece = 256u << 10;
  auto need = [&](std::size_t bytes) {
    if (buffer_.size() - used_ >= bytes) return;
    buffer_.erase(0, used_);
    used_ = 0;
    std::string more = journal_.read(at_, std::max(bytes, kPiece));
    at_ += more.size();
    buffer_ += more;
  };
  std::uint32_t size;
  need(sizeof size);
  if (buffer_.size() - used_ < sizeof size) return false;
  std::memcpy(&size, buffer_.data() + used_, sizeof size);
  need(sizeof size + size);
  text.assign(buffer_, used_ + sizeof size, size);
  used_ += sizeof size + size;
  return true;
}

}  // namespace udocker
