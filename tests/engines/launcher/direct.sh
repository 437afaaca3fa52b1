#!/usr/bin/env bash
# The launcher as `udocker run` uses it: volumes anywhere, nothing left behind, signals, status, streams.
. "$(dirname "$0")/prepare.sh"
echo from-host > file && mkdir -p dir/sub && echo inner > dir/sub/f
before=$(listing)
mounts() { python3 - "$@" <<'P'
import sys
print(";".join("m.append({'destination':%r,'type':'none','source':%r,'options':['rbind','nosuid','nodev']+%r})" % (a.split(':')[1], a.split(':')[0], a.split(':')[2:]) for a in sys.argv[1:]))
P
}

check_output "a program runs" hello direct -- echo hello
check_status 7 "its status" direct -- sh -c 'exit 7'
check_status 143 "a signal it sends to itself" direct -- sh -c 'kill -TERM $$'
check_status 137 "SIGKILL" direct -- sh -c 'kill -KILL $$'
check_status 127 "a program that is not there" direct -- /no/such
check_status 126 "a program that is not executable" direct -- /etc/passwd
check_match "the message names it" "/no/such" direct -- /no/such
check_same "standard input" text "$(echo text | direct -- cat)"
check_same "bytes" "$(head -c 200000 "$UDOCKER" | sha256sum)" "$(head -c 200000 "$UDOCKER" | direct -- cat | sha256sum)"
check_same "descriptors pass" "from fd 5" "$(echo from fd 5 > fd5; direct -- sh -c 'cat <&5' 5<fd5)"
closed='for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && echo -n "$n " >&5; done'
check_same "closed standard descriptors stay closed" "1 2 ,0 2 ,0 1 ," "$(direct -- sh -c "$closed" 5>&1 <&-; echo -n ,; direct -- sh -c "$closed" 5>&1 >&-; echo -n ,; direct -- sh -c "$closed" 5>&1 2>&-; echo -n ,)"
check_output "root in the container" 0 direct -- id -u
check_output "another user" "1234 77" direct 'p["user"].update(uid=1234,gid=77);l["uidMappings"][0]["containerID"]=1234;l["gidMappings"][0]["containerID"]=77' -- sh -c 'echo $(id -u) $(id -g)'
check_output "host name" box direct -- cat /proc/sys/kernel/hostname
check_output "its own process ids" "2" direct -- sh -c 'echo $$'
check_output "the root is the root" "bin dev etc lib proc root sys tmp usr" direct -- sh -c 'echo $(ls /)'
check_output "a directory over a missing path" inner direct "$(mounts "$WORK/dir:/a/b/c")" -- cat /a/b/c/sub/f
check_output "a file over a missing path" from-host direct "$(mounts "$WORK/file:/etc/x/y")" -- cat /etc/x/y
check_output "a file over a file" from-host direct "$(mounts "$WORK/file:/etc/passwd")" -- cat /etc/passwd
check_output "a volume inside a volume" inner direct "$(mounts "$WORK/dir:/v" "$WORK/dir:/v/sub")" -- cat /v/sub/sub/f
check_output "a missing path inside a volume" inner direct "$(mounts "$WORK/dir:/v" "$WORK/dir:/v/new/x")" -- cat /v/new/x/sub/f
check_same "leaves the volume alone" "sub" "$(ls dir)"
check_output "below a tmpfs" inner direct "m.append({'destination':'/t/u','type':'tmpfs','source':'tmpfs'});$(mounts "$WORK/dir:/t/u/v/w")" -- cat /t/u/v/w/sub/f
ln -s ../nowhere/resolv.conf "$R/etc/resolv.conf"; ln -s /usr "$R/linkdir"
linked=$(listing)
check_output "a file over a link that leads nowhere" from-host direct "$(mounts "$WORK/file:/etc/resolv.conf")" -- cat /etc/resolv.conf
check_output "a directory through a link" inner direct "$(mounts "$WORK/dir:/linkdir/new")" -- cat /usr/new/sub/f
check_same "nothing is left behind by any of these" "$linked" "$(listing)"
rm "$R/etc/resolv.conf" "$R/linkdir"
check_match "read-only" "[Rr]ead-only" direct "$(mounts "$WORK/dir:/v:ro")" -- touch /v/x
check_match "read-only below a missing path" "[Rr]ead-only" direct "$(mounts "$WORK/dir:/v/w:rro")" -- touch /v/w/x
check_match "a directory over a file is refused" "target is a file" direct "$(mounts "$WORK/dir:/etc/passwd")" -- true
check_match "a file over a directory is refused" "target is a directory" direct "$(mounts "$WORK/file:/etc")" -- true
check_match "a missing source is named" "there is no .*/gone" direct "$(mounts "$WORK/gone:/v")" -- true
check "the guest writes beside mount points" direct "$(mounts "$WORK/dir:/v" "$WORK/file:/etc/new")" -- sh -c 'echo 1 > /etc/made && mkdir /top && echo 2 > /top/f && mv /etc/made /etc/moved'
check_same "and it stays" "1 2" "$(cat "$R/etc/moved" "$R/top/f" | xargs)"
rm -r "$R/etc/moved" "$R/top"
check_same "nothing is left in the root" "$before" "$(listing)"
check_same "nor in the work folder" "" "$(ls -A | grep udocker-work)"
mkdir -p .udocker-work-999999999/0/work ".udocker-work-$$" && chmod 0 .udocker-work-999999999/0/work
check "after a launcher was killed" direct "$(mounts "$WORK/dir:/v")" -- true
check_same "its work folder goes, that of a living one stays" ".udocker-work-$$" "$(ls -A | grep udocker-work)"
rmdir ".udocker-work-$$"
mkdir .udocker-work-999999999-abcdef .udocker-work-999999999-locked
exec 9< .udocker-work-999999999-locked && flock -s 9
check "after a launcher was killed, beside one of another host" direct "$(mounts "$WORK/dir:/v")" -- true
check_same "the other's work folder stays" .udocker-work-999999999-locked "$(ls -A | grep udocker-work)"
exec 9<&-
rmdir .udocker-work-999999999-locked
check_match "a read-only root" "[Rr]ead-only" direct 'c["root"]["readonly"]=True' -- touch /x
check_match "also below a missing volume" "[Rr]ead-only" direct "c['root']['readonly']=True;$(mounts "$WORK/dir:/v")" -- sh -c 'cat /v/sub/f && touch /etc/x'

# where no overlay can be had: a tmpfs shows the directory's entries
bare() { bundle bare "$@" && "$RUNC" run --direct --config "$WORK/bare/config.json"; }
both=$(mounts "$WORK/dir:/v/w" "$WORK/file:/etc/new")
check_output "without an overlay: volumes" "inner from-host" bare "$both" -- sh -c 'echo $(cat /v/w/sub/f /etc/new)'
check_output "the other entries" "bin dev etc lib proc root sys tmp usr v" bare "$both" -- sh -c 'echo $(ls /)'
check "writing below" bare "$both" -- sh -c 'echo 1 > /tmp/made && cat /etc/passwd >/dev/null && rm /tmp/made'
check_match "writing beside the mount point is refused, not lost" "[Rr]ead-only" bare "$both" -- touch /etc/lost
check_same "nothing is left here either" "$before" "$(listing)"

# signals, several runs, memory
bundle wait -- sh -c 'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.05; done'
"$RUNC" run --direct --config wait/config.json > out & pid=$!
wait_for grep -q ready out
rss() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
child=$(pgrep -P $pid)
ldd "$UDOCKER" 2>/dev/null | grep -q "=>" && limit=8192 || limit=2048  # shared libraries belong to a build with the host's libc only
for p in $pid $child; do
  [ "$(rss $p)" -lt $limit ] && ok || fail "a waiting launcher is larger than 2 MB: $(rss $p) kB"
done
kill -TERM $pid; wait $pid
check_same "a signal is passed on" "9 got" "$? $(tail -1 out)"
bundle long -- sleep 100
"$RUNC" run --direct --config long/config.json & pid=$!
wait_for pgrep -P $pid; child=$(pgrep -P $pid)
kill -KILL $pid; wait $pid 2>/dev/null
ended() { ! grep -q "^State:[[:space:]][^Z]" "/proc/$1/status" 2>/dev/null; }
check "nothing survives the launcher" wait_for ended "$child"
for i in 1 2 3 4 5 6; do bundle many$i "$(mounts "$WORK/dir:/many/$i")" -- sh -c "sleep 0.2; ls /many"; done
out=$(for i in 1 2 3 4 5 6; do "$RUNC" run --direct --work-dir "$WORK" --config many$i/config.json & done; wait)
check_same "six runs at once" "1 2 3 4 5 6" "$(echo "$out" | sort | xargs)"
check_same "and the root is as before" "$before" "$(listing)"
check_output "a script without #! runs" 5 sh -c 'echo "echo 5" > "$0/bin/plain"; chmod +x "$0/bin/plain"; "$1" run --direct --config "$2"; rm "$0/bin/plain"' "$R" "$RUNC" "$(bundle plain -- /bin/plain; echo "$WORK/plain/config.json")"
check_output "configuration on standard input" hello sh -c '"$0" run --direct --config - < "$1"' "$RUNC" "$(bundle in -- echo hello; echo "$WORK/in/config.json")"
done_testing
