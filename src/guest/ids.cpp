// Calls about ids and capabilities, answered from the task's identity.
#include "guest/parts.hpp"

namespace udocker::guest {

namespace {

uint32_t id_at(const Step& step, int index) {
  auto value = static_cast<uint32_t>(step.call.arg[index]);
  // i386 calls without the suffix 32 have 16-bit ids.
  bool narrow = step.call.abi == Abi::i386 && step.call.number < 198;
  if (!narrow) return value;
  return (value & 0xffff) == 0xffff ? kSameId : value & 0xffff;
}

void get_id(const Step& step) {
  const Identity& id = *step.task.identity;
  const uint32_t ids[] = {id.ruid, id.euid, id.rgid, id.egid};
  step.answer(static_cast<long>(ids[step.row.detail]));
}

void get_res_id(const Step& step) {
  const Identity& id = *step.task.identity;
  bool groups = step.row.detail & 1;
  const uint32_t wide[] = {groups ? id.rgid : id.ruid, groups ? id.egid : id.euid, groups ? id.sgid : id.suid};
  bool narrow = step.call.abi == Abi::i386 && step.row.detail < 2;
  for (int i = 0; i < 3; ++i) {
    auto small = static_cast<uint16_t>(wide[i]);
    const void* data = narrow ? static_cast<const void*>(&small) : &wide[i];
    long result = step.task.memory->write(step.call.arg[i], data, narrow ? 2 : 4);
    if (result < 0) return step.answer(result);
  }
  step.answer(0);
}

void set_id(const Step& step) {
  Identity& id = *step.task.identity;
  uint32_t a = id_at(step, 0), b = id_at(step, 1), c = id_at(step, 2);
  switch (step.row.detail) {
    case 0:
      return step.answer(set_uid(id, a));
    case 1:
      return step.answer(set_gid(id, a));
    case 2:
      return step.answer(set_reuid(id, a, b));
    case 3:
      return step.answer(set_regid(id, a, b));
    case 4:
      return step.answer(set_resuid(id, a, b, c));
    case 5:
      return step.answer(set_resgid(id, a, b, c));
    case 6:
      return step.answer(static_cast<long>(set_fsuid(id, a)));
    default:
      return step.answer(static_cast<long>(set_fsgid(id, a)));
  }
}

bool narrow_groups(const Step& step) { return step.call.abi == Abi::i386 && step.row.detail == 0; }

void get_groups(const Step& step) {
  const Identity& id = *step.task.identity;
  int room = step.argument(0);
  auto count = static_cast<int>(id.group_count);
  if (room < 0 || (room > 0 && room < count)) return step.answer(-EINVAL);
  if (room == 0) return step.answer(count);
  uint16_t small[kMaxGroups];
  for (int i = 0; i < count; ++i) small[i] = static_cast<uint16_t>(id.groups[i]);
  bool narrow = narrow_groups(step);
  const void* data = narrow ? static_cast<const void*>(small) : id.groups;
  step.give(step.call.arg[1], data, static_cast<size_t>(count) * (narrow ? 2 : 4), count);
}

void set_group_list(const Step& step) {
  uint64_t count = step.call.arg[0];
  if (count > kMaxGroups) return step.answer(-EINVAL);
  uint32_t wide[kMaxGroups];
  uint16_t small[kMaxGroups];
  bool narrow = narrow_groups(step);
  void* data = narrow ? static_cast<void*>(small) : wide;
  long result = count ? step.task.memory->read(step.call.arg[1], data, count * (narrow ? 2 : 4)) : 0;
  if (result < 0) return step.answer(result);
  for (uint64_t i = 0; narrow && i < count; ++i) wide[i] = small[i];
  step.answer(set_groups(*step.task.identity, wide, count));
}

constexpr uint32_t kCapVersion1 = 0x19980330, kCapVersion2 = 0x20071026, kCapVersion3 = 0x20080522;

struct CapHeader {
  uint32_t version;
  int32_t pid;
};
struct CapData {
  uint32_t effective, permitted, inheritable;
};

// Reads the header; the number of words, 0 when answered.
int cap_words(const Step& step, CapHeader& header) {
  Task& task = step.task;
  long result = task.memory->read(step.call.arg[0], &header, sizeof header);
  if (result < 0) {
    step.answer(result);
    return 0;
  }
  if (header.version == kCapVersion1) return 1;
  if (header.version == kCapVersion2 || header.version == kCapVersion3) return 2;
  header.version = kCapVersion3;
  result = task.memory->write(step.call.arg[0], &header, sizeof header);
  step.answer(result < 0 ? result : step.call.arg[1] ? -EINVAL : 0);
  return 0;
}

void get_caps(const Step& step) {
  CapHeader header;
  int words = cap_words(step, header);
  if (!words) return;
  if (step.call.arg[1] == 0) return step.answer(0);
  const Identity& id = *step.task.identity;
  CapData data[2];
  for (int i = 0; i < 2; ++i)
    data[i] = {static_cast<uint32_t>(id.effective >> (32 * i)), static_cast<uint32_t>(id.permitted >> (32 * i)),
               static_cast<uint32_t>(id.inheritable >> (32 * i))};
  step.give(step.call.arg[1], data, sizeof(CapData) * static_cast<size_t>(words));
}

void set_caps(const Step& step) {
  CapHeader header;
  int words = cap_words(step, header);
  if (!words) return;
  CapData data[2] = {};
  long result = step.task.memory->read(step.call.arg[1], data, sizeof(CapData) * static_cast<size_t>(words));
  if (result < 0) return step.answer(result);
  Identity& id = *step.task.identity;
  auto join = [](uint32_t low, uint32_t high) { return (low | (uint64_t{high} << 32)) & kAllCaps; };
  uint64_t effective = join(data[0].effective, data[1].effective);
  uint64_t permitted = join(data[0].permitted, data[1].permitted);
  uint64_t inheritable = join(data[0].inheritable, data[1].inheritable);
  if (permitted & ~id.permitted) return step.answer(-EPERM);
  if (effective & ~permitted) return step.answer(-EPERM);
  if (inheritable & ~(id.inheritable | id.permitted | id.bounding)) return step.answer(-EPERM);
  id.effective = effective;
  id.permitted = permitted;
  id.inheritable = inheritable;
  id.ambient &= permitted & inheritable;
  step.answer(0);
}

constexpr int kCapSetPcap = 8, kCapSysAdmin = 21, kLastCap = 40;

void ambient(const Step& step) {
  Identity& id = *step.task.identity;
  uint64_t operation = step.call.arg[1], number = step.call.arg[2];
  if (operation == 4) {
    id.ambient = 0;
    return step.answer(0);
  }
  if (number > kLastCap || operation < 1 || operation > 3) return step.answer(-EINVAL);
  uint64_t bit = uint64_t{1} << number;
  if (operation == 1) return step.answer((id.ambient & bit) != 0);
  if (operation == 3) {
    id.ambient &= ~bit;
    return step.answer(0);
  }
  if (!(id.permitted & id.inheritable & bit)) return step.answer(-EPERM);
  id.ambient |= bit;
  step.answer(0);
}

void process_control(const Step& step) {
  constexpr uint64_t kSetDumpable = 4, kGetKeep = 7, kSetKeep = 8, kCapRead = 23, kCapDrop = 24, kGetSecure = 27, kSetSecure = 28, kSetMm = 35,
                     kAmbient = 47, kSetSeccomp = 22, kDispatch = 59;
  uint64_t option = step.call.arg[0], value = step.call.arg[1];
  if (option == kSetSeccomp || option == kDispatch) {
    step.decision.action = Action::engine;
    return;
  }
  // A process that may not be looked at cannot be served.
  if (option == kSetDumpable) return step.answer(value > 1 ? -EINVAL : 0);
  if (!step.fake()) return;
  Identity& id = *step.task.identity;
  switch (option) {
    case kGetKeep:
      return step.answer(static_cast<long>(id.keep_caps));
    case kSetKeep:
      if (value > 1) return step.answer(-EINVAL);
      id.keep_caps = static_cast<uint32_t>(value);
      return step.answer(0);
    case kCapRead:
      return step.answer(value > kLastCap ? -EINVAL : static_cast<long>((id.bounding >> value) & 1));
    case kCapDrop:
      if (value > kLastCap) return step.answer(-EINVAL);
      if (!id.can(kCapSetPcap)) return step.answer(-EPERM);
      id.bounding &= ~(uint64_t{1} << value);
      return step.answer(0);
    case kGetSecure:
      return step.answer(static_cast<long>(id.securebits));
    case kSetSecure:
      if (!id.can(kCapSetPcap)) return step.answer(-EPERM);
      id.securebits = static_cast<uint32_t>(value);
      return step.answer(0);
    case kAmbient:
      return ambient(step);
    case kSetMm:
      return;
  }
}

}  // namespace

void do_identity(const Step& step) {
  if (step.row.op == Op::prctl) return process_control(step);
  if (!step.fake()) return;
  switch (step.row.op) {
    case Op::get_id:
      return get_id(step);
    case Op::get_res_id:
      return get_res_id(step);
    case Op::get_groups:
      return get_groups(step);
    case Op::set_id:
      return set_id(step);
    case Op::set_groups:
      return set_group_list(step);
    case Op::capget:
      return get_caps(step);
    case Op::capset:
      return set_caps(step);
    case Op::set_name:
      return step.answer(step.task.identity->can(kCapSysAdmin) ? 0 : -EPERM);
    default:
      return;
  }
}

}  // namespace udocker::guest
