#include "util/error.hpp"

#include "util/strings.hpp"

#include <cerrno>
#include <cstring>

namespace udocker {

Error::Error(std::string message, int exit_code) : full_(std::move(message)), exit_code_(exit_code) {}

void Error::add_context(std::string_view context) { full_ = cat(context, ": ", full_); }

SystemError::SystemError(std::string_view operation, std::string_view object, int errno_value)
    : Error(object.empty() ? cat(operation, ": ", std::strerror(errno_value))
                           : cat(operation, " ", object, ": ", std::strerror(errno_value))),
      errno_value_(errno_value) {}

IntegrityError::IntegrityError(std::string_view what, std::string_view expected, std::string_view got)
    : Error(cat(what, ": expected ", expected, ", got ", got)) {}

NotSupported::NotSupported(std::string message, std::string_view hint, int exit_code)
    : Error(hint.empty() ? std::move(message) : cat(message, "; ", hint), exit_code) {}

void throw_errno(std::string_view operation, std::string_view object) {
  int saved = errno;
  throw SystemError(operation, object, saved);
}

}  // namespace udocker
