// Building blocks of the wrappers.
#pragma once
#include "state.hpp"

namespace udocker::preload {

// A path argument mapped for a function that follows a last link (Follow::yes) or not. `m.path` goes to the function.
#define MAP_OR(dir_, path_, follow_, guess_, on_error)                                               \
  Mapped m;                                                                                          \
  if (const long mapped_error = map_path(static_cast<int>(dir_), pointer<const char*>(path_), follow_, guess_, m); \
      mapped_error < 0)                                                                              \
  on_error
#define MAP(path_, follow_) MAP_OR(sys::kAtCwd, path_, follow_, Guess::no, { return fail(mapped_error); })
#define MAP_NULL(path_, follow_)                   \
  MAP_OR(sys::kAtCwd, path_, follow_, Guess::no, { \
    set_errno(static_cast<int>(-mapped_error));    \
    return 0;                                      \
  })

// A function with one path, the argument numbered `at`, relative to the working directory.
#define PATH_FUNCTION(name, at, follow, error)                                          \
  EXPORT long name(long a, long b, long c, long d, long e, long f) {                    \
    long arg[6] = {a, b, c, d, e, f};                                                   \
    MAP_OR(sys::kAtCwd, arg[at], follow, Guess::no, {                                   \
      set_errno(static_cast<int>(-mapped_error));                                       \
      return error;                                                                     \
    })                                                                                  \
    arg[at] = word(for_libc(m));                                                             \
    return NEXT(#name)(arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);                 \
  }

// A function that is one system call.
#define CALL_FUNCTION(name, number, ...)                                     \
  EXPORT long name([[maybe_unused]] long a, [[maybe_unused]] long b, [[maybe_unused]] long c, \
                   [[maybe_unused]] long d, [[maybe_unused]] long e) {       \
    return c_result(emulate(number, __VA_ARGS__));                           \
  }

}  // namespace udocker::preload
