#!/usr/bin/env bash
# Containers taken to another host: the manual's recipe (section 6.3) as it is printed, with tar and ssh; and F modes.
. "$(dirname "$0")/../support/support.sh"
port=$(free_port) user=$(id -un) there=$WORK/remote
mkdir -p ssh "$there" && chmod 700 ssh
ssh-keygen -q -t ed25519 -N '' -f ssh/host && ssh-keygen -q -t ed25519 -N '' -f ssh/id
cp ssh/id.pub ssh/authorized
# The other host is this one with another home: a forced command sets it and runs what was asked for.
printf '#!/bin/sh\nunset UDOCKER_DIR\nexport HOME=%s PATH=%s/bin:$PATH\ncd\nexec sh -c "$SSH_ORIGINAL_COMMAND"\n' "$there" "$WORK" > ssh/enter && chmod 755 ssh/enter
cat > ssh/sshd_config <<C
Port $port
ListenAddress 127.0.0.1
HostKey $WORK/ssh/host
PidFile $WORK/ssh/sshd.pid
AuthorizedKeysFile $WORK/ssh/authorized
StrictModes no
UsePAM no
ForceCommand $WORK/ssh/enter
C
/usr/sbin/sshd -f "$WORK/ssh/sshd_config" -E "$WORK/ssh/log"
CLEANUP+=("kill \$(cat '$WORK/ssh/sshd.pid')")
cat > ssh/config <<C
Host otherhost
  HostName 127.0.0.1
  Port $port
  User $user
  IdentityFile $WORK/ssh/id
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
C
mkdir bin && cp "$UDOCKER" bin/udocker
printf '#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh/config "$@"\n' "$WORK" > bin/ssh && chmod 755 bin/ssh
export PATH="$WORK/bin:$PATH" UDOCKER_LOGLEVEL=1
wait_for ssh otherhost true

check "load" udocker load -i "$(need_image busybox.docker.tar)"
check "create" udocker create --name=MyContainer busybox:test
echo brought > "$(udocker inspect -p MyContainer)/etc/mark"
# --- the manual's words
recipe() {
MYC_ROOT=$(udocker inspect -p MyContainer)
MYC_PATH=$(dirname $MYC_ROOT)
MYC_ID=$(basename $MYC_PATH)
MYC_DIR=$(dirname $MYC_PATH)
cd $MYC_DIR; tar cvf - $MYC_ID | ssh "$user@otherhost" "udocker install ; cd ~/.udocker/containers; tar xf -"
ssh "$user@otherhost" "udocker name $MYC_ID MyContainer; udocker run MyContainer $*"
}
# ---
check_match "the recipe of the manual" "^brought$" recipe cat /etc/mark
check_output "it stays there" brought ssh otherhost "udocker run --nobanner MyContainer cat /etc/mark"
check_match "under its name" MyContainer ssh otherhost "udocker ps"
check_output "by import and export" brought bash -c 'udocker export --clone MyContainer | ssh otherhost "udocker import --tocontainer --clone --name=second - >/dev/null && udocker run --nobanner second cat /etc/mark"'
check_output "an image by save and load" 'NAME="musl test"' bash -c 'udocker save -o - busybox:test | ssh otherhost "udocker load -i - >/dev/null && udocker run --nobanner --rm busybox:test cat /etc/os-release"'
cd "$WORK" || exit 1
for mode in F1 F2 F3 F4; do
  check "$mode here" udocker create --name=$mode busybox:test
  check "set up $mode" udocker setup --execmode=$mode $mode
  check_output "$mode works here" "musl 0 17" udocker run --nobanner $mode musl-stat /etc/os-release
  root=$(udocker inspect -p $mode) id=$(basename "$(dirname "$(udocker inspect -p $mode)")")
  tar -C "$(dirname "$(dirname "$root")")" -cf - "$id" | ssh otherhost "cd ~/.udocker/containers && tar xf - && udocker name $id $mode"
  said=$(ssh otherhost "udocker run --nobanner $mode musl-stat /etc/os-release" 2>&1)
  if [ "$said" != "musl 0 17" ]; then
    command=$(printf '%s' "$said" | grep -o 'setup --execmode=[^`;]*--force')
    check_match "$mode moved: refused with the command to type" "moved.*setup --execmode=$mode.*--force" echo "$said"
    check "$mode: the command" ssh otherhost "udocker ${command% --force} --force $mode"
  fi
  check_output "$mode works there" "musl 0 17" ssh otherhost "udocker run --nobanner $mode musl-stat /etc/os-release"
done
done_testing
