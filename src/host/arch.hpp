// Names of processor architectures (compatibility spec 4.5).
#pragma once
#include <string>
#include <string_view>

namespace udocker::host {

std::string docker_arch();                          // this host's: "amd64", "arm64" …
std::string udocker_machine();                      // this host's in the tool's own spelling: "x86_64", "arm64" …
std::string qemu_name(std::string_view docker);     // "aarch64" for arm64
bool runs_natively(std::string_view docker);        // the kernel runs it without an emulator (also 386 on amd64)

}  // namespace udocker::host
