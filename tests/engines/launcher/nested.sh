#!/usr/bin/env bash
# The launcher inside a container of the launcher, with and without system calls refused, and the ptrace engine in it.
. "$(dirname "$0")/prepare.sh"
if ldd "$UDOCKER" 2>/dev/null | grep -q "=>"; then skip "needs the static program"; done_testing; exit 0; fi
mkdir -p "$R/in/root" && cp -r "$R/bin" "$R/lib" "$R/etc" "$R/in/root/" && mkdir -p "$R/in/root/proc" "$R/in/root/dev" "$R/in/root/sys" "$R/in/root/tmp"
cp "$UDOCKER" "$R/in/udocker-runc" && cp "$UDOCKER" "$R/in/udocker-proot"
mkdir "$R/in/vol" && echo inner > "$R/in/vol/f"
(R=/in/root; python3 "$HERE/bundle.py" "$WORK/root/in/b" /in/root \
  "l['uidMappings'][0]['hostID']=0;l['gidMappings'][0]['hostID']=0;l.pop('maskedPaths');l.pop('readonlyPaths');m.append({'destination':'/a/b','type':'none','source':'/in/vol','options':['rbind','ro']});m.append({'destination':'/etc/new','type':'none','source':'/in/vol/f','options':['bind']})" \
  -- sh -c 'cat /a/b/f /etc/new; id -u; echo $$; touch /a/b/x 2>&1 | grep -c -i read-only')
inner='/in/udocker-runc run --direct --work-dir /in --config /in/b/config.json'
caps() { echo "p['capabilities']={k:['CAP_SETFCAP','CAP_SETUID','CAP_SETGID','CAP_CHOWN','CAP_DAC_OVERRIDE','CAP_KILL'${1:-}] for k in ('bounding','effective','permitted','inheritable','ambient')}"; }
plain="l.pop('maskedPaths');l.pop('readonlyPaths');$(caps)"
deny() { python3 -c 'import sys; print("l[\"seccomp\"]={\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":%r,\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":%s}]}" % (sys.argv[2:], sys.argv[1]))' "$@"; }
before=$(find "$R/in" | sort | sha256sum)
want=$(printf 'inner\ninner\n0\n2\n1')
check_output "R1 in R1, root without CAP_SYS_ADMIN" "$want" direct "$plain" -- $inner
check_output "R1 in R1 with it" "$want" direct "$plain;$(caps ",'CAP_SYS_ADMIN'")" -- $inner
check_output "without openat2" "$want" direct "$plain;$(deny 38 openat2)" -- $inner
check_output "without the new mount calls" "$want" direct "$plain;$(deny 38 openat2 mount_setattr open_tree move_mount fsopen close_range)" -- $inner
check_output "openat2 refused as by old container filters" "$want" direct "$plain;$(deny 1 openat2)" -- $inner
hidden="$(caps);l['maskedPaths']=['/proc/keys','/proc/timer_list','/proc/acpi']"
check_output "below a hidden /proc the outer one is shown" "$(printf 'inner\ninner\n0\n2\n1')" direct "$hidden" -- $inner
check_match "as a plain runtime the refusal is explained" "refused to mount proc on /proc: .*Docker.*P1" \
  direct "$hidden" -- /in/udocker-runc --root /tmp/st run -b /in/b x
check_match "user namespaces refused: one sentence" "refused a user namespace: .*(Docker|seccomp).*P1" direct "$plain;$(deny 1 clone unshare clone3)" -- $inner
check_match "user namespaces switched off" "max_user_namespaces to 0; use .*P1" \
  unshare -Ur sh -c "echo 0 > /proc/sys/user/max_user_namespaces && exec '$RUNC' run --direct --config '$(bundle off 'l["uidMappings"][0]["hostID"]=0;l["gidMappings"][0]["hostID"]=0' -- true; echo "$WORK/off/config.json")'"
mkdir -p "$R/in/sys" && echo 1 > "$R/in/sys/one"
apparmor="m.append({'destination':'/proc/sys/kernel','type':'tmpfs','source':'tmpfs'});m.append({'destination':'/proc/sys/kernel/apparmor_restrict_unprivileged_userns','type':'bind','source':'$R/in/sys/one','options':['bind']})"
check_match "AppArmor takes their rights away" "refused to mount .*AppArmor takes the rights.*apparmor_restrict_unprivileged_userns is 1.*P1" direct "$plain;$apparmor;$(deny 13 mount)" -- $inner
check_match "AppArmor refuses them" "refused a user namespace: AppArmor allows them to named programs.*P1" direct "$plain;$apparmor;$(deny 13 clone)" -- $inner
rm -r "$R/in/sys"
check_match "root without SETFCAP" "capability SETFCAP" direct "l.pop('maskedPaths')" -- $inner
check_match "no ids to map" "refused to map ids|must belong|newuidmap" direct "$plain" -- sh -c "sed 's/\"size\": 1/\"size\": 5/g' /in/b/config.json > /tmp/c.json; /in/udocker-runc run --direct --config /tmp/c.json; rm /tmp/c.json"
check_output "the ptrace engine in R1" inner direct "$plain" -- /in/udocker-proot -r /in/root -b /in/vol:/v /bin/cat /v/f
cp "$UDOCKER" "$R/in/udocker"; cp "$(need_image musl.tar)" "$R/in/musl.tar"
for m in R1 R2 R3 P1; do
  check_output "udocker run in $m below a hidden /proc" "0 root" direct "$hidden;p['env']+=['UDOCKER_DIR=/in/store','TMPDIR=/tmp']" -- sh -c "u='/in/udocker --allow-root -q'; \$u import --tocontainer --name=c /in/musl.tar >/dev/null 2>&1; \$u run --nobanner --execmode=$m c sh -c 'echo \$(id -u) \$(head -c 4 /etc/passwd)'"
done
chmod -R u+rwX "$R/in/store"; rm -rf "$R/in/store" "$R/in/udocker" "$R/in/musl.tar"
check_same "nothing is left" "$before" "$(find "$R/in" | sort | sha256sum)"
done_testing
