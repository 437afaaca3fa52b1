// Files carried in the binary (put there by the Makefile with .incbin). Empty in builds that lack one.
#pragma once
#include <string_view>

namespace udocker::host::blob {

std::string_view preload();       // shared object of the preload engine
std::string_view trap_runtime();  // ELF of the trap engine's runtime
std::string_view busybox();       // static program of the carried image `hello`
std::string_view ca_bundle();     // PEM certificates, last resort
std::string_view licences();      // licence texts of all included parts

}  // namespace udocker::host::blob
