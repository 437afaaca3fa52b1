// Hooks of the runtime specification: programs of the host that get the container's state on stdin.
#include "embedded/launcher/container.hpp"

#include "util/error.hpp"
#include "util/fd.hpp"
#include "util/json.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace udocker::launcher {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

double seconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

int wait_with_timeout(pid_t child, const oci::Hook& hook) {
  double end = hook.timeout ? seconds_now() + *hook.timeout : 0;
  for (;;) {
    int status = 0;
    pid_t got = ::waitpid(child, &status, hook.timeout ? WNOHANG : 0);
    if (got == child) return shell_status(status);
    if (got < 0 && errno != EINTR) return 1;
    if (!hook.timeout || got < 0) continue;
    if (seconds_now() > end) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      throw Error(cat("hook ", hook.path, " did not end within ", *hook.timeout, " seconds"));
    }
    ::poll(nullptr, 0, 10);
  }
}

void run_hook(const oci::Hook& hook, std::string_view moment, const std::string& state, const std::string& directory) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("create", "pipe");
  UniqueFd read(ends[0]), write(ends[1]);
  std::vector<std::string> words = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
  auto argv = pointers(words), envp = pointers(hook.env);
  pid_t child = ::fork();
  if (child < 0) throw_errno("start hook", hook.path);
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::dup2(read.get(), 0);
    if (::chdir(directory.c_str()) != 0) ::_exit(127);
    ::execve(hook.path.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
  read.reset();
  struct sigaction ignore {}, before {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  (void)!::write(write.get(), state.data(), state.size());
  ::sigaction(SIGPIPE, &before, nullptr);
  write.reset();
  if (int status = wait_with_timeout(child, hook))
    throw Error(cat(moment, " hook ", hook.path, status == 127 ? " could not be started" : cat(" failed with status ", status)));
}

}  // namespace

void run_hooks(const std::vector<oci::Hook>& hooks, std::string_view moment, const std::string& state, const std::string& directory) {
  for (const auto& hook : hooks) run_hook(hook, moment, state, directory);
}

void run_late_hooks(const std::vector<oci::Hook>& hooks, std::string_view moment, const std::string& state, const std::string& directory) {
  for (const auto& hook : hooks) {
    try {
      run_hook(hook, moment, state, directory);
    } catch (const Error& error) {
      log::warning(error.what());
    }
  }
}

std::string state_json(const Job& job, pid_t pid, std::string_view status) {
  json::Value out = json::Object{{"ociVersion", job.config.version}, {"id", job.id}, {"status", status}, {"bundle", job.bundle}};
  if (pid > 0) out.at("pid") = static_cast<int>(pid);
  for (const auto& [key, value] : job.config.annotations) out.at("annotations").at(key) = value;
  return json::to_compact(out);
}

}  // namespace udocker::launcher
