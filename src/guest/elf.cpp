#include "guest/elf.hpp"

#include <asm/errno.h>
#include <linux/elf.h>

#include "guest/sys.hpp"

namespace udocker::guest {

namespace {

constexpr uint16_t kMaxHeaders = 64;

// A file of which the beginning is known.
struct Source {
  int fd;
  const char* head;
  size_t size;

  bool has(uint64_t offset, size_t count) const { return offset <= size && count <= size - offset; }
  bool read(void* out, size_t count, uint64_t offset) const {
    if (has(offset, count)) {
      __builtin_memcpy(out, head + offset, count);
      return true;
    }
    return sys::call(__NR_pread64, fd, sys::address(out), static_cast<long>(count), static_cast<long>(offset)) ==
           static_cast<long>(count);
  }
};

template <class Header>
void take_header(const Header& header, ElfFacts& out) {
  out.machine = header.e_machine;
  out.relocatable = header.e_type == ET_DYN;
  out.entry = header.e_entry;
  out.header_count = header.e_phnum;
  out.header_size = header.e_phentsize;
}

// Whether a note among `size` bytes at `offset` is Go's; elf(5), cmd/internal/buildid of Go.
bool has_go_note(const Source& file, uint64_t offset, uint64_t size) {
  constexpr uint64_t kMost = 4096;
  const uint64_t end = offset + (size < kMost ? size : kMost);
  struct {
    uint32_t name_size, value_size, type;
    char name[4];
  } note;
  while (offset + sizeof note <= end && file.read(&note, sizeof note, offset)) {
    if (note.name_size == sizeof note.name && __builtin_memcmp(note.name, "Go\0", sizeof note.name) == 0) return true;
    offset += 12 + ((uint64_t{note.name_size} + 3) & ~uint64_t{3}) + ((uint64_t{note.value_size} + 3) & ~uint64_t{3});
  }
  return false;
}

template <class Segment>
long take_segments(const Source& file, uint64_t headers_offset, ElfFacts& out) {
  bool saw_stack = false;
  out.low = ~uint64_t{0};
  for (uint16_t i = 0; i < out.header_count; ++i) {
    Segment segment;
    if (!file.read(&segment, sizeof segment, headers_offset + i * sizeof segment)) return -ENOEXEC;
    if (segment.p_type == PT_INTERP) {
      if (segment.p_filesz < 2 || segment.p_filesz > sizeof out.interpreter) return -ENOEXEC;
      if (!file.read(out.interpreter, segment.p_filesz, segment.p_offset) || out.interpreter[segment.p_filesz - 1] != '\0')
        return -ENOEXEC;
      out.has_interpreter = true;
    } else if (segment.p_type == PT_NOTE) {
      out.is_go = out.is_go || has_go_note(file, segment.p_offset, segment.p_filesz);
    } else if (segment.p_type == PT_GNU_STACK) {
      saw_stack = true;
      out.executable_stack = segment.p_flags & PF_X;
    } else if (segment.p_type == PT_LOAD && segment.p_memsz > 0) {
      if (out.segment_count == kMaxSegments || segment.p_filesz > segment.p_memsz) return -ENOEXEC;
      ElfSegment& kept = out.segments[out.segment_count++];
      kept = {segment.p_vaddr, segment.p_offset, segment.p_filesz, segment.p_memsz, segment.p_flags};
      if (segment.p_vaddr < out.low) out.low = segment.p_vaddr;
      if (segment.p_vaddr + segment.p_memsz > out.high) out.high = segment.p_vaddr + segment.p_memsz;
      if (segment.p_align > out.alignment && segment.p_align <= (1u << 21)) out.alignment = segment.p_align;
      if (headers_offset >= segment.p_offset && headers_offset < segment.p_offset + segment.p_filesz)
        out.headers_address = headers_offset - segment.p_offset + segment.p_vaddr;
    }
  }
  if (!saw_stack && out.machine != kMachineAarch64) out.executable_stack = true;
  return out.segment_count ? 0 : -ENOEXEC;
}

template <class Header, class Segment>
long take(const Source& file, ElfFacts& out) {
  Header header;
  if (file.size < sizeof header) return -ENOEXEC;
  __builtin_memcpy(&header, file.head, sizeof header);
  take_header(header, out);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return -ENOEXEC;
  if (header.e_phentsize != sizeof(Segment) || header.e_phnum == 0 || header.e_phnum > kMaxHeaders) return -ENOEXEC;
  return take_segments<Segment>(file, header.e_phoff, out);
}

}  // namespace

long read_elf(int fd, ElfFacts& out) {
  char head[kElfHead];
  long size = sys::call(__NR_pread64, fd, sys::address(head), sizeof head, 0);
  return size < 0 ? size : parse_elf(fd, head, static_cast<size_t>(size), out);
}

long parse_elf(int fd, const char* head, size_t size, ElfFacts& out) {
  out.is_64 = out.relocatable = out.has_interpreter = out.executable_stack = out.is_go = false;
  out.machine = out.header_count = out.header_size = 0;
  out.entry = out.headers_address = out.low = out.high = 0;
  out.alignment = 4096;
  out.segment_count = 0;
  if (size < 52 || __builtin_memcmp(head, ELFMAG, 4) != 0) return -ENOEXEC;
  if (head[EI_DATA] != ELFDATA2LSB) return -ENOEXEC;
  out.is_64 = head[EI_CLASS] == ELFCLASS64;
  Source file{fd, head, size};
  if (out.is_64) return take<Elf64_Ehdr, Elf64_Phdr>(file, out);
  if (head[EI_CLASS] != ELFCLASS32) return -ENOEXEC;
  return take<Elf32_Ehdr, Elf32_Phdr>(file, out);
}

}  // namespace udocker::guest
