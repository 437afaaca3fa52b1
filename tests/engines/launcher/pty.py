#!/usr/bin/env python3
"""pty.py PROGRAM ARGS: runs a shell session of PROGRAM (an interactive shell) on a terminal of its own, types as a person
would, and prints one line per thing that worked: size, resize, winch, interrupt, job, then the status and whether the
terminal's settings are as before."""
import fcntl, os, select, signal, struct, sys, termios, time

LIMIT = 60  # seconds for one answer: only a hang takes that long
master, slave = os.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
before = termios.tcgetattr(slave)
sys.stdout.flush()
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 100)
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b""


def expect(text):
    global seen
    end = time.time() + LIMIT
    while text not in seen:
        ready, _, _ = select.select([master], [], [], max(0, end - time.time()))
        got = b""
        if ready:
            try:
                got = os.read(master, 4096)
            except OSError:
                pass
        if not got:
            print("no", text.decode(), "in", repr(seen[-400:]))
            os.kill(child, signal.SIGKILL)
            sys.exit(1)
        seen += got
    seen = seen[seen.index(text) + len(text):]


def say(text, answer=None):
    os.write(master, text.encode())
    if answer:
        expect(answer.encode())


def resize(rows, columns):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def do(text, answer):
    say(text + "\r", answer)
    expect(b"<>")  # the prompt: what is typed ahead of it may be lost


say("PS1='<''>'\r", "<>")
do("stty size; test -t 0 && test -t 1 && test -t 2 && tty", "24 80")
print("size")
resize(40, 100)
do("stty size", "40 100")
print("resize")
do("trap 'echo wi''nch' WINCH; echo se''t", "set")
resize(41, 101)
# The shell runs the trap between commands: one at its prompt may leave it without a new prompt.
do("until [ \"$(stty size)\" = '41 101' ]; do :; done", "winch")
print("winch")
# What runs in the foreground says so itself: the terminal is its own by then.
say("sh -c 'echo sle\"\"eps; exec sleep 1000'\r", "sleeps")
say("\x03", "<>")
do("echo sta''tus $?", "status 130")
print("interrupt")
say("sh -c 'echo sle\"\"eps; exec sleep 1000'\r", "sleeps")
say("\x1a", "topped")
expect(b"<>")
do("bg; jobs", "sleep 1000")
do("kill %1; fg; echo go''ne", "gone")
print("job")
say("stty raw -echo; exit 9\r")
end = time.time() + LIMIT
while True:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid:
        break
    if time.time() > end:
        print("does not end")
        os.kill(child, signal.SIGKILL)
        sys.exit(1)
    if select.select([master], [], [], 0.05)[0]:
        os.read(master, 4096)
print("status", os.waitstatus_to_exitcode(status), "settings", "kept" if termios.tcgetattr(slave) == before else "changed")
