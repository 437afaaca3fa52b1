#!/usr/bin/env bash
# The launcher under its name runc serves Podman, rootless: what Podman's own tests of a runtime would look at.
. "$(dirname "$0")/prepare.sh"
S=$(mktemp -d /tmp/pod.XXXXXX)  # Podman wants short names for its run-time files
export XDG_RUNTIME_DIR=$S/run
mkdir "$S/run"
podman=(podman --log-level=error --root "$S/store" --runroot "$S/root" --tmpdir "$S/tmp" --cgroup-manager=cgroupfs --events-backend=file --storage-driver=vfs --runtime "$RUNC")
pod() { timeout 120 "${podman[@]}" "$@"; }
# Podman leaves a process that holds its user namespace.
CLEANUP+=('pod rm -af' 'kill $(find "$S" -name pause.pid -exec cat {} \;)' 'chmod -R u+rwX "$S"; rm -rf "$S"')
once() { pod run --rm --network=host "$@"; }
mkdir vol && echo v > vol/f
check_output "a program" "hello" once --rootfs "$R" echo hello
check_status 3 "its status" once --rootfs "$R" sh -c 'exit 3'
check_status 127 "no such program" once --rootfs "$R" nosuch
check_status 126 "not executable" once --rootfs "$R" /etc/passwd
check_same "standard input" in "$(echo in | once -i --rootfs "$R" cat)"
check_output "another user and groups" "5 6 6 7" once --user 5:6 --group-add 7 --rootfs "$R" sh -c 'echo $(id -u) $(id -g) $(id -G)'
check_output "its seccomp profile and capabilities" "2 chown: /tmp/x: Operation not permitted" once --cap-drop CHOWN --rootfs "$R" sh -c 'touch /tmp/x; echo $(grep Seccomp: /proc/self/status | cut -f2) $(chown 5 /tmp/x 2>&1); rm /tmp/x'
check_output "limits, sizes, names, sysctl" "77 1024 zed 4096" once --ulimit nofile=77:99 --shm-size 1m --hostname zed --sysctl kernel.msgmax=4096 --rootfs "$R" sh -c 'echo $(ulimit -n) $(df /dev/shm | tail -1 | tr -s " " | cut -d" " -f2) $(hostname) $(cat /proc/sys/kernel/msgmax)'
check_output "volumes, a read-only root, tmpfs" "v refused refused ok" sh -c '"$@" | xargs' _ timeout 120 "${podman[@]}" run --rm --network=host -v "$WORK/vol:/mnt:ro" --read-only --tmpfs /tmp --rootfs "$R" sh -c 'cat /mnt/f; for f in /mnt/x /x; do touch $f 2>/dev/null || echo refused; done | xargs; touch /tmp/y && echo ok' 
check_match "a terminal" "/dev/pts/0" once -t --rootfs "$R" tty
check "detached" pod run -d --name d1 --network=host --rootfs "$R" sh -c 'trap "exit 8" TERM; while :; do sleep 0.1; done'
check_status 4 "exec" pod exec d1 sh -c 'exit 4'
check_match "top" "sleep|sh -c" pod top d1
check "stop" pod stop -t 20 d1
check_output "its status" 8 pod inspect --format '{{.State.ExitCode}}' d1
check "rm" pod rm d1
done_testing
