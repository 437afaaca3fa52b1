# Run inside the virtual machine as an ordinary user: one line per check, `ok` or `FAIL`.
cd /tmp/home || exit 1
export HOME=/tmp/home UDOCKER_LOGLEVEL=1
check() { if [ "$2" = "$3" ]; then echo "ok $1"; else echo "FAIL $1: expected '$2', got '$3'"; fi; }
check "unit test of locks between processes" yes "$(case "$(/unit_tests --gtest_brief=1 --gtest_filter=Store.LocksCountRight 2>&1)" in *'PASSED  ] 1 test.'*) echo yes ;; esac)"
udocker create --name=c hello > /dev/null
tar -C /glibc -cf glibc.tar . && udocker import --tocontainer --name=g glibc.tar > /dev/null
mkdir data && echo from-host > data/f
run() { timeout 100 udocker run --nobanner -v /tmp/home/data:/data "$@" 2>&1; echo "status $?"; }
want='from-host
aarch64 0
/
status 7'
for mode in P1 P2 R1 R2 R3; do
  check "$mode: static program" "$want" "$(run --execmode=$mode c sh -c 'cat /data/f; echo $(uname -m) $(id -u); cd /; pwd; exit 7')"
  check "$mode: files made, moved, linked" "$(printf 'made\nstatus 0')" "$(run --execmode=$mode c sh -c 'echo made > /tmp/a && mv /tmp/a /tmp/b && ln -s b /tmp/c && cat /tmp/c && rm /tmp/b /tmp/c')"
  check "$mode: dynamic program" "$(printf 'dynamic from-host\nstatus 7')" "$(run --execmode=$mode g /bin/dynamic)"
done
for mode in F1 F3; do
  udocker setup --execmode=$mode g
  check "$mode: dynamic program" "$(printf 'dynamic from-host\nstatus 7')" "$(run g /bin/dynamic)"
done
udocker setup --execmode=P1 g
check "doctor knows that T is for x86_64" yes "$(udocker doctor | tr -d '\n' | case "$(cat)" in *"T1  lacks the trap engine"*) echo yes ;; esac)"
check "auto" "$want" "$(run --execmode=auto c sh -c 'cat /data/f; echo $(uname -m) $(id -u); cd /; pwd; exit 7')"
