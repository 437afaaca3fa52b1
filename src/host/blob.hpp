// Files carried in the binary (put there by the Makefile with .incbin). Empty in builds that lack one.
#pragma once
#include <string>
#include <string_view>

namespace udocker::host::blob {

std::string_view preload();       // shared object of the preload engine
std::string_view trap_runtime();  // ELF of the trap engine's runtime
std::string_view busybox();       // static program of the carried image `hello`
std::string_view ca_bundle();     // PEM certificates, last resort
std::string_view licences();      // licence texts of all included parts


// The first 16 digits of a blob's SHA-256: names of files that hold it have them, so that versions live side by side.
std::string_view preload_digest();
std::string_view trap_runtime_digest();

// True when the file at `path`, no link, is taken to hold `blob` without being read: it has its size, and only the user
// or root can have written it.
bool is_kept_at(const std::string& path, std::string_view blob);

}  // namespace udocker::host::blob
