#!/usr/bin/env python3
"""complete.py SHELL SETUP LINE: types LINE and a TAB into a shell at a terminal and prints what the line has become.

SHELL is bash or zsh; SETUP is the line that loads the completion.
"""
import os, re, sys
from pty_session import Session

shell, setup, line = sys.argv[1:]
env = dict(os.environ, TERM="dumb", PS1="ready> ", INPUTRC="/dev/null", HISTFILE="")
argv = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
session = Session(argv, columns=400, env=env)
if shell == "bash":
    session.type("bind 'set enable-bracketed-paste off'\n")
else:
    session.type("PS1='ready> '; unsetopt zle_bracketed_paste; unset zle_bracketed_paste\n")
session.type(setup + "; echo set''up\n")
session.wait("setup\r?\n")
session.wait("ready> ")
session.type(line + "\t")
# A key that completion never sees: the shell is through with the TAB when it shows the text typed afterwards.
session.type("@@")
match = session.wait(r"([^\r\n]*)@@")
session.kill()
text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07|.\x08", "", match.group(1))
print(text.split("ready> ")[-1].strip())
