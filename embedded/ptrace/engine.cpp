#include "embedded/ptrace/engine.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embedded/ptrace/exec.hpp"
#include "embedded/ptrace/notify.hpp"
#include "embedded/ptrace/placement.hpp"
#include "embedded/ptrace/stub.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker::ptrace {

namespace {

constexpr int kEventStop = 128;  // PTRACE_EVENT_STOP
constexpr int kSyscallStop = SIGTRAP | 0x80;
constexpr std::size_t kExtraKept = 64, kNamesKept = 256;
constexpr int kResultArgument = guest::kNativeAbi == guest::Abi::aarch64 ? 0 : -1;  // shares its register with the result

// Whether a call of the set*id family asks for anything but 0.
bool takes_ids(const guest::Row& row, const guest::Call& call) {
  const int counts[] = {1, 1, 2, 2, 3, 3, 0, 0};
  for (int i = 0; i < counts[row.detail]; ++i)
    if (auto id = static_cast<uint32_t>(call.arg[i]); id != 0 && id != guest::kSameId) return true;
  return false;
}

bool is_stop_signal(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

std::string read_small_file(const std::string& path) {
  char text[2048];
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? 0 : ::read(fd, text, sizeof text);
  if (fd >= 0) ::close(fd);
  return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
}

long request(int what, pid_t tid, unsigned long data = 0) { return trace(what, tid, 0L, data); }

}  // namespace

Engine::Engine(const guest::View& view, EngineOptions options)
    : view_(view), options_(std::move(options)), shared_(map_zeroed<guest::Shared>()), task_(make_zeroed<guest::Task>()) {
  filter_.view = &view_;
  filter_.stop = SECCOMP_RET_TRACE;
  filter_.allow_from = kStubAddress;
  filter_.allow_to = kStubAddress + kStubSize;
  filter_.narrow_from = kNarrowStubAddress;
  filter_.narrow_to = kNarrowStubAddress + kStubSize;
  placement_ = std::make_unique<Placement>(options_.place_tracees);
  filter_.engine_rows = true;
  filter_.senders = !options_.seccomp;
  filter_.zero_ids = options_.seccomp && filters_are_known();
  if (options_.seccomp && options_.listen && listener_supported()) {
    filter_.notify = SECCOMP_RET_USER_NOTIF;
    notifier_ = std::make_unique<Notifier>(*this);
  }
  task_->place.view = &view_;
  task_->place.shared = shared_.get();
  root_.reset(::open(view_.root().data, O_PATH | O_DIRECTORY | O_CLOEXEC));
  task_->place.root_fd = root_.get();
  task_->place.context = this;
  task_->place.program_of = program_of;
  task_->place.auxv_of = auxv_of;
  task_->listing_ended = listing_ended;
  task_->identity_of = identity_of;
  task_->memory = &memory_;
  task_->engine_pid = ::getpid();
  if (view_.owners_size) {
    long result = owners_.open(view_.at(view_.owners, view_.owners_size).data, options_.trust_owners ? nullptr : view_.root().data,
                               guest::Owners::Mode::read_write);
    if (result < 0)
      log::warning(cat("owners of files are not remembered: ", view_.at(view_.owners, view_.owners_size).data, ": ",
                       std::strerror(static_cast<int>(-result))));
    else
      task_->owners = &owners_;
  }
  for (bool narrow : {false, true}) {
    if (narrow && guest::kNativeAbi != guest::Abi::x86_64) break;
    auto image = stub_image(narrow);
    int& fd = stub_fds_[narrow];
    fd = ::memfd_create("loader", MFD_CLOEXEC);
    if (fd < 0 || ::write(fd, image.data(), image.size()) != static_cast<ssize_t>(image.size()))
      throw_errno("keep the loader in memory", "memfd");
    stub_paths_[narrow] = cat("/proc/", ::getpid(), "/fd/", fd);
  }
  // Tracees reach the loader and other descriptors of ours through /proc.
  ::prctl(PR_SET_DUMPABLE, 1);
}

Engine::~Engine() {
  for (const Kept& kept : kept_)
    for (int fd : kept.descriptors) ::close(fd);
  for (int fd : stub_fds_)
    if (fd >= 0) ::close(fd);
}

bool Engine::program_of(void* context, int pid, guest::GuestPath& out) {
  auto& engine = *static_cast<Engine*>(context);
  auto found = engine.tracees_.find(pid);
  if (found == engine.tracees_.end() || !found->second->space || found->second->space->program.empty()) return false;
  const std::string& program = found->second->space->program;
  out.assign({program.data(), program.size()});
  return true;
}

long Engine::auxv_of(void* context, int pid, char* out, size_t capacity) {
  auto& engine = *static_cast<Engine*>(context);
  auto found = engine.tracees_.find(pid);
  if (found == engine.tracees_.end() || !found->second->space || found->second->space->auxv == 0) return 0;
  const Space& space = *found->second->space;
  TraceeMemory memory;
  memory.attach(pid, 0, 0);
  return space.auxv_size <= capacity && memory.read(space.auxv, out, space.auxv_size) == 0 ? static_cast<long>(space.auxv_size) : 0;
}

bool Engine::listing_ended(void* context, int descriptor) {
  auto& engine = *static_cast<Engine*>(context);
  auto& given = engine.listed_[engine.task_->place.pid];
  auto found = std::find(given.begin(), given.end(), descriptor);
  if (found != given.end()) {
    given.erase(found);
    return true;
  }
  given.push_back(descriptor);
  return false;
}

bool Engine::identity_of(void* context, int pid, guest::Identity& out) {
  auto& engine = *static_cast<Engine*>(context);
  auto found = engine.tracees_.find(pid);
  if (found == engine.tracees_.end()) return false;
  out = found->second->identity;
  return true;
}

Tracee& Engine::find_or_add(pid_t tid) {
  if (last_ && last_->tid == tid) return *last_;
  auto& slot = tracees_[tid];
  if (!slot) slot = std::make_unique<Tracee>(tid);
  last_ = slot.get();
  return *slot;
}

void Engine::resume(Tracee& tracee, int signal) {
  bool stop_at_calls = !options_.seccomp || tracee.in_call;
  int how = stop_at_calls ? PTRACE_SYSCALL : PTRACE_CONT;
  if (const TracedState* traced = tracee.traced.get()) {
    if (traced->mode == TracedState::Mode::calls || traced->stepping_call) how = PTRACE_SYSCALL;
    else if (traced->mode == TracedState::Mode::step && !tracee.in_call) how = PTRACE_SINGLESTEP;
    if (traced->interrupted) request(PTRACE_INTERRUPT, tracee.tid);  // a stop that its tracer has not seen used it up
  }
  request(how, tracee.tid, static_cast<unsigned long>(signal));
}

int Engine::run() {
  start();
  loop();
  check_start();
  return status_;
}

void Engine::loop() {
  while (!tracees_.empty()) {
    int status;
    rusage usage{};
    pid_t tid = ::wait4(-1, &status, __WALL, guest_tracing_.active() ? &usage : nullptr);
    if (tid < 0) {
      if (errno == EINTR) {
        std::lock_guard lock(mutex_);
        placement_->on_tick(*this);
        continue;
      }
      break;
    }
    std::lock_guard lock(mutex_);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      on_gone(tid, status);
      if (main_gone_ && options_.kill_on_exit) break;
      continue;
    }
    on_stop(find_or_add(tid), status, usage);
  }
  for (auto& [tid, tracee] : tracees_) ::kill(tid, SIGKILL);
}

void Engine::on_gone(pid_t tid, int status) {
  if (tid == main_) {
    main_gone_ = true;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  if (auto found = tracees_.find(tid); found != tracees_.end()) {
    adopt_orphans(*found->second);
    if (guest_tracing_.active()) guest_tracing_.on_gone(*found->second, status);
  }
  if (last_ && last_->tid == tid) last_ = nullptr;
  tracees_.erase(tid);
  listed_.erase(tid);
}

// A thread that is killed at its fork event never reports the child, which waits for that. `last` is the only thread
// left of its process, or was.
void Engine::adopt_orphans(const Tracee& last) {
  if (!last.place || !last.space) return;
  for (auto& [tid, thread] : tracees_)
    if (thread->tgid == last.tgid && tid != last.tid) return;
  for (auto& [tid, child] : tracees_) {
    if (!child->waiting || child->inherited) continue;
    std::string status = read_small_file(cat("/proc/", tid, "/status"));
    auto at = status.find("\nPPid:\t");
    pid_t parent = at == std::string::npos ? 0 : static_cast<pid_t>(std::strtol(status.c_str() + at + 7, nullptr, 10));
    if (parent != last.tgid && tracees_.contains(parent)) continue;
    inherit(*child, last, 0);
    child->waiting = false;
    resume(*child);
  }
}

void Engine::on_stop(Tracee& tracee, int status, const rusage& usage) {
  int signal = WSTOPSIG(status), event = status >> 16;
  tracee.group_stopped = false;
  if (tracee.wait_state == WaitState::running) tracee.wait_state = WaitState::none;
  if (tracee.own_open && status >> 8 == SIGSTOP && on_open_stop(tracee)) return;
  if (std::exchange(tracee.opening, false) && status >> 8 == kSyscallStop) return on_open_entry(tracee);
  if (tracee.own_ids && status >> 8 == SIGSYS && on_id_stop(tracee)) return;
  if (tracee.kicked || guest_tracing_.active()) {
    if (guest_tracing_.on_stop(tracee, status, usage)) return;
  }
  if (event == PTRACE_EVENT_SECCOMP) {
    placement_->on_call(tracee);
    return on_entry(tracee);
  }
  if (signal == kSyscallStop) return tracee.in_call ? on_exit(tracee) : on_entry(tracee);
  if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE)
    return on_new_child(tracee, event);
  if (event == PTRACE_EVENT_EXEC) return on_exec(tracee);
  if (event == kEventStop) {
    if (!tracee.inherited) {
      tracee.waiting = true;  // its parent's event comes later and resumes it
      return;
    }
    if (is_stop_signal(signal)) {
      request(PTRACE_LISTEN, tracee.tid);
      tracee.group_stopped = true;
      return;
    }
    return resume(tracee);
  }
  if (event != 0) return resume(tracee);
  on_signal_stop(tracee, signal);
}

// A handler's frame may lie over our copies: what is interrupted gets its own arguments back before, as the frame keeps
// them for starting the call again.
void Engine::on_signal_stop(Tracee& tracee, int signal) {
  Registers registers;
  const Tracee::Changed& changed = tracee.changed;
  if (options_.seccomp && changed.number >= 0 && registers.load(tracee.tid)) {
    bool compat = registers.compat();
    long result = registers.result();
    // The listener's calls may be interrupted too, before it has seen them: those have arguments of their own.
    bool same = registers.number() == changed.number && result <= -kStartAgain && result >= -kStartAgain - 4;
    for (int i = 0; i < 6 && same; ++i) same = i == kResultArgument || registers.argument(i, compat) == changed.now[i];
    if (same) {
      for (int i = 0; i < 6; ++i) registers.set_argument(i, changed.before[i], compat);
      registers.set_number(changed.number_before);
      registers.set_result(result);
      registers.store(tracee.tid);
    }
  }
  resume(tracee, signal);
}

void Engine::inherit(Tracee& child, const Tracee& parent, uint64_t flags) {
  child.tgid = flags & CLONE_THREAD ? parent.tgid : child.tid;
  child.space = flags & CLONE_VM ? parent.space : std::make_shared<Space>(*parent.space);
  if (!(flags & CLONE_VM)) child.space->scratch_used = 0;
  child.place = flags & CLONE_FS ? parent.place : std::make_shared<Place>();
  if (!(flags & CLONE_FS)) child.place->root.assign(parent.place->root.text());
  child.identity = parent.identity;
  child.own_ids = parent.own_ids;
  child.shows_senders = parent.shows_senders;
  child.parent = flags & (CLONE_THREAD | CLONE_PARENT) ? parent.parent : parent.tgid;
  child.pinned = parent.pinned;
  child.own_mask = parent.own_mask;
  child.gap = parent.gap;
  child.inherited = true;
}

void Engine::on_new_child(Tracee& parent, int event) {
  unsigned long id = 0;
  trace(PTRACE_GETEVENTMSG, parent.tid, 0, &id);
  uint64_t flags = event == PTRACE_EVENT_VFORK ? CLONE_VM : 0;
  Registers registers;
  if (registers.load(parent.tid)) {
    long clone_number = registers.compat() ? 120 : SYS_clone;
    if (registers.number() == clone_number) flags = registers.argument(0, registers.compat());
  }
  auto tid = static_cast<pid_t>(id);
  Tracee* parent_now = &parent;
  Tracee& child = find_or_add(tid);
  inherit(child, *parent_now, flags);
  bool arrived = child.waiting;
  child.waiting = false;
  guest_tracing_.on_child(*parent_now, child, event, arrived);
}

void Engine::on_exec(Tracee& tracee) {
  unsigned long former = 0;
  trace(PTRACE_GETEVENTMSG, tracee.tid, 0, &former);
  if (static_cast<pid_t>(former) != tracee.tid && former != 0) {
    // A thread has become the process's leader: what we knew of it counts now.
    auto old = tracees_.find(static_cast<pid_t>(former));
    if (old != tracees_.end()) {
      tracee.exec = std::move(old->second->exec);
      tracee.identity = old->second->identity;
      tracee.own_ids = old->second->own_ids;
      tracee.shows_senders = old->second->shows_senders;
      tracee.place = old->second->place;
      tracee.in_call = old->second->in_call;
      if (last_ == old->second.get()) last_ = nullptr;
      tracees_.erase(old);
    }
  }
  tracee.tgid = tracee.tid;
  tracee.slot = -1;
  tracee.space = std::make_shared<Space>();
  tracee.finishing = tracee.restore = tracee.force_result = false;
  for (auto& copy : tracee.copies) copy = {};
  tracee.changed = {};
  listed_.erase(tracee.tid);
  if (tracee.tid == tracee.tgid && former != 0 && static_cast<pid_t>(former) != tracee.tid) adopt_orphans(tracee);
  Registers registers;
  if (tracee.exec && registers.load(tracee.tid)) {
    tracee.space->program = tracee.exec->program_guest;
    tracee.space->stack_top = registers.stack();
    if (view_.has(guest::kFakeIds))
      guest::apply_exec(tracee.identity, tracee.exec->mode, tracee.exec->uid, tracee.exec->gid);
    int calls = complete_exec(tracee, memory_, registers, view_.has(guest::kFakeIds));
    if (tracee.traced) return guest_tracing_.on_exec(tracee, calls);
  }
  resume(tracee);
}

void Engine::set_clock() {
  timespec time;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  shared_->now = static_cast<uint32_t>(time.tv_sec * 1000 + time.tv_nsec / 1'000'000) | 1;
}

void Engine::prepare_task(Tracee& tracee, const Registers& registers) {
  uint64_t slot = tracee.slot >= 0 && tracee.space->scratch
                      ? tracee.space->scratch + static_cast<uint64_t>(tracee.slot) * kScratchSlot
                      : 0;
  memory_.attach(tracee.tid, registers.stack(), slot);
  guest::Task& task = *task_;
  task.place.pid = tracee.tgid;
  task.place.tid = tracee.tid;
  task.place.root = tracee.place->root.text();
  task.chroot_to = &tracee.place->root;
  task.identity = &tracee.identity;
}

// An argument may still be our copy of a former call's, when that call is restarted or repeated.
void Engine::replace_copies(Tracee& tracee, const guest::Row& row, TraceeMemory& memory) {
  int first = row.path, second = row.path2;
  if (row.op == guest::Op::exec) second = row.path + 1;
  if (row.op == guest::Op::socket_name) first = 1;
  for (int index : {first, second}) {
    if (index < 0) continue;
    uint64_t& value = tracee.call.arg[index];
    for (const auto& copy : tracee.copies) {
      if (copy.ours == 0 || copy.ours != value) continue;
      char bytes[guest::kPathMax];
      if (copy.size > sizeof bytes || memory.read(value, bytes, copy.size) < 0) continue;
      if (guest::hash_text({bytes, copy.size}) == copy.hash) value = copy.theirs;
      break;
    }
  }
}

void Engine::on_entry(Tracee& tracee) {
  Registers registers;
  if (!registers.load(tracee.tid)) return resume(tracee);
  if (!options_.seccomp && in_stub(registers.pointer(), registers.compat())) {
    tracee.in_call = true;
    return resume(tracee);
  }
  if (!tracee.place || !tracee.space) return resume(tracee);
  guest::Call& call = tracee.call;
  bool compat = registers.compat();
#if defined(__x86_64__)
  // 64-bit code may enter by int 0x80; the filter lets it only far down.
  if (!compat && !options_.seccomp) {
    compat = by_narrow_table(tracee.tid, registers);
  } else if (!compat && registers.pointer() < (uint64_t{1} << 32)) {
    unsigned long data = 0;
    trace(PTRACE_GETEVENTMSG, tracee.tid, 0, &data);
    compat = data == guest::kCompatData;
  }
  call.abi = compat ? guest::Abi::i386 : guest::Abi::x86_64;
#endif
  call.number = registers.number();
  const guest::Row* row = guest::find_row(call.abi, call.number);
  if (!options_.seccomp) {
    tracee.in_call = true;
    if (call.number == -1 || (row && !guest::stops(filter_, *row))) return resume(tracee);
  }
  // Nothing of ours has a place in the low memory of a 64-bit program.
  if (compat != registers.compat()) return answer(tracee, registers, -ENOSYS);
  if (!scratch_ready(tracee, registers)) return;
  for (int i = 0; i < 6; ++i) {
    call.arg[i] = registers.argument(i, compat);
    if (compat) call.arg[i] &= 0xffffffff;
  }
  set_clock();
  prepare_task(tracee, registers);
  if (row) replace_copies(tracee, *row, memory_);
  if (row && row->op == guest::Op::set_id && !ids_ready(tracee, registers, takes_ids(*row, call))) return;
  if (row && row->op == guest::Op::socket_name && row->detail == 0 && !senders_ready(tracee, registers)) return;
  guest::translate(*task_, call, tracee.decision);
  apply(tracee, registers);
}

void Engine::answer(Tracee& tracee, Registers& registers, long value) {
  registers.set_number(-1);
  registers.set_result(value);
  registers.store(tracee.tid);
  tracee.decision.answer = value;
  if (!options_.seccomp) tracee.force_result = true;
  resume(tracee);
}

void Engine::keep_extra(int fd, const guest::Row& row) {
  // A socket is known by the name it was bound by, so the directory in it is kept for longer.
  bool lasting = row.op == guest::Op::socket_name;
  Kept& kept = kept_[lasting];
  if (kept.descriptors.size() < (lasting ? kNamesKept : kExtraKept)) {
    kept.descriptors.push_back(fd);
    return;
  }
  int& oldest = kept.descriptors[kept.next++ % kept.descriptors.size()];
  ::close(oldest);
  oldest = fd;
}

void Engine::apply(Tracee& tracee, Registers& registers) {
  guest::Decision& decision = tracee.decision;
  if (decision.extra_fd >= 0) keep_extra(decision.extra_fd, *decision.row);
  bool compat = tracee.call.abi == guest::Abi::i386;
  switch (decision.action) {
    case guest::Action::answer:
      return answer(tracee, registers, decision.answer);
    case guest::Action::exec:
      return run_exec(tracee, registers);
    case guest::Action::engine:
      return engine_call(tracee, registers);
    case guest::Action::rewrite: {
      for (int i = 0; i < 6; ++i) registers.set_argument(i, decision.arg[i], compat);
      for (int i = 0; i < decision.blob_count; ++i) {
        const guest::Blob& blob = decision.blobs[i];
        uint64_t place = memory_.place_for(blob.size);
        if (long result = memory_.write(place, blob.data, blob.size); result < 0) return answer(tracee, registers, result);
        registers.set_argument(blob.arg, place, compat);
        tracee.keep_copy(place, tracee.call.arg[blob.arg], blob.data, blob.size);
      }
      if (decision.number != tracee.call.number) registers.set_number(decision.number);
      tracee.changed.number = decision.number;
      tracee.changed.number_before = tracee.call.number;
      for (int i = 0; i < 6; ++i) {
        tracee.changed.now[i] = registers.argument(i, compat);
        tracee.changed.before[i] = tracee.call.arg[i];
      }
      registers.store(tracee.tid);
      tracee.restore = !options_.seccomp || decision.post != guest::Post::none || tracee.traced;
      break;
    }
    case guest::Action::pass:
      break;
  }
  tracee.finishing = decision.post != guest::Post::none && decision.post != guest::Post::close_extra;
  if (tracee.finishing || (tracee.restore && options_.seccomp)) return run_to_exit(tracee);
  resume(tracee);
}

void Engine::run_to_exit(Tracee& tracee) {
  tracee.in_call = true;
  tracee.skip_entry = old_order_ && options_.seccomp;
  resume(tracee);
}

// A call is over: its thread goes on, unless a tracer inside wants to see it first.
void Engine::leave_call(Tracee& tracee) {
  if (!guest_tracing_.on_call_exit(tracee)) resume(tracee);
}

void Engine::on_exit(Tracee& tracee) {
  if (tracee.skip_entry) {
    tracee.skip_entry = false;
    return resume(tracee);
  }
  tracee.in_call = false;
  bool waits = tracee.wait_state != WaitState::none;
  if (!tracee.finishing && !tracee.restore && !tracee.force_result && tracee.inserted == Tracee::Inserted::none && !waits) return leave_call(tracee);
  Registers registers;
  if (!registers.load(tracee.tid)) return resume(tracee);
  if (waits) return guest_tracing_.wait_exit(tracee, registers);
  if (tracee.inserted != Tracee::Inserted::none) {
    long result = registers.result();
    if (tracee.inserted == Tracee::Inserted::id_filter) tracee.own_ids = true;
    else if (tracee.inserted == Tracee::Inserted::sender_filter) tracee.shows_senders = true;
    else if (result < 0 && result > -4096) tracee.space->scratch_failed = true;
    else tracee.space->scratch = static_cast<uint64_t>(result);
    tracee.inserted = Tracee::Inserted::none;
    for (int i = 0; i < 6; ++i) registers.set_argument(i, tracee.call.arg[i], registers.compat());
    registers.rewind(tracee.call.number);
    registers.store(tracee.tid);
    return resume(tracee);
  }
  bool compat = tracee.call.abi == guest::Abi::i386;
  bool changed = false;
  const long given = registers.result();  // on aarch64 the first argument's register holds it
  if (tracee.restore) {
    for (int i = 0; i < 6; ++i) registers.set_argument(i, tracee.call.arg[i], compat);
    changed = true;
  }
  long result = tracee.force_result ? tracee.decision.answer : given;
  if (tracee.finishing) {
    prepare_task(tracee, registers);
    result = guest::finish(*task_, tracee.call, tracee.decision, result);
  }
  if (result != registers.result()) {
    registers.set_result(result);
    changed = true;
  }
  if (changed) registers.store(tracee.tid);
  tracee.finishing = tracee.restore = tracee.force_result = false;
  leave_call(tracee);
}

void Engine::run_exec(Tracee& tracee, Registers& registers) {
  bool compat = tracee.call.abi == guest::Abi::i386;
  int path_arg = tracee.decision.row->path;
  const guest::ExecPlan& plan = task_->plan;
  std::string requested = task_->input.c_str();
  if (requested.empty()) requested = plan.program_guest.c_str();
  bool set_id = ((plan.mode & S_ISUID) && plan.uid) || ((plan.mode & S_ISGID) && plan.gid);
  if (!ids_ready(tracee, registers, set_id)) return;
  ExecCall call = prepare_exec(tracee, memory_, plan, view_, options_.emulator, options_.emulator_args, stub_paths_,
                               requested, tracee.call.arg[path_arg + 1], compat);
  if (call.error < 0) return answer(tracee, registers, call.error);
  registers.set_argument(path_arg, call.path, compat);
  registers.set_argument(path_arg + 1, call.arguments, compat);
  if (path_arg == 1) registers.set_argument(4, 0, compat);  // execveat: the path is complete
  registers.store(tracee.tid);
  tracee.restore = !options_.seccomp;
  resume(tracee);
}

// Calls whose treatment is the engine's own.
void Engine::engine_call(Tracee& tracee, Registers& registers) {
  switch (tracee.decision.row->op) {
    case guest::Op::get_affinity:
    case guest::Op::set_affinity: {
      long result;
      bool handled = placement_->on_affinity_call(*this, tracee, memory_, result);
      return handled ? answer(tracee, registers, result) : resume(tracee);
    }
    case guest::Op::ptrace:
      return answer(tracee, registers, guest_tracing_.request(tracee, memory_));
    case guest::Op::wait:
      return guest_tracing_.wait_entry(tracee, registers, memory_);
    default:
      return resume(tracee);
  }
}

}  // namespace udocker::ptrace
