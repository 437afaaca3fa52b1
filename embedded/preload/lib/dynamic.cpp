// dlopen and the functions that tell names of loaded objects.
#include "wrap.hpp"

namespace udocker::preload {

namespace {

// The name as the guest knows it: the rest of the loader's own text where it lies under ROOT.
const char* shown(const char* name) {
  if (!name || name[0] != '/') return name;
  if (starts(name, kMark)) {
    name += sizeof kMark - 1;
    char text[guest::kPathMax];
    const size_t size = text_size(name) + 1;
    if (size > sizeof text) return name;
    copy(text, name, size);
    return narrow(text, sizeof text) ? keep_text(text_of(text)) : name;
  }
  if (const char* below = below_root(name)) {
    while (below[0] == '/' && below[1] == '/') ++below;
    return below;
  }
  return name;
}

struct Info {
  long address;
  const char* name;
};

struct Visitor {
  int (*visit)(Info*, size_t, void*);
  void* data;
};

int visit_shown(Info* info, size_t size, void* data) {
  const auto* visitor = static_cast<const Visitor*>(data);
  // A copy: the libc may keep its own.
  alignas(16) char copied[256];
  if (size > sizeof copied) return visitor->visit(info, size, visitor->data);
  copy(copied, reinterpret_cast<const char*>(info), size);
  auto* changed = reinterpret_cast<Info*>(copied);
  changed->name = shown(info->name);
  return visitor->visit(changed, size, visitor->data);
}

}  // namespace

// Called by the entry points in dynamic_entry.S, which jump to the libc's function afterwards: that one looks at its
// caller for the search path.
extern "C" __attribute__((visibility("hidden"))) const char* udocker_preload_dl_name(const char* name) {
  if (!name || !has_slash(name) || !active() || state.loader_hooked) return name;
  Mapped m;
  if (map_path(sys::kAtCwd, name, Follow::yes, Guess::no, m) < 0 || m.path == name) return name;
  return keep_text(text_of(for_libc(m)));
}
extern "C" __attribute__((visibility("hidden"))) Function udocker_preload_next_dlopen() { return NEXT("dlopen"); }

// Another namespace has a libc of its own, without our object.
EXPORT long dlmopen(long space, const char* name, long mode) {
  const long handle = NEXT("dlmopen")(space, word(udocker_preload_dl_name(name)), mode, 0, 0, 0);
  if (handle && space) hook_namespace(pointer<const void*>(handle));
  return handle;
}

EXPORT long dladdr(long address, Info* info) {
  struct Answer {
    const char* file;
  };
  const long result = NEXT("dladdr")(address, word(info), 0, 0, 0, 0);
  if (static_cast<int>(result)) reinterpret_cast<Answer*>(info)->file = shown(reinterpret_cast<Answer*>(info)->file);
  return result;
}
EXPORT long dladdr1(long address, Info* info, long extra, long flags) {
  const long result = NEXT("dladdr1")(address, word(info), extra, flags, 0, 0);
  if (static_cast<int>(result)) *reinterpret_cast<const char**>(info) = shown(*reinterpret_cast<const char**>(info));
  return result;
}
EXPORT long dl_iterate_phdr(long visit, long data) {
  if (!active()) return NEXT("dl_iterate_phdr")(visit, data, 0, 0, 0, 0);
  Visitor visitor{pointer<int (*)(Info*, size_t, void*)>(visit), pointer<void*>(data)};
  return NEXT("dl_iterate_phdr")(word(&visit_shown), word(&visitor), 0, 0, 0, 0);
}
EXPORT long getauxval(long type) {
  constexpr long kExecName = 31;
  if (type == kExecName && active() && state.program[0]) return word(state.program);
  return NEXT("getauxval")(type, 0, 0, 0, 0, 0);
}
EXPORT long __getauxval(long type) { return getauxval(type); }

}  // namespace udocker::preload
