// The conversation between the launcher and the container's first process, over a socket pair.
#pragma once
#include "util/fd.hpp"

#include <string>
#include <string_view>

namespace udocker::launcher {

enum class Signal : char {
  go = 'M',        // to the child: ids are mapped, cgroup joined
  hooks = 'R',     // to the parent: run the runtime hooks
  hooks_done = 'H',
  created = 'C',   // to the parent: all is ready, waiting for start
  console = 'T',   // to the parent, with the master side of the terminal
  failed = 'E',    // to the parent, with the message
};

struct Message {
  Signal kind = Signal::failed;
  std::string text;
  UniqueFd fd;
  bool closed = false;  // the other side has gone (or executed the program)
};

struct SocketPair {
  SocketPair();
  UniqueFd parent, child;
};

void send_signal(int socket, Signal kind, std::string_view text = {}, int fd = -1);
Message receive_signal(int socket);               // waits
Message try_receive_signal(int socket);           // closed when there is nothing
// Sends a descriptor with its name as data: the protocol of --console-socket.
void send_descriptor(int socket, std::string_view name, int fd);

}  // namespace udocker::launcher
