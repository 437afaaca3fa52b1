# Sourced by the launcher's suites: $RUNC (our program under its name), $R (a small root), bundle(), ours(), direct().
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../../support/support.sh"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RUNC=$WORK/udocker-runc
ln -s "$UDOCKER" "$RUNC"
R=$WORK/root
mkdir "$R" && tar -C "$R" --no-same-owner -xf "$(need_image musl.tar)"
for tool in $("$R/bin/busybox" --list); do [ -e "$R/bin/$tool" ] || ln -s busybox "$R/bin/$tool"; done
# bundle NAME [SNIPPET] -- args: a bundle in $WORK/NAME
bundle() { local name=$1; shift; if [ "$1" = -- ]; then set -- "" "$@"; fi; python3 "$HERE/bundle.py" "$WORK/$name" "$R" "$@"; }
ours() { "$RUNC" --root "$WORK/state" "$@"; }
quietly() { "$@" > quiet.log 2>&1 < /dev/null; }  # for what leaves processes behind that keep the output open
# direct [SNIPPET] -- args: the way `udocker run` starts it
direct() { bundle direct "$@" && "$RUNC" run --direct --work-dir "$WORK" --config "$WORK/direct/config.json"; }
listing() { find "$R" -printf '%p %y %m %s\n' | sort | sha256sum; }
# "$RUNC" run --direct is probed once: without user namespaces on this host nothing here can be tested
if ! unshare -Urm true 2>/dev/null; then skip "no user namespaces on this host"; done_testing; exit 0; fi
