# Run inside the virtual machine as an ordinary user: one line per check, `ok` or `FAIL`. A second time with an argument
# where user namespaces are switched off.
cd /tmp/home || exit 1
export HOME=/tmp/home UDOCKER_LOGLEVEL=1
check() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAIL $1: expected '$2', got '$3'"; fi; }
run() { timeout 100 udocker run --nobanner -v /tmp/home/data:/data "$@" 2>&1; echo "status $?"; }
want='from-host
aarch64 0
/
status 7'
script='cat /data/f; echo $(uname -m) $(id -u); cd /; pwd; exit 7'
if [ $# != 0 ]; then
  check "doctor: auto takes T1 where namespaces are refused" "Mode auto takes T1 here." "$(udocker doctor | while read -r line; do case $line in "Mode auto"*) echo "$line" ;; esac; done)"
  check "auto: the trap engine" "Seccomp: 2" "$(udocker run --nobanner --execmode=auto c sh -c 'cat /proc/self/status' | while read -r name value; do case $name in Seccomp:) echo "$name $value" ;; esac; done)"
  check "auto: static program" "$want" "$(run --execmode=auto c sh -c "$script")"
  exit
fi
ln -s /bin/udocker udocker-trap
check "T2: waits for process groups" "0 bad" "$(timeout 100 ./udocker-trap -r / /probes/groups 2>&1)"  # first: by small numbers
check "unit test of locks between processes" yes "$(case "$(/unit_tests --gtest_brief=1 --gtest_filter=Store.LocksCountRight 2>&1)" in *'PASSED  ] 1 test.'*) echo yes ;; esac)"
udocker create --name=c hello > /dev/null
tar -C /glibc -cf glibc.tar . && udocker import --tocontainer --name=g glibc.tar > /dev/null
mkdir data && echo from-host > data/f
for mode in P1 P2 T1 T2 R1 R2 R3; do
  check "$mode: static program" "$want" "$(run --execmode=$mode c sh -c "$script")"
  check "$mode: files made, moved, linked" "$(printf 'made\nstatus 0')" "$(run --execmode=$mode c sh -c 'echo made > /tmp/a && mv /tmp/a /tmp/b && ln -s b /tmp/c && cat /tmp/c && rm /tmp/b /tmp/c')"
  check "$mode: dynamic program" "$(printf 'dynamic from-host\nstatus 7')" "$(run --execmode=$mode g /bin/dynamic)"
done
for mode in F1 F3; do
  udocker setup --execmode=$mode g
  check "$mode: dynamic program" "$(printf 'dynamic from-host\nstatus 7')" "$(run g /bin/dynamic)"
  check "$mode: static program, by the trap engine" "$(printf 'from-host\n2\nstatus 7')" "$(run g /bin/sh -c 'cat /data/f; while read -r name value; do case $name in Seccomp:) echo $value ;; esac; done < /proc/self/status; exit 7')"
done
udocker setup --execmode=P1 g
doctor=$(udocker doctor)
check "doctor: T1 works as T2" yes "$(case $doctor in *"T1  works as T2, for patched copies are made on x86_64 only"*"T2  works"*) echo yes ;; esac)"
check "auto" "$want" "$(run --execmode=auto c sh -c "$script")"

# The trap engine by itself, on a root with glibc.
cp -a /glibc root && mkdir -p root/proc root/dev root/tmp root/probe/in out && cp /probes/* root/probe/ && echo secret > out/outside && chmod 777 out/outside
cp root/probe/probe root/probe/in/file && ln -s /probe/in/file root/probe/link && ln -s ../in/file root/probe/in/link
ln -s /probe/in root/probe/dirlink && ln -s /tmp/home/out/outside root/probe/out
trap_on() { timeout 200 ./udocker-trap --kill-on-exit -b /proc -b /dev -r /tmp/home/root "$@" 2>&1; }
for kind in "" -dynamic; do
  check "T2: signals$kind" "signals: all good" "$(trap_on /probe/signals$kind)"
  check "T2: signals, threads, forks and execs together$kind" calls "$(trap_on /probe/stress$kind 3 | while read -r first rest; do echo "$first"; done)"
done
check "T2: calls keep registers" "0 -14 kept" "$(trap_on /probe/registers)"
for what in traceme signals seize attach step threads waitids handlers exitkill; do
  timeout 60 /probes/tracer $what > native 2>&1
  check "T2: tracer $what" "$(cat native)" "$(trap_on /probe/tracer $what)"
done
for ids in "" -0; do
  check "T2: no call escapes, none is wrongly refused${ids:+, emulated root}" yes "$(case "$(trap_on $ids -w / /probe/probe /tmp/home/out/outside)" in *" 0 bad") echo yes ;; esac)"
done
check "T2: every number: no call escapes" yes "$(case "$(trap_on -w / /probe/numbers escape /tmp/home/out/outside /tmp/home/out/nothing)" in *" 0 bad") echo yes ;; esac)"
check "T2: emulated root and user" "0 33 34" "$(trap_on -0 /bin/id -u) $(trap_on -i 33:34 /bin/id -u) $(trap_on -i 33:34 /bin/id -g)"
trap_on /bin/sh -c 'kill -TERM $$' > /dev/null
check "T2: killed by a signal" 143 $?
mkdir nested && cp /bin/udocker nested/udocker-trap
check "T2: in itself" inner "$(trap_on -b /tmp/home/nested:/nested /nested/udocker-trap -r / /bin/sh -c 'echo inner')"
