#!/usr/bin/env bash
# A host without resolver and route: everything but pull and search works, those say at once what they lack.
. "$(dirname "$0")/../support/support.sh"
if [ -z "${AIRGAP:-}" ]; then
  AIRGAP=1 UDOCKER_TEST_HOME=$WORK exec unshare --user --map-current-user --net bash "$0"
fi
check_same "there is no network" "lo" "$(ls /sys/class/net 2>/dev/null | tr -d '\n' | grep -x lo || python3 -c 'import socket; print("".join(n for _, n in socket.if_nameindex()))')"
u() { timeout -k 2 30 "$UDOCKER" -q "$@"; }
check "version" u version
check "doctor" u doctor
check "load" u load -i "$(need_image busybox.docker.tar)"
check_match "images" busybox:test u images
check "create" u create --name=c busybox:test
for mode in P1 T1 F1 R1; do
  check_output "run, mode $mode" ok u run --nobanner --execmode=$mode c echo ok
  check "its own name is known without a name server, mode $mode" u run --nobanner --execmode=$mode c sh -c 'test -s /etc/hosts'
done
check_output "run of an image" ok u run --nobanner --rm busybox:test echo ok
check_output "the carried image" ok u run --nobanner --rm hello echo ok
check "save" u save -o saved.tar busybox:test
check "export" u export -o exported.tar c
check "export --clone" u export --clone -o cloned.tar c
check "clone" u clone --name=d c
check "verify" u verify busybox:test
check "install" u install
check "bundle" u bundle -o app busybox:test
export UDOCKER_DIR="$WORK/other-host"
check "load on another host" u load -i saved.tar
check_output "and run" 'NAME="musl test"' u run --nobanner --rm busybox:test cat /etc/os-release
check "import" u import exported.tar imported:1
check "import to a container" u import --tocontainer --name=e exported.tar
check "import --clone" u import --tocontainer --clone --name=f cloned.tar
check_output "and run it" ok u run --nobanner f echo ok
check_output "the bundle" ok ./app echo ok
for what in "pull somewhere.invalid/a/b:1" "pull library/alpine" "run --nobanner library/alpine" "search alpine" "search --list-tags alpine" \
            "login --username=a --password=b" "manifest inspect library/alpine"; do
  # shellcheck disable=SC2086
  timeout -k 2 60 strace -f -o calls -e trace=connect,sendto,poll,ppoll "$UDOCKER" $what > said 2>&1
  check_match "without a network it says so: $what" "no route leads to a name server" cat said
  check_same "and asks nobody" "" "$(grep -E 'sendto\(.*sin_port=htons\(53\)' calls)"
done
done_testing
