#include "util/process.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker {

int shell_status(int wait_status) {
  if (WIFSIGNALED(wait_status)) return 128 + WTERMSIG(wait_status);
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 1;
}

std::optional<std::string> find_program(const std::string& name, const std::string& path_list) {
  auto usable = [](const std::string& path) { return is_regular(path) && ::access(path.c_str(), X_OK) == 0; };
  if (name.find('/') != std::string::npos) return usable(name) ? std::optional(name) : std::nullopt;
  for (const auto& dir : split(path_list, ':')) {
    std::string candidate = cat(dir.empty() ? "." : dir, "/", name);
    if (!name.empty() && usable(candidate)) return candidate;
  }
  return std::nullopt;
}

namespace {

struct Pipe {
  UniqueFd read, write;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("create", "pipe");
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
};

// Feeds `input` and collects output at once, so that neither side can block the other.
std::string exchange(UniqueFd to, UniqueFd from, const std::string& input) {
  std::string output;
  std::size_t sent = 0;
  ::fcntl(to.get(), F_SETFL, O_NONBLOCK);
  if (input.empty()) to.reset();
  while (from) {
    pollfd waits[2] = {{from.get(), POLLIN, 0}, {to.get(), POLLOUT, 0}};
    if (::poll(waits, to ? 2 : 1, -1) < 0 && errno != EINTR) throw_errno("wait for", "child process");
    if (to && waits[1].revents) {
      ssize_t done = ::write(to.get(), input.data() + sent, input.size() - sent);
      if (done > 0) sent += static_cast<std::size_t>(done);
      if ((done < 0 && errno != EAGAIN) || sent == input.size()) to.reset();
    }
    if (waits[0].revents) {
      char buffer[65536];
      ssize_t got = ::read(from.get(), buffer, sizeof buffer);
      if (got <= 0) from.reset();
      else if (output.size() < (16u << 20)) output.append(buffer, static_cast<std::size_t>(got));
    }
  }
  return output;
}

}  // namespace

Captured run_captured(const std::vector<std::string>& argv, const std::string& input) {
  const char* path = std::getenv("PATH");
  auto program = find_program(argv.at(0), path ? path : "/usr/bin:/bin");
  if (!program) throw SystemError("run", argv[0], ENOENT);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  Pipe in, out;
  bool keep_stderr = log::enabled(log::Level::debug);
  struct sigaction ignore {}, before {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  ScopeExit restore([&] { ::sigaction(SIGPIPE, &before, nullptr); });
  pid_t child = ::fork();
  if (child < 0) throw_errno("start", argv[0]);
  if (child == 0) {
    ::sigaction(SIGPIPE, &before, nullptr);
    ::dup2(in.read.get(), STDIN_FILENO);
    ::dup2(out.write.get(), STDOUT_FILENO);
    int null = keep_stderr ? -1 : ::open("/dev/null", O_WRONLY);
    if (null >= 0) ::dup2(null, STDERR_FILENO);
    ::execv(program->c_str(), words.data());
    ::_exit(127);
  }
  in.read.reset();
  out.write.reset();
  Captured result;
  result.output = exchange(std::move(in.write), std::move(out.read), input);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = shell_status(status);
  return result;
}

}  // namespace udocker
