// Finds the functions behind ours: a walk over the loader's list of objects and their hash tables, because dlsym needs
// a library of its own before glibc 2.34 and would be one more function to wrap.
#include <elf.h>
#include <link.h>

#include "abi.hpp"

// Declared by <link.h> on glibc only; weak, so that the other libc does not miss them.
extern struct r_debug _r_debug __attribute__((weak));
extern struct r_debug* _dl_debug_addr __attribute__((weak));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((weak, visibility("hidden")));
extern "C" {
void* malloc(size_t) __attribute__((weak));
void free(void*) __attribute__((weak));
}

namespace udocker::preload {

namespace {

struct Object {
  uintptr_t base;
  const uint32_t* gnu_hash;
  const uint32_t* sysv_hash;
  const ElfW(Sym)* symbols;
  const char* strings;
  const uint16_t* versions;
};

constexpr int kMaxObjects = 128;
Object objects[kMaxObjects];
int object_count;
int first_behind;  // objects from here on come after ours
int ready;

// The dynamic table's addresses are relocated by glibc on most machines, never by musl, never for the vDSO.
template <class T>
const T* relocated(uintptr_t base, uintptr_t value) {
  return reinterpret_cast<const T*>(value < base ? value + base : value);
}

void add_object(const link_map* map) {
  Object object{map->l_addr, nullptr, nullptr, nullptr, nullptr, nullptr};
  for (const ElfW(Dyn)* d = map->l_ld; d->d_tag != DT_NULL; ++d) {
    const uintptr_t value = d->d_un.d_ptr;
    switch (d->d_tag) {
      case DT_GNU_HASH: object.gnu_hash = relocated<uint32_t>(object.base, value); break;
      case DT_HASH: object.sysv_hash = relocated<uint32_t>(object.base, value); break;
      case DT_SYMTAB: object.symbols = relocated<ElfW(Sym)>(object.base, value); break;
      case DT_STRTAB: object.strings = relocated<char>(object.base, value); break;
      case DT_VERSYM: object.versions = relocated<uint16_t>(object.base, value); break;
    }
  }
  if (object.symbols && object.strings && (object.gnu_hash || object.sysv_hash)) objects[object_count++] = object;
}

bool is_vdso(const char* name) {
  constexpr Text kStart = "linux-";
  return name && text_of(name).starts_with(kStart) && !has_slash(name);
}

void load_objects() {
  const r_debug* debug = &_r_debug ? &_r_debug : (&_dl_debug_addr ? _dl_debug_addr : nullptr);
  if (!debug || !debug->r_map) return;
  int count = 0;
  bool behind = false;
  first_behind = 0;
  object_count = 0;
  for (const link_map* map = debug->r_map; map && count < kMaxObjects; map = map->l_next, ++count) {
    if (map->l_ld == _DYNAMIC) {
      behind = true;
      first_behind = object_count;
    } else if (map->l_ld && !is_vdso(map->l_name) && (behind || map != debug->r_map)) {
      add_object(map);
    }
  }
  __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

uint32_t gnu_hash(const char* name) {
  uint32_t h = 5381;
  for (; *name; ++name) h = h * 33 + static_cast<unsigned char>(*name);
  return h;
}

uint32_t sysv_hash(const char* name) {
  uint32_t h = 0;
  for (; *name; ++name) {
    h = (h << 4) + static_cast<unsigned char>(*name);
    const uint32_t high = h & 0xf0000000;
    h = (h ^ high >> 24) & ~high;
  }
  return h;
}

// The default version: not one kept for old programs.
bool fits(const Object& object, uint32_t index, const char* name) {
  const ElfW(Sym)& symbol = object.symbols[index];
  if (symbol.st_shndx == SHN_UNDEF) return false;
  if (object.versions && (object.versions[index] & 0x8000)) return false;
  return same(object.strings + symbol.st_name, name);
}

const ElfW(Sym)* find_in(const Object& object, const char* name) {
  if (object.gnu_hash) {
    const uint32_t buckets = object.gnu_hash[0], first = object.gnu_hash[1], words = object.gnu_hash[2];
    const uint32_t shift = object.gnu_hash[3];
    const auto* bloom = reinterpret_cast<const uintptr_t*>(object.gnu_hash + 4);
    const auto* bucket = reinterpret_cast<const uint32_t*>(bloom + words);
    const uint32_t* chain = bucket + buckets;
    constexpr uint32_t kBits = sizeof(uintptr_t) * 8;
    const uint32_t hash = gnu_hash(name);
    if (!buckets || !words) return nullptr;
    const uintptr_t filter = bloom[hash / kBits % words];
    if (!(filter >> (hash % kBits) & filter >> ((hash >> shift) % kBits) & 1)) return nullptr;
    uint32_t index = bucket[hash % buckets];
    if (index < first) return nullptr;
    for (;; ++index) {
      const uint32_t there = chain[index - first];
      if ((there | 1) == (hash | 1) && fits(object, index, name)) return &object.symbols[index];
      if (there & 1) return nullptr;
    }
  }
  const uint32_t buckets = object.sysv_hash[0];
  if (!buckets) return nullptr;
  const uint32_t* bucket = object.sysv_hash + 2;
  const uint32_t* chain = bucket + buckets;
  for (uint32_t index = bucket[sysv_hash(name) % buckets]; index; index = chain[index])
    if (fits(object, index, name)) return &object.symbols[index];
  return nullptr;
}

long no_function(long, long, long, long, long, long) { return fail(ENOSYS); }

}  // namespace

void* find_next(const char* name) {
  if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) load_objects();
  for (int i = first_behind; i < object_count; ++i) {
    const ElfW(Sym)* symbol = find_in(objects[i], name);
    if (!symbol) continue;
    const uintptr_t address = objects[i].base + symbol->st_value;
    if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC) return reinterpret_cast<void* (*)()>(address)();
    return reinterpret_cast<void*>(address);
  }
  return nullptr;
}

Function next_function(const char* name) {
  if (void* found = find_next(name)) return reinterpret_cast<Function>(found);
  // musl of today keeps the names with 64 for old programs only inside its loader.
  char plain[64];
  const size_t size = text_size(name);
  if (size > 2 && size < sizeof plain && name[size - 1] == '4' && name[size - 2] == '6') {
    copy(plain, name, size - 2);
    plain[size - 2] = '\0';
    if (void* found = find_next(plain)) return reinterpret_cast<Function>(found);
  }
  return no_function;
}

int* errno_place() {
  static int* (*location)();
  static int spare;
  int* (*f)() = __atomic_load_n(&location, __ATOMIC_RELAXED);
  if (!f) {
    f = reinterpret_cast<int* (*)()>(find_next("__errno_location"));
    if (!f) return &spare;
    __atomic_store_n(&location, f, __ATOMIC_RELAXED);
  }
  return f();
}

void* allocate(size_t size) { return malloc ? malloc(size) : nullptr; }
void release(void* memory) {
  if (free) free(memory);
}

}  // namespace udocker::preload
