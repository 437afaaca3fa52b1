#include "host/arch.hpp"

#include <sys/utsname.h>

namespace udocker::host {

namespace {
struct Name {
  std::string_view machine, docker, qemu;
};
constexpr Name kNames[] = {
    {"x86_64", "amd64", "x86_64"},   {"i386", "386", "i386"},         {"i486", "386", "i386"},       {"i586", "386", "i386"},
    {"i686", "386", "i386"},         {"aarch64", "arm64", "aarch64"}, {"armv7l", "arm", "arm"},      {"armv8l", "arm", "arm"},
    {"armv6l", "arm", "arm"},        {"ppc64le", "ppc64le", "ppc64le"}, {"s390x", "s390x", "s390x"}, {"riscv64", "riscv64", "riscv64"},
    {"mips", "mips", "mips"},        {"mips64", "mips64le", "mips64el"}, {"loongarch64", "loong64", "loongarch64"},
};
}  // namespace

std::string docker_arch() {
  utsname name{};
  ::uname(&name);
  for (const auto& row : kNames)
    if (row.machine == name.machine) return std::string(row.docker);
  return name.machine;
}

std::string qemu_name(std::string_view docker) {
  for (const auto& row : kNames)
    if (row.docker == docker) return std::string(row.qemu);
  return std::string(docker);
}

bool runs_natively(std::string_view docker) {
  std::string here = docker_arch();
  return docker == here || (here == "amd64" && docker == "x86_64") || (here == "amd64" && docker == "386") || (here == "arm64" && docker == "arm");
}

std::string udocker_machine() {
  std::string name = docker_arch();
  return name == "amd64" ? "x86_64" : name == "386" ? "x86" : name == "arm" ? "armhf" : name;
}

}  // namespace udocker::host
