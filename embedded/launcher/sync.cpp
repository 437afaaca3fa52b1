#include "embedded/launcher/sync.hpp"

#include "util/error.hpp"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace udocker::launcher {
namespace {

constexpr std::size_t kLargest = 16384;

ssize_t send_packet(int socket, std::string_view data, int fd) {
  iovec part{const_cast<char*>(data.data()), data.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(item), &fd, sizeof fd);
  }
  ssize_t sent;
  do sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

Message receive(int socket, int flags) {
  std::string buffer(kLargest, '\0');
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t got;
  do got = ::recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  Message message;
  if (got <= 0) {
    message.closed = true;
    return message;
  }
  message.kind = static_cast<Signal>(buffer[0]);
  message.text = buffer.substr(1, static_cast<std::size_t>(got) - 1);
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item))
    if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(item), sizeof fd);
      message.fd.reset(fd);
    }
  return message;
}

}  // namespace

SocketPair::SocketPair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("create", "socket pair");
  parent.reset(ends[0]);
  child.reset(ends[1]);
}

void send_signal(int socket, Signal kind, std::string_view text, int fd) {
  std::string data(1, static_cast<char>(kind));
  data += text.substr(0, kLargest - 1);
  if (send_packet(socket, data, fd) < 0) throw_errno("talk to", "the other launcher process");
}

Message receive_signal(int socket) { return receive(socket, 0); }
Message try_receive_signal(int socket) { return receive(socket, MSG_DONTWAIT); }

void send_descriptor(int socket, std::string_view name, int fd) {
  if (send_packet(socket, name, fd) < 0) throw_errno("send the terminal to", "the console socket");
}

}  // namespace udocker::launcher
