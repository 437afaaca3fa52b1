#!/usr/bin/env bash
# What a person sees at a terminal: pages of a search, progress, a password that is not shown; and what pipes get instead.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/registry.sh"
start_bad_registry
at_terminal() { PYTHONPATH="$SUPPORT" UDOCKER="$UDOCKER" BAD="$BAD" WORK="$WORK" timeout 100 python3 - <<P
import os, re, sys
from pty_session import Session
udocker, bad, work = os.environ["UDOCKER"], os.environ["BAD"], os.environ["WORK"]
prompt = r"\[return or q to quit\]"
def rows(text): return re.findall(r"^(hit[0-9]+) ", text.replace("\r", ""), re.M)
$1
P
}
search="[udocker, \"search\", \"--index=http://\" + bad + \"/new\", \"tool\"]"
check "search stops after each page" at_terminal "
s = Session($search)
page = s.wait(r'(?s)(.*)' + prompt).group(1)
assert len(rows(page)) == 22 and 'NAME' in page, page
s.type('\n')
page = s.wait(r'(?s)(.*)' + prompt).group(1)
assert len(rows(page)) == 22, page
s.type('\n')
page, status = s.rest()
assert len(rows(page)) == 6 and status == 0, (page, status)"
for key in q Q e E; do
  check "search: $key ends it" at_terminal "
s = Session($search)
s.wait(prompt)
s.type('$key\n')
page, status = s.rest()
assert not rows(page) and status == 0, (page, status)"
done
check "search: pages are as long as the terminal" at_terminal "
s = Session($search, rows=12)
assert len(rows(s.wait(r'(?s)(.*)' + prompt).group(1))) in (10, 22)
s.kill()"
check "search -a does not stop" at_terminal "
page, status = Session($search[:2] + ['-a'] + $search[2:]).rest()
assert len(rows(page)) == 50 and status == 0, page"
check "search in a pipe does not stop" sh -c '[ "$("$1" -q search --index="http://$2/new" tool | grep -c ^hit)" = 50 ]' _ "$UDOCKER" "$BAD"

check "pull shows bytes, rate and layers" at_terminal "
s = Session([udocker, 'pull', bad + '/slow/image:1'])
s.wait(r'sha256:[0-9a-f]{12}  [0-9.]+[kM]?B of [0-9.]+[kM]?B  [0-9]+%')
s.wait(r'pulled [0-9.]+[kM]?B, [0-9] of 4 blobs done, [0-9.]+[kM]?B/s')
text, status = s.rest()
assert status == 0 and text.endswith('\x1b[2K'), repr(text)"
check_output "in a pipe: one line for each blob, nothing else" "$(printf 'Info: downloading layer\n%.0s' 1 2 3 4)" sh -c '"$1" pull "$2/plain/image:1" 2>&1 | cut -d" " -f1-3' _ "$UDOCKER" "$BAD"
tar -cf rootfs.tar -C / bin/busybox
for i in 1 2 3 4 5 6; do cat /bin/busybox; done > big && tar -cf rootfs.tar big
"$UDOCKER" -q import rootfs.tar x:1
"$UDOCKER" -q save -o saved.tar x:1
for command in "import - y:1:rootfs.tar" "import --tocontainer -:rootfs.tar" "load -i - z:saved.tar"; do
  check "${command%:*} shows how far it is" at_terminal "
feed = '(head -c 3000000 {0}; sleep 1; tail -c +3000001 {0}) | '.format('${command##*:}')
s = Session(['sh', '-c', feed + udocker + ' ${command%:*}'])
s.wait(r'[a-z]+ing [^\\r\\n]*[0-9.]+[kM]?B')
assert s.rest()[1] == 0"
done
python3 - <<'P'
import io, tarfile
with tarfile.open("many.tar", "w") as tar:
    for i in range(60000):
        info = tarfile.TarInfo("d%d/f%d" % (i % 300, i))
        info.size = 2048
        tar.addfile(info, io.BytesIO(b"x" * 2048))
P
"$UDOCKER" -q import many.tar many:1
check "create shows how far it is" at_terminal "
s = Session([udocker, 'create', 'many:1'])
s.wait(r'unpacking many:1  [0-9.]+[kM]?B')
assert s.rest()[1] == 0"
for command in "create x:1" "save -o s.tar x:1"; do
  check "$command leaves a clean line" at_terminal "
text, status = Session([udocker] + '$command'.split()).rest()
assert status == 0, repr(text)
assert not re.search(r'[0-9]%[^\x1b\r]*$', text), repr(text)"
done
check "login asks, and shows no password" at_terminal "
s = Session([udocker, 'login', '--registry=http://' + bad + '/needlogin'])
s.wait('username: ')
s.type('me\n')
s.wait('password: ')
s.type('secretword\n')
text, status = s.rest()
assert 'secretword' not in text and status == 0, (text, status)"
check "Ctrl-C at the password leaves the terminal as it was" at_terminal "
s = Session(['sh', '-c', udocker + ' login --username=me --registry=http://' + bad + '; stty -a | grep -o -- \"-*echo \"'])
s.wait('password: ')
s.type('\x03')
text, status = s.rest()
assert '-echo' not in text, text"
check "a program in a container has the terminal" at_terminal "
s = Session([udocker, '-q', 'run', 'hello', 'sh', '-c', 'test -t 0 && test -t 1 && echo terminal; read -r line; echo got \$line'])
s.wait('terminal')
s.type('word\n')
s.wait('got word')
assert s.rest()[1] == 0"
done_testing
