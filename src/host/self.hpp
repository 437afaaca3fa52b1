// Our own executable: where it is and how to start it again under another name.
#pragma once
#include <string>
#include <vector>

namespace udocker::host {

// A path that can be executed now: /proc/self/exe's target, else the name the kernel was given (AT_EXECFN) made
// absolute. Throws NotSupported when neither can be found (no /proc and a relative start that no longer resolves).
std::string self_path();

// Where every process of the trap engine (T modes) maps its container's settings.
inline constexpr unsigned long kTrapSettingsAt = 0x7e9010000000;
bool inside_trap_engine();
// The addresses it needs exist: the kernel gives programs 47 bits or more, which on ARM is a matter of its configuration.
bool has_trap_addresses();
// T1's patched copies are made on this processor; else T1 works as T2.
#if defined(__x86_64__)
inline constexpr bool kTrapPatches = true;
#else
inline constexpr bool kTrapPatches = false;
#endif

// Throws NotSupported when /proc is not mounted: every engine finds programs, descriptors and processes through it.
void require_proc();

// Replaces this process by our own executable, with args[0] choosing the applet or engine.
// Flushes stdout first. Returns only by throwing SystemError.
[[noreturn]] void exec_self(const std::vector<std::string>& args, const std::vector<std::string>& environment);

// Replaces this process by a program given by path. Same contract.
[[noreturn]] void exec_program(const std::string& path, const std::vector<std::string>& args,
                               const std::vector<std::string>& environment);

// The environment of this process as K=V texts.
std::vector<std::string> environment();
// Makes this the environment; what getenv() gave before is gone.
void set_environment(std::vector<std::string> texts);

}  // namespace udocker::host
