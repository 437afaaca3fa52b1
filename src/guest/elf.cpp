#include "guest/elf.hpp"

#include <asm/errno.h>
#include <linux/elf.h>

#include "guest/sys.hpp"

namespace udocker::guest {

namespace {

constexpr uint16_t kMaxHeaders = 64;

long read_at(int fd, void* out, size_t size, uint64_t offset) {
  return sys::call(__NR_pread64, fd, sys::address(out), static_cast<long>(size), static_cast<long>(offset));
}

template <class Header>
void take_header(const Header& header, ElfFacts& out) {
  out.machine = header.e_machine;
  out.relocatable = header.e_type == ET_DYN;
  out.entry = header.e_entry;
  out.header_count = header.e_phnum;
  out.header_size = header.e_phentsize;
}

template <class Segment>
long take_segments(int fd, const Segment* segments, uint64_t headers_offset, ElfFacts& out) {
  bool saw_stack = false;
  out.low = ~uint64_t{0};
  for (uint16_t i = 0; i < out.header_count; ++i) {
    const Segment& segment = segments[i];
    if (segment.p_type == PT_INTERP) {
      if (segment.p_filesz < 2 || segment.p_filesz > sizeof out.interpreter) return -ENOEXEC;
      long size = read_at(fd, out.interpreter, segment.p_filesz, segment.p_offset);
      if (size != static_cast<long>(segment.p_filesz) || out.interpreter[size - 1] != '\0') return -ENOEXEC;
      out.has_interpreter = true;
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
long take(int fd, const char* bytes, ElfFacts& out) {
  Header header;
  __builtin_memcpy(&header, bytes, sizeof header);
  take_header(header, out);
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return -ENOEXEC;
  if (header.e_phentsize != sizeof(Segment) || header.e_phnum == 0 || header.e_phnum > kMaxHeaders) return -ENOEXEC;
  Segment segments[kMaxHeaders];
  size_t size = sizeof(Segment) * header.e_phnum;
  if (read_at(fd, segments, size, header.e_phoff) != static_cast<long>(size)) return -ENOEXEC;
  return take_segments(fd, segments, header.e_phoff, out);
}

}  // namespace

long read_elf(int fd, ElfFacts& out) {
  out.is_64 = out.relocatable = out.has_interpreter = out.executable_stack = false;
  out.machine = out.header_count = out.header_size = 0;
  out.entry = out.headers_address = out.low = out.high = 0;
  out.alignment = 4096;
  out.segment_count = 0;
  char bytes[64];
  long size = read_at(fd, bytes, sizeof bytes, 0);
  if (size < 0) return size;
  if (size < 52 || __builtin_memcmp(bytes, ELFMAG, 4) != 0) return -ENOEXEC;
  if (bytes[EI_DATA] != ELFDATA2LSB) return -ENOEXEC;
  out.is_64 = bytes[EI_CLASS] == ELFCLASS64;
  if (out.is_64) return size < 64 ? -ENOEXEC : take<Elf64_Ehdr, Elf64_Phdr>(fd, bytes, out);
  if (bytes[EI_CLASS] != ELFCLASS32) return -ENOEXEC;
  return take<Elf32_Ehdr, Elf32_Phdr>(fd, bytes, out);
}

}  // namespace udocker::guest
