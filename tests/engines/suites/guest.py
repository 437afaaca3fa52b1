"""guest.py MODULE [ID...]: runs one of Python's own test modules (or some of its tests) and prints a line per test."""
import faulthandler
import os
import sys
import tempfile
import unittest

faulthandler.dump_traceback_later(1480, exit=True)
from test import support

support.verbose = False
support.use_resources = []


class Lines(unittest.TestResult):
    def line(self, test, result):
        out.write("RESULT\t%s\t%s\n" % (test.id(), result))
        out.flush()

    def addSuccess(self, test):
        self.line(test, "ok")

    def addSkip(self, test, reason):
        self.line(test, "skip")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.line(test, "FAIL")
        sys.stderr.write(self.failures[-1][1] + "\n")

    def addError(self, test, error):
        super().addError(test, error)
        self.line(test, "FAIL")
        sys.stderr.write(self.errors[-1][1] + "\n")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            self.line(subtest, "FAIL")
            sys.stderr.write((self.failures or self.errors)[-1][1] + "\n")

    def addExpectedFailure(self, test, error):
        self.line(test, "ok")

    def addUnexpectedSuccess(self, test):
        self.line(test, "FAIL")


if __name__ == "__main__":
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.chdir(tempfile.mkdtemp(prefix="suite"))
    names = sys.argv[2:] or ["test." + sys.argv[1]]
    unittest.defaultTestLoader.loadTestsFromNames(names).run(Lines())
    out.flush()
    os._exit(0)
