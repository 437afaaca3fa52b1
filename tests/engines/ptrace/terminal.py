"""terminal.py COMMAND...: a shell inside the engine on a terminal of its own; prints one line per check, exit status 0 when all
are good. Waits for texts, never for times."""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

pid, fd = pty.fork()
if pid == 0:
    os.environ["PS1"] = "ready> "
    os.environ["TERM"] = "dumb"
    os.execvp(sys.argv[1], sys.argv[1:])

seen = ""
bad = 0


def read_until(text, limit=20):
    """What comes until `text`; None when it does not come."""
    global seen
    end = time.monotonic() + limit
    while text not in seen:
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            return None
        try:
            data = os.read(fd, 4096)
        except OSError:
            return None
        if not data:
            return None
        seen += data.decode(errors="replace")
    before, _, seen = seen.partition(text)
    return before


def type_(text):
    os.write(fd, text.encode())


def check(what, good):
    global bad
    bad += not good
    print(("ok   " if good else "FAIL ") + what, "" if good else repr(seen[-300:]))


check("prompt", read_until("ready> ") is not None)
type_("stty -echo; echo start\n")
check("echo off", read_until("start\r\nready> ") is not None)
# Ctrl-C ends the command, not the shell.
type_("sleep 100\n")
type_("\x03") if read_until("\x00", 0.3) is None else None
check("Ctrl-C", read_until("ready> ") is not None)
type_("echo status $?\n")
check("status of a command ended by Ctrl-C", read_until("status 130\r\n") is not None)
# Ctrl-Z stops it, bg and fg go on with it.
type_("trap '' TTOU; sh -c 'echo begun; read line; echo got $line'\n")
check("a reader", read_until("begun\r\n") is not None)
type_("\x1a")
check("Ctrl-Z", read_until("topped") is not None and read_until("ready> ") is not None)
type_("jobs\n")
check("jobs shows it stopped", read_until("topped") is not None and read_until("ready> ") is not None)
# What is typed before the shell has let go of the terminal would be the shell's: it names the job first.
type_("fg\n")
check("fg names it", read_until("$line'") is not None)
type_("words\n")
check("fg goes on", read_until("got words\r\n") is not None)
# SIGSTOP and SIGCONT by kill. bash may tell first by 147 that the child was stopped.
type_("state() { read -r _ _ s _ < /proc/$p/stat; }; sleep 100 & p=$!; kill -STOP $p; for i in {1..3000}; do state; [[ $s = [tT] ]] && break; sleep 0.01; done; echo is stopped $s\n")
check("SIGSTOP", read_until("is stopped ") is not None and (read_until("\r\n") or "").lower() == "t")
type_("kill -CONT $p; for i in {1..3000}; do state; [[ $s != [tT] ]] && break; sleep 0.01; done; echo is running; kill $p; s=147; while [ $s = 147 ]; do wait $p; s=$?; done; echo ended $s\n")
check("SIGCONT", read_until("is running\r\n") is not None)
check("then killed", read_until("ended 143") is not None)
# The size of the window.
type_("sh -c 'trap \"stty size; exit\" WINCH; echo waiting; while :; do sleep 0.1; done'\n")
check("waits for WINCH", read_until("waiting\r\n") is not None)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
check("SIGWINCH and the new size", read_until("33 77\r\n") is not None)
# The terminal is the guest's own.
type_("tty; test -t 0 && echo is a terminal\n")
check("tty", read_until("/dev/pts/") is not None)
check("isatty", read_until("is a terminal\r\n") is not None)
# Ctrl-D at the prompt ends the shell with the last status.
type_("echo last; (exit 7)\n")
check("last command", read_until("last\r\n") is not None and read_until("ready> ") is not None)
type_("\x04")
status = None
end = time.monotonic() + 20
while status is None and time.monotonic() < end:
    read_until("\x00", 0.1)
    got, code = os.waitpid(pid, os.WNOHANG)
    if got:
        status = os.waitstatus_to_exitcode(code)
check("end of input: exit status", status == 7)
if status is None:
    os.kill(pid, 9)
sys.exit(bad != 0)
