#!/usr/bin/env python3
"""peak.py COMMAND...: runs it, then prints its peak memory in MB on stdout; its own output goes to stderr."""
import os
import resource
import subprocess
import sys

status = subprocess.call(sys.argv[1:], stdout=2)
print("%.1f" % (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
sys.exit(status)
