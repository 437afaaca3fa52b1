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

}  // namespace udocker::preload
