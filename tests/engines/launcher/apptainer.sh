#!/usr/bin/env bash
# S1: the command line and environment given to apptainer, seen by a stand-in; the message when there is none.
. "$(dirname "$0")/../../support/support.sh"
check "a container" "$UDOCKER" -q import --tocontainer --name=c "$(need_image musl.tar)"
root=$("$UDOCKER" inspect -p c)
mkdir bin vol
cat > bin/apptainer <<'P'
#!/bin/sh
case "$*" in
  help) echo "  -q, --quiet   suppress normal output"; echo "  -s, --silent   only print errors" ;;
  "help exec") echo "      --fakeroot   run in fakeroot mode" ;;
  *) printf '%s\n' "$@" > "$RECORD.args"; env > "$RECORD.env"; exit 17 ;;
esac
P
chmod +x bin/apptainer
export RECORD=$WORK/record
PATH=$WORK/bin:$PATH
check_status 17 "its status is passed on" "$UDOCKER" -q run --nobanner --execmode=S1 -v "$WORK/vol:/data" -e SOME=thing -w /tmp c echo a 'b c'
check_match "quiet" '^--silent$' head -1 record.args
check_match "exec" '^exec$' sed -n 2p record.args
check_match "working directory" '^--pwd;/tmp;' sh -c 'paste -sd";" record.args | grep -o -- "--pwd.*"'
check_match "a volume" ";-B;$WORK/vol:/data;" sh -c 'paste -sd";" record.args'
check_match "its own home and temporary folders" ";--home;$root/root:/root;-B;$root/tmp:/tmp;-B;$root/var/tmp:/var/tmp;$root;" sh -c 'paste -sd";" record.args'
check_match "the program, resolved" ';/bin/echo;a;b c$' sh -c 'paste -sd";" record.args'
check_same "in this order" "--silent;exec;-w;--pwd;/tmp;-B;$WORK/vol:/data;--home;$root/root:/root;-B;$root/tmp:/tmp;-B;$root/var/tmp:/var/tmp;$root;/bin/echo;a;b c" \
  "$(paste -sd';' record.args | sed -E 's#;--fakeroot;#;#;s#(/data);(-B;[^;]*;)+--home#\1;--home#')"
check_match "environment" '^SINGULARITYENV_SOME=thing$' cat record.env
check "volumes on the standard places win" sh -c '"$0" -q run --nobanner --execmode=S1 -v "$1:/tmp" c true; [ $? = 17 ] && ! grep -q "ROOT/tmp:/tmp" record.args' "$UDOCKER" "$WORK/vol"
check_match "another user is warned of" "running as another user not supported" "$UDOCKER" run --nobanner --execmode=S1 --user=4321 c true
rm bin/apptainer
if ! command -v apptainer >/dev/null && ! command -v singularity >/dev/null; then
  check_match "the message without it" "apptainer or singularity.*not found.*P1" "$UDOCKER" -q run --execmode=S1 c true
fi
done_testing
