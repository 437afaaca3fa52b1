// system, popen and pclose: their libc bodies would start the host's shell.
#include "exec.hpp"
#include "wrap.hpp"

namespace udocker::preload {

namespace {

constexpr int kSigInt = 2, kSigQuit = 3, kSigChild = 17;

struct KernelAction {
  long handler;
  unsigned long flags;
  long restorer;
  uint64_t mask;
};

long set_action(int signal, const KernelAction* now, KernelAction* before) {
  return sys::call(__NR_rt_sigaction, signal, word(now), word(before), 8);
}
long set_mask(int how, const uint64_t* now, uint64_t* before) {
  return sys::call(__NR_rt_sigprocmask, how, word(now), word(before), 8);
}

long fork_process() { return sys::call(__NR_clone, kSigChild); }

[[noreturn]] void run_shell(const char* command) {
  char* argv[] = {const_cast<char*>("sh"), const_cast<char*>("-c"), const_cast<char*>("--"), const_cast<char*>(command), nullptr};
  // A command that begins with a dash needs the "--"; older shells do not know it.
  if (command[0] != '-' && command[0] != '+') {
    argv[2] = argv[3];
    argv[3] = nullptr;
  }
  exec_file(sys::kAtCwd, "/bin/sh", argv, own_environment(), 0);
  for (;;) sys::call(__NR_exit_group, 127);
}

struct Stream {
  long file;
  long pid;
};
constexpr int kMaxStreams = 256;
Stream streams[kMaxStreams];

long wait_for(long pid) {
  int status = -1;
  long result;
  do result = sys::call(__NR_wait4, pid, word(&status), 0, 0);
  while (result == -EINTR);
  return result < 0 ? fail(result) : status;
}

}  // namespace

EXPORT long system(const char* command) {
  if (!active()) return NEXT("system")(word(command), 0, 0, 0, 0, 0);
  if (!command) return emulate(__NR_faccessat, sys::kAtCwd, word("/bin/sh"), 1) == 0;
  const KernelAction ignore{1, 0, 0, 0};
  KernelAction old_int, old_quit;
  const uint64_t child_bit = uint64_t{1} << (kSigChild - 1);
  uint64_t old_mask;
  set_action(kSigInt, &ignore, &old_int);
  set_action(kSigQuit, &ignore, &old_quit);
  set_mask(0, &child_bit, &old_mask);
  const auto restore = [&] {
    set_action(kSigInt, &old_int, nullptr);
    set_action(kSigQuit, &old_quit, nullptr);
    set_mask(2, &old_mask, nullptr);
  };
  const long pid = fork_process();
  if (pid == 0) {
    restore();
    run_shell(command);
  }
  const long status = pid < 0 ? fail(pid) : wait_for(pid);
  restore();
  return status;
}

EXPORT long popen(const char* command, const char* mode) {
  if (!active()) return NEXT("popen")(word(command), word(mode), 0, 0, 0, 0);
  const bool reads = mode[0] == 'r';
  bool close_on_exec = false;
  for (const char* at = mode; *at; ++at) close_on_exec = close_on_exec || *at == 'e';
  if (!reads && mode[0] != 'w') {
    set_errno(EINVAL);
    return 0;
  }
  int ends[2];
  long result = sys::call(__NR_pipe2, word(ends), kCloseOnExec);
  if (result < 0) return fail(result), 0;
  const int ours = reads ? ends[0] : ends[1], theirs = reads ? ends[1] : ends[0], target = reads ? 1 : 0;
  int slot = 0;
  while (slot < kMaxStreams) {
    long free = 0;
    if (__atomic_compare_exchange_n(&streams[slot].file, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) break;
    ++slot;
  }
  long file = 0;
  if (slot < kMaxStreams) file = NEXT("fdopen")(ours, word(reads ? "r" : "w"), 0, 0, 0, 0);
  const long pid = file ? fork_process() : -EMFILE;
  if (pid == 0) {
    for (const Stream& other : streams)
      if (other.file > 1) sys::close(static_cast<int>(NEXT("fileno")(other.file, 0, 0, 0, 0, 0)));
    if (theirs == target) sys::call(__NR_fcntl, theirs, 2, 0);
    else sys::call(__NR_dup3, theirs, target, 0);
    run_shell(command);
  }
  sys::close(theirs);
  if (pid < 0) {
    if (file) NEXT("fclose")(file, 0, 0, 0, 0, 0);
    else sys::close(ours);
    if (slot < kMaxStreams) __atomic_store_n(&streams[slot].file, 0, __ATOMIC_RELEASE);
    return fail(pid), 0;
  }
  if (!close_on_exec) sys::call(__NR_fcntl, ours, 2, 0);
  streams[slot].pid = pid;
  __atomic_store_n(&streams[slot].file, file, __ATOMIC_RELEASE);
  return file;
}

EXPORT long pclose(long file) {
  for (Stream& stream : streams) {
    if (stream.file != file) continue;
    const long pid = stream.pid;
    NEXT("fclose")(file, 0, 0, 0, 0, 0);
    __atomic_store_n(&stream.file, 0, __ATOMIC_RELEASE);
    return wait_for(pid);
  }
  return NEXT("pclose")(file, 0, 0, 0, 0, 0);
}

namespace {

struct Words {
  size_t count;
  char** list;
  size_t offset;
};
constexpr long kOffset = 1, kAppend = 2, kNoCommands = 4, kReuse = 8, kShowErrors = 16;
constexpr long kNoSpace = 1, kBadCharacter = 2, kCommandRefused = 4, kSyntax = 5;

bool substitutes(const char* text) {
  bool quoted = false;
  for (; *text; ++text) {
    if (*text == '\\' && text[1]) ++text;
    else if (*text == '\'') quoted = !quoted;
    else if (!quoted && (*text == '`' || (text[0] == '$' && text[1] == '(' && text[2] != '('))) return true;
  }
  return false;
}

// Characters that mean something else to a shell than to wordexp, outside of quotes and parentheses.
bool bad_characters(const char* text) {
  int depth = 0;
  bool single = false, twice = false;
  for (; *text; ++text) {
    if (*text == '\\' && !single && text[1]) {
      ++text;
    } else if (*text == '\'' && !twice) {
      single = !single;
    } else if (*text == '"' && !single) {
      twice = !twice;
    } else if (!single && !twice) {
      if (*text == '(' || (*text == '{' && depth)) ++depth;
      else if (*text == ')' && depth) --depth;
      else if (!depth && (*text == '\n' || *text == '|' || *text == '&' || *text == ';' || *text == '<' || *text == '>' ||
                          *text == '(' || *text == ')'))
        return true;
    }
  }
  return false;
}

// The guest's shell expands the words and prints each with a zero behind it.
long expand(const char* text, Words* out, long flags) {
  if (flags & kReuse) NEXT("wordfree")(word(out), 0, 0, 0, 0, 0);
  if (bad_characters(text)) return kBadCharacter;
  int ends[2];
  if (sys::call(__NR_pipe2, word(ends), kCloseOnExec) < 0) return kNoSpace;
  char* argv[] = {const_cast<char*>("sh"), const_cast<char*>("-c"),
                  const_cast<char*>("eval \"printf '%s\\\\0' x $1\""), const_cast<char*>("sh"), const_cast<char*>(text), nullptr};
  const long pid = fork_process();
  if (pid == 0) {
    sys::call(__NR_dup3, ends[1], 1, 0);
    if (!(flags & kShowErrors)) {
      const long null = sys::open("/dev/null", 1);
      if (null >= 0) sys::call(__NR_dup3, null, 2, 0);
    }
    exec_file(sys::kAtCwd, "/bin/sh", argv, own_environment(), 0);
    for (;;) sys::call(__NR_exit_group, 127);
  }
  sys::close(ends[1]);
  size_t size = 0, capacity = 4096;
  char* all = pid < 0 ? nullptr : static_cast<char*>(allocate(capacity));
  while (all) {
    const long got = sys::call(__NR_read, ends[0], word(all + size), static_cast<long>(capacity - size));
    if (got <= 0) break;
    size += static_cast<size_t>(got);
    if (size < capacity) continue;
    char* more = static_cast<char*>(allocate(capacity * 2));
    if (more) copy(more, all, size);
    release(all);
    all = more;
    capacity *= 2;
  }
  sys::close(ends[0]);
  const long status = pid < 0 ? -1 : wait_for(pid);
  size_t found = 0;
  for (size_t i = 0; i < size; ++i) found += !all[i];
  if (!all || status != 0 || !found) {
    release(all);
    return all ? kSyntax : kNoSpace;
  }
  const size_t offset = flags & kOffset ? out->offset : 0, had = flags & kAppend ? out->count : 0;
  char** list = static_cast<char**>(allocate((offset + had + found) * sizeof(char*)));
  size_t used = offset;
  if (list) {
    for (size_t i = 0; i < offset; ++i) list[i] = nullptr;
    for (size_t i = 0; i < had; ++i) list[used++] = out->list[offset + i];
    const char* at = all;
    for (at += text_size(at) + 1; at < all + size; at += text_size(at) + 1) {
      char* kept = static_cast<char*>(allocate(text_size(at) + 1));
      if (kept) copy(kept, at, text_size(at) + 1);
      list[used++] = kept;
    }
    list[used] = nullptr;
    if (flags & kAppend) release(out->list);
    out->list = list;
    out->count = used - offset;
    if (!(flags & kOffset)) out->offset = 0;
  }
  release(all);
  return list ? 0 : kNoSpace;
}

}  // namespace

// A libc that runs commands itself would start the host's shell; musl's leaves all to the shell.
EXPORT long wordexp(const char* text, Words* out, long flags) {
  if (!active()) return NEXT("wordexp")(word(text), word(out), flags, 0, 0, 0);
  const bool commands = substitutes(text);
  if (commands && (flags & kNoCommands)) return kCommandRefused;
  if (commands || !find_next("gnu_get_libc_version")) return expand(text, out, flags);
  return NEXT("wordexp")(word(text), word(out), flags | kNoCommands, 0, 0, 0);
}

}  // namespace udocker::preload
