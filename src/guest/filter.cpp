#include "guest/filter.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <asm/errno.h>

namespace udocker::guest {

namespace {

// What the program does with one number.
enum class Way : uint8_t { pass, stop, notify, open, zero, refuse_perm, refuse_nosys, if_arg, clone, prctl, credentials };

constexpr uint32_t kNamespaces = 0x7e020080;  // CLONE_NEW*: TIME USER PID NET IPC UTS CGROUP NS
constexpr uint32_t kUntraced = 0x00800000;

// prctl options that need a look; PR_SET_DUMPABLE PR_[GS]ET_KEEPCAPS PR_CAPBSET_READ/DROP PR_[GS]ET_SECUREBITS PR_SET_MM PR_CAP_AMBIENT.
constexpr uint16_t kPrctlStops[] = {4, 7, 8, 23, 24, 27, 28, 35, 47};
constexpr uint16_t kPrctlEngine[] = {22, 59};  // PR_SET_SECCOMP PR_SET_SYSCALL_USER_DISPATCH

class Program {
 public:
  Program(sock_filter* out, size_t capacity) : out_(out), capacity_(capacity) {}

  void add(uint16_t code, uint32_t k, uint8_t yes = 0, uint8_t no = 0) {
    if (size_ < capacity_) out_[size_] = {code, yes, no, k};
    ++size_;
  }
  void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset); }
  void ret(uint32_t value) { add(BPF_RET | BPF_K, value); }
  void error(uint32_t number) { ret(SECCOMP_RET_ERRNO | number); }
  size_t size() const { return size_; }
  bool fits() const { return size_ <= capacity_; }
  sock_filter& at(size_t where) { return out_[where < capacity_ ? where : 0]; }

 private:
  sock_filter* out_;
  size_t capacity_, size_ = 0;
};

constexpr uint32_t kNumber = 0, kArch = 4, kPointer = 8;
constexpr uint32_t arg_low(int index) { return 16 + 8 * static_cast<uint32_t>(index); }

bool listed(const uint16_t* list, size_t count, long number) {
  for (size_t i = 0; i < count; ++i)
    if (list[i] == number) return true;
  return false;
}

class Builder {
 public:
  Builder(const FilterSpec& spec, Program& program) : spec_(spec), program_(program) {}

  void table(Abi abi) {
    abi_ = abi;
    size_t limit = static_cast<size_t>(table_limit(abi));
    program_.load(kNumber);
    tree(0, limit);
  }

 private:
  bool narrow() const { return abi_ == Abi::i386; }
  uint64_t allow_from() const { return narrow() ? spec_.narrow_from : spec_.allow_from; }
  uint64_t allow_to() const { return narrow() ? spec_.narrow_to : spec_.allow_to; }
  const Row* row(size_t number) const { return find_row(abi_, static_cast<long>(number)); }

  Way way(size_t number) const {
    bool native = abi_ == kNativeAbi;
    auto value = static_cast<long>(number);
    if (native && listed(spec_.extra_stops, spec_.extra_count, value)) return Way::stop;
    if (native && listed(spec_.extra_passes, spec_.extra_pass_count, value)) return Way::pass;
    const Row* found = row(number);
    if (!found) return Way::refuse_nosys;
    if (found->op == Op::refuse) return found->detail == EPERM ? Way::refuse_perm : Way::refuse_nosys;
    if (!stops(spec_, *found)) return Way::pass;
    if (found->op == Op::clone || found->op == Op::unshare) return Way::clone;
    if (found->op == Op::prctl) return Way::prctl;
    if (found->op == Op::get_option) return Way::credentials;
    if (found->traits & kOnlyPath) return Way::if_arg;
    if (spec_.zero_ids && is_zero_id(*spec_.view, *found)) return Way::zero;
    if (spec_.zero_ids && found->op == Op::set_id) return Way::stop;
    if (native && spec_.notify && answers(*spec_.view, *found)) {
      if (found->op != Op::open) return Way::notify;
      if (found->detail != 1) return Way::open;
    }
    return Way::stop;
  }

  bool same(size_t left, size_t right) const {
    Way a = way(left), b = way(right);
    if (a != b) return false;
    return (a != Way::if_arg && a != Way::open) || row(left)->path == row(right)->path;
  }

  bool uniform(size_t from, size_t to) const {
    for (size_t i = from + 1; i < to; ++i)
      if (!same(from, i)) return false;
    return true;
  }

  // A binary search over runs of numbers with the same way; the number is in the accumulator.
  void tree(size_t from, size_t to) {
    if (uniform(from, to)) return leaf(from);
    size_t middle = from + (to - from) / 2;
    size_t up = middle, down = middle;
    while (up < to && same(up - 1, up)) ++up;
    while (down > from && same(down - 1, down)) --down;
    if (down > from && (up >= to || middle - down <= up - middle)) {
      middle = down;
    } else {
      middle = up;
    }
    // The true branch may be further away than a conditional jump reaches, so it is a plain jump.
    program_.add(BPF_JMP | BPF_JGE | BPF_K, static_cast<uint32_t>(middle), 0, 1);
    size_t jump = program_.size();
    program_.add(BPF_JMP | BPF_JA, 0);
    tree(from, middle);
    program_.at(jump).k = static_cast<uint32_t>(program_.size() - jump - 1);
    tree(middle, to);
  }

  void stop() { leave(spec_.stop | (abi_ == kNativeAbi ? 0 : kCompatData)); }

  void leave(uint32_t value) {
    if (allow_to()) {
      // Both ends of the range share the upper half of the address.
      program_.load(kPointer + 4);
      program_.add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(allow_from() >> 32), 0, 4);
      program_.load(kPointer);
      program_.add(BPF_JMP | BPF_JGE | BPF_K, static_cast<uint32_t>(allow_from()), 0, 2);
      program_.add(BPF_JMP | BPF_JGE | BPF_K, static_cast<uint32_t>(allow_to()), 1, 0);
      program_.ret(SECCOMP_RET_ALLOW);
    }
    program_.ret(value);
  }

  // Refusals hold for the guest only, not for the engine's own calls.
  void refuse(uint32_t error) { leave(SECCOMP_RET_ERRNO | error); }

  void leaf(size_t number) {
    switch (way(number)) {
      case Way::pass:
        return program_.ret(SECCOMP_RET_ALLOW);
      case Way::refuse_perm:
        return refuse(EPERM);
      case Way::refuse_nosys:
        return refuse(ENOSYS);
      case Way::zero:
        return program_.error(0);
      case Way::clone:
        program_.load(arg_low(0));
        program_.add(BPF_JMP | BPF_JSET | BPF_K, kNamespaces | kUntraced, 1, 0);
        program_.ret(SECCOMP_RET_ALLOW);
        return stop();
      case Way::if_arg: {
        int argument = row(number)->path;
        program_.load(arg_low(argument));
        program_.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
        program_.load(arg_low(argument) + 4);
        program_.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
        program_.ret(SECCOMP_RET_ALLOW);
        return stop();
      }
      case Way::credentials:
        program_.load(arg_low(2));
        program_.add(BPF_JMP | BPF_JEQ | BPF_K, kPeerCredentials, 1, 0);
        program_.ret(SECCOMP_RET_ALLOW);
        return stop();
      case Way::prctl:
        program_.load(arg_low(0));
        for (uint16_t option : kPrctlStops) prctl_option(option);
        if (spec_.engine_rows)
          for (uint16_t option : kPrctlEngine) prctl_option(option);
        return program_.ret(SECCOMP_RET_ALLOW);
      case Way::open: {
        // Files are made by the program itself, under its own umask; O_PATH descriptors cannot be handed over.
        constexpr uint32_t kMakes = 0100 | 020000000 | 010000000;  // O_CREAT, O_TMPFILE's own bit, O_PATH
        program_.load(arg_low(row(number)->path + 1));
        program_.add(BPF_JMP | BPF_JSET | BPF_K, kMakes, 0, allow_to() ? 7 : 1);
        stop();
        return leave(spec_.notify);
      }
      case Way::notify:
        return leave(spec_.notify);
      case Way::stop:
        return stop();
    }
  }

  void prctl_option(uint16_t option) {
    program_.add(BPF_JMP | BPF_JEQ | BPF_K, option, 0, allow_to() ? 7 : 1);
    stop();
    if (allow_to()) program_.load(arg_low(0));
  }

  const FilterSpec& spec_;
  Program& program_;
  Abi abi_ = kNativeAbi;
};

}  // namespace

bool stops(const FilterSpec& spec, const Row& row) {
  if (row.op == Op::pass) return false;
  if (row.op == Op::refuse) return true;
  const View& view = *spec.view;
  if (row.traits & kOnlyEngine) return spec.engine_rows;
  if (row.traits & kOnlyAsked) return spec.senders;
  if (row.traits & kOnlyRelease) return view.has(kFakeRelease);
  if (row.traits & kOnlyUnlisted) return view.has(kHasUnlisted) || view.has(kLinkToSymlink);
  if (row.traits & kOnlyReadOnly) return view.has(kHasReadOnly) || view.has(kFakeIds);
  if (row.traits & kOnlyFakeIds) return view.has(kFakeIds);
  return true;
}

bool answers(const View& view, const Row& row) {
  switch (row.op) {
    case Op::open:
    case Op::remove:
    case Op::stat:
    case Op::statx:
    case Op::fstat:
    case Op::access:
    case Op::readlink:
    case Op::getcwd:
    case Op::get_id:
    case Op::get_res_id:
    case Op::get_groups:
    case Op::set_id:
    case Op::set_groups:
    case Op::capget:
    case Op::capset:
    case Op::set_name:
    case Op::uname:
      return true;
    case Op::xattr:
      return reads_attributes(row);
    case Op::chmod:
    case Op::fchmod:
    case Op::chown:
    case Op::fchown:
      return view.has(kFakeIds);
    default:
      return false;
  }
}

bool is_zero_id(const View& view, const Row& row) {
  return row.op == Op::get_id && view.has(kFakeIds) && (row.detail < 2 ? view.uid : view.gid) == 0;
}

namespace {

// A program that returns `value` (`narrow_value` by the 32-bit table) for the rows that `wanted` picks.
template <class Wanted>
size_t build_small(uint32_t value, uint32_t narrow_value, const Wanted& wanted, sock_filter* out, size_t capacity) {
  Program program(out, capacity);
  size_t count = 0;
  const Row* rows = all_rows(&count);
  auto table = [&](Abi abi, uint32_t machine, uint32_t result) {
    program.load(kArch);
    size_t jump = program.size();
    program.add(BPF_JMP | BPF_JEQ | BPF_K, machine);
    program.load(kNumber);
    for (size_t i = 0; i < count; ++i) {
      int16_t number = rows[i].number[static_cast<size_t>(abi)];
      if (number < 0 || !wanted(rows[i])) continue;
      program.add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1);
      program.ret(result);
    }
    program.at(jump).jf = static_cast<uint8_t>(program.size() - jump - 1);
  };
  table(kNativeAbi, kNativeAbi == Abi::x86_64 ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_AARCH64, value);
  if (kNativeAbi == Abi::x86_64) table(Abi::i386, AUDIT_ARCH_I386, narrow_value);
  program.ret(SECCOMP_RET_ALLOW);
  return program.fits() ? program.size() : 0;
}

}  // namespace

size_t build_id_filter(const View& view, sock_filter* out, size_t capacity) {
  constexpr uint32_t kTrap = SECCOMP_RET_TRAP | kIdData;
  return build_small(kTrap, kTrap, [&](const Row& row) { return is_zero_id(view, row); }, out, capacity);
}

size_t build_sender_filter(uint32_t stop, sock_filter* out, size_t capacity) {
  return build_small(stop, stop | kCompatData, [](const Row& row) { return (row.traits & kOnlyAsked) != 0; }, out, capacity);
}

size_t build_filter(const FilterSpec& spec, sock_filter* out, size_t capacity) {
  Program program(out, capacity);
  Builder builder(spec, program);
  program.load(kArch);
#if defined(__x86_64__)
  program.add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  size_t to_compat = program.size();
  program.add(BPF_JMP | BPF_JA, 0);
  builder.table(Abi::x86_64);
  program.at(to_compat).k = static_cast<uint32_t>(program.size() - to_compat - 1);
  if (spec.compat) {
    program.add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 1, 0);
    program.error(ENOSYS);
    // 64-bit code far up that enters by int 0x80 has no business to.
    program.load(kPointer + 4);
    program.add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    program.error(ENOSYS);
    builder.table(Abi::i386);
  } else {
    program.error(ENOSYS);
  }
#else
  program.add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_AARCH64, 1, 0);
  program.error(ENOSYS);
  builder.table(Abi::aarch64);
#endif
  return program.fits() ? program.size() : 0;
}

}  // namespace udocker::guest
