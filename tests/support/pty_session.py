"""A program at a terminal, for tests: Session(["bash"]) types and waits for what is shown. No timed expectations: a
text that does not come within a minute is a failure, whatever the machine's load.

pty_session.py COMMAND...   runs a command at a terminal of 24x100 and copies what it shows to stdout (exit status kept).
"""
import fcntl, os, pty, re, select, signal, struct, sys, termios, time


class Session:
    def __init__(self, argv, rows=24, columns=100, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env or os.environ)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.shown = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def read(self, seconds):
        """Appends what comes within `seconds`; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.shown += data.decode(errors="replace")
        return bool(data)

    def wait(self, pattern, seconds=60):
        """Waits until `pattern` is shown; takes away everything up to its end and returns the match."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.shown)
            if match:
                self.shown = self.shown[match.end():]
                return match
            if time.monotonic() > end or not self.read(1):
                match = re.search(pattern, self.shown)
                if match:
                    return match
                raise AssertionError("not shown: %r; shown is %r" % (pattern, self.shown))

    def rest(self):
        """Everything until the program ends, and its status (128+n when signal n ended it)."""
        while self.read(60):
            pass
        status = os.waitpid(self.pid, 0)[1]
        return self.shown, 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except OSError:
            pass


if __name__ == "__main__":
    shown, status = Session(sys.argv[1:]).rest()
    sys.stdout.write(shown)
    sys.exit(status)
