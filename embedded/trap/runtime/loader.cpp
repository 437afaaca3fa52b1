#include "embedded/trap/runtime/loader.hpp"

#include "embedded/trap/runtime/arch.hpp"
#include "embedded/trap/runtime/sys.hpp"

#include <linux/mman.h>

namespace udocker::trap {
namespace {

constexpr long kNoReplace = 0x100000;

inline uint64_t down(uint64_t value) { return value & ~(page_size - 1); }
inline uint64_t up(uint64_t value) { return down(value + page_size - 1); }

long map(uint64_t at, uint64_t size, long protection, long flags, int fd, uint64_t offset) {
  return call(__NR_mmap, static_cast<long>(at), static_cast<long>(size), protection, flags, fd, static_cast<long>(offset));
}

long protection_of(uint32_t flags) {
  return (flags & 4 ? PROT_READ : 0) | (flags & 2 ? PROT_WRITE : 0) | (flags & 1 ? PROT_EXEC : 0);
}

// An address range of its own for an image aligned beyond pages; negative errno on failure.
long reserve(uint64_t span, uint64_t alignment) {
  constexpr long kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  long made = map(0, span + alignment, PROT_NONE, kFlags, -1, 0);
  if (failed(made)) return made;
  uint64_t begin = static_cast<uint64_t>(made), aligned = (begin + alignment - 1) & ~(alignment - 1);
  if (aligned > begin) call(__NR_munmap, made, static_cast<long>(aligned - begin));
  uint64_t rest = begin + alignment - aligned;
  if (rest) call(__NR_munmap, static_cast<long>(aligned + span), static_cast<long>(rest));
  return static_cast<long>(aligned);
}

// Maps the whole range in the manner of its first segment, the others then go over it. `at` 0: anywhere.
long map_range(int fd, const guest::ElfSegment& first, uint64_t span, uint64_t at) {
  long flags = MAP_PRIVATE | (at ? kNoReplace : 0);
  long made = first.file_size ? map(at, span, protection_of(first.flags), flags, fd, down(first.file_offset))
                              : map(at, span, PROT_NONE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (failed(made) || !at || static_cast<uint64_t>(made) == at) return made;
  call(__NR_munmap, made, static_cast<long>(span));  // before 4.17 the flag is only a hint
  return -EEXIST;
}

// `mapped`: the file's part is there already.
long map_segment(int fd, const guest::ElfSegment& segment, uint64_t bias, bool mapped) {
  uint64_t begin = segment.address + bias, file_end = begin + segment.file_size, end = begin + segment.memory_size;
  long protection = protection_of(segment.flags);
  if (segment.file_size && !mapped) {
    long made = map(down(begin), file_end - down(begin), protection, MAP_PRIVATE | MAP_FIXED, fd,
                    segment.file_offset - (begin - down(begin)));
    if (failed(made)) return made;
  }
  if (end <= file_end) return 0;
  if (segment.file_size && (segment.flags & 2)) {
    auto* tail = reinterpret_cast<char*>(file_end);
    __builtin_memset(tail, 0, up(file_end) - file_end);  // the whole page: loaders allocate behind their own end
  }
  uint64_t rest = segment.file_size ? up(file_end) : down(begin);
  if (rest >= up(end)) return 0;
  long made = map(rest, up(end) - rest, protection, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
  return failed(made) ? made : 0;
}

}  // namespace

long map_image(int fd, Where where, uint64_t random, Image& image) {
  const guest::ElfFacts& facts = image.facts;
  uint64_t low = down(facts.low), span = up(facts.high) - low;
  const guest::ElfSegment& first = facts.segments[0];
  bool in_order = down(first.address) == low;
  long at;
  if (!facts.relocatable) {
    at = in_order ? map_range(fd, first, span, low) : map_range(fd, {}, span, low);
  } else {
    uint64_t alignment = facts.alignment > page_size ? facts.alignment : page_size;
    uint64_t place = (kProgramArea + random * page_size + alignment - 1) & ~(alignment - 1);
    at = where == Where::program_area ? map_range(fd, in_order ? first : guest::ElfSegment{}, span, place) : -EEXIST;
    if (failed(at) && alignment > page_size) {
      at = reserve(span, alignment);
      in_order = false;
    } else if (failed(at)) {
      at = map_range(fd, in_order ? first : guest::ElfSegment{}, span, 0);
    }
  }
  if (failed(at)) return at;
  image.bias = static_cast<uint64_t>(at) - low;
  image.end = up(facts.high) + image.bias;
  for (uint32_t i = 0; i < facts.segment_count; ++i)
    if (long result = map_segment(fd, facts.segments[i], image.bias, in_order && i == 0)) return result;
  // Holes between segments belong to nobody, as after the kernel's loader.
  for (uint32_t i = 0; i + 1 < facts.segment_count; ++i) {
    uint64_t end = up(facts.segments[i].address + facts.segments[i].memory_size) + image.bias;
    uint64_t next = down(facts.segments[i + 1].address) + image.bias;
    if (next > end) call(__NR_munmap, static_cast<long>(end), static_cast<long>(next - end));
  }
  return 0;
}

}  // namespace udocker::trap
