// The one exception family. main.cpp catches it; nothing else in applets does, unless it decides by it.
#pragma once
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace udocker {

// A failure the user hears of: what was tried, on what, why it failed. what() is the whole line without "Error: ".
class Error : public std::exception {
 public:
  explicit Error(std::string message, int exit_code = 1);
  const char* what() const noexcept override { return full_.c_str(); }
  int exit_code() const { return exit_code_; }
  // Puts "context: " before the message; used where an operation has a name for the user.
  void add_context(std::string_view context);
  void add_hint(std::string_view hint) { full_ += hint; }  // behind the message, such as " (did you mean X?)"

 private:
  std::string full_;
  int exit_code_;
};

// The command line is wrong. Exit code 1, as scripts written for the Python tool expect.
class UsageError : public Error {
 public:
  explicit UsageError(std::string message) : Error(std::move(message), 1) {}
};

// A system call failed. `errno_value` must be taken at the failing call.
class SystemError : public Error {
 public:
  SystemError(std::string_view operation, std::string_view object, int errno_value);
  int errno_value() const { return errno_value_; }

 private:
  int errno_value_;
};

// A server could not be reached or refused. `status` is the HTTP status, 0 when there was none.
class NetworkError : public Error {
 public:
  explicit NetworkError(std::string message, long status = 0) : Error(std::move(message)), status_(status) {}
  long status() const { return status_; }

 private:
  long status_;
};

// Bytes are not what they should be: wrong digest, size or format.
class IntegrityError : public Error {
 public:
  explicit IntegrityError(std::string message) : Error(std::move(message)) {}
  IntegrityError(std::string_view what, std::string_view expected, std::string_view got);
};

// This host, mode or build cannot do it; the hint says what can.
class NotSupported : public Error {
 public:
  explicit NotSupported(std::string message, std::string_view hint = {}, int exit_code = 1);
};

// Throws SystemError with the current errno.
[[noreturn]] void throw_errno(std::string_view operation, std::string_view object);

}  // namespace udocker
