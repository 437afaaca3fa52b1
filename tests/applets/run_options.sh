#!/usr/bin/env bash
# Every option of run in each engine: it does what it says, or a warning says that it cannot.
. "$(dirname "$0")/../compat/common.bash"
make_roots
make_image glibc small --config.cmd ls --config.workingdir /home/user
tar -C "$WORK/oci/small" -cf small.tar .
"$UDOCKER" -q load -i small.tar small >/dev/null
"$UDOCKER" -q create --name=c small:latest >/dev/null
for mode in F1 F2 F3 F4; do
  "$UDOCKER" -q create --name=f$mode small:latest >/dev/null
  "$UDOCKER" -q setup --execmode=$mode f$mode
done
mkdir vol; echo shown > vol/file
me=$(id -un) home=$(getent passwd "$(id -u)" | cut -d: -f6)
printf 'FROM_FILE=1\n' > env.list
export FROM_HOST=here

for mode in P1 P2 T1 F1 F2 F3 F4 R1; do
  case $mode in F*) c=f$mode words=() ;; *) c=c words=(--execmode=$mode) ;; esac
  r() { UDOCKER_LOGLEVEL=2 "$UDOCKER" run "${words[@]}" "$@" 2>&1; }
  # works "option" "expected" OPTIONS... -- PROGRAM...
  works() { check_output "$mode: $1" "$2" r "${@:3}"; }
  # cannot "option" OPTIONS...: runs all the same, with a warning that names the option
  cannot() { check_match "$mode: $1 is warned of" "^Warning: .*does not support .*$1" r "${@:2}" $c echo; check_match "$mode: $1: runs all the same" "^ran$" r "${@:2}" $c echo ran; }
  works --workdir /etc --workdir=/etc $c pwd
  works --volume shown --volume="$WORK/vol:/data" $c cat /data/file
  works "a file as a volume" shown -v "$WORK/vol/file:/etc/shown" $c cat /etc/shown
  works --mount shown --mount "type=bind,src=$WORK/vol,dst=/data" $c cat /data/file
  works --novol gone --volume="$WORK/vol:/data" --novol="$WORK/vol" $c bash -c '[ -e /data/file ] || echo gone'
  works --env "B C" --env=A=B -e D=C $c bash -c 'echo $A $D'
  works --env-file 1 --env-file=env.list $c bash -c 'echo $FROM_FILE'
  works --hostenv here --hostenv $c bash -c 'echo $FROM_HOST'
  works "no --hostenv" "." $c bash -c 'echo $FROM_HOST.'
  works --entrypoint "a b" --entrypoint=echo $c a b
  works --nometa . --nometa --workdir=/ $c bash -c 'echo $FROM_IMAGE.'
  works --bindhome "$home" --bindhome $c bash -c 'echo $HOME'
  works --hostauth "$me" --hostauth --user="$me" $c bash -c 'echo $USER'
  works --cpuset-cpus 0 --cpuset-cpus=0 $c bash -c 'while read -r k v; do if [ "$k" = Cpus_allowed_list: ]; then echo $v; fi; done < /proc/self/status'
  works --ulimit 77 --ulimit nofile=77 $c bash -c 'ulimit -n'
  works --device /dev/null --device=/dev/null $c ls /dev/null
  works --nosysdirs ok --nosysdirs $c echo ok
  works --dri ok --dri $c echo ok
  works --cidfile ok --cidfile=cid.$mode $c echo ok
  check_same "$mode: --cidfile" "$("$UDOCKER" inspect -p $c)" "$UDOCKER_DIR/containers/$(cat cid.$mode)/ROOT"
  works --name ok --name=named-$mode $c echo ok
  check "$mode: --name" "$UDOCKER" -q rmname named-$mode
  "$UDOCKER" -q protect $c
  works "--rm" ok --rm $c echo ok
  check "$mode: --rm keeps a protected container" "$UDOCKER" -q unprotect $c
  case $mode in
    P1 | P2 | T1)
      works --publish ok --publish=8080:80 -p 127.0.0.1:81:81 $c echo ok
      works --publish-all ok -P --netcoop $c echo ok
      works --kernel 3.10.0-x --kernel=3.10.0-x $c uname -r
      works --hostname other --hostname=other $c uname -n
      works "--device without /dev" /dev/zero --nosysdirs --device=/dev/zero $c ls /dev/zero
      cannot --read-only --read-only ;;
    F*)
      cannot --publish --publish=8080:80
      cannot --publish-all -P
      cannot --kernel --kernel=3.10.0
      cannot --hostname --hostname=other
      cannot --read-only --read-only
      check_match "$mode: --user=root is warned of, and the modes that can be root are named" "^Warning: this engine does not support execution as root \\(P, T and R modes do\\)" r --user=root $c echo
      check_match "$mode: --user=root is the host's user" "^$(id -u) $me$" r --user=root $c bash -c 'echo $UID $USER'
      works "the host's user by default" "$(id -u) $me $me" $c bash -c 'echo $UID $USER $LOGNAME'
      works "another user of the container has the host's ids" "$(id -u) user" --user=user $c bash -c 'echo $UID $USER'
      works "the user has a line in passwd" "$me" $c bash -c 'while IFS=: read -r name _ id _; do if [ "$id" = $UID ]; then echo $name; fi; done < /etc/passwd' ;;
    R1)
      cannot --publish --publish=8080:80
      cannot --netcoop --netcoop
      cannot --kernel --kernel=3.10.0
      works --hostname other --hostname=other $c uname -n
      works --read-only read-only --read-only $c bash -c 'touch /x 2>/dev/null || echo read-only' ;;
  esac
  if [[ $mode != F* ]]; then
    works --user "user" --user=user $c bash -c 'echo $USER'
    works "root by default" 0 $c id -u
    works "--user=uid:gid" 4321 --user=4321:8765 $c bash -c 'if [ '$mode' = R1 ]; then echo 4321; else id -u; fi'
    works --containerauth "$(cat "$UDOCKER_DIR/containers/c/ROOT/etc/passwd")" --containerauth $c cat /etc/passwd
  fi
  works --location ok --location="$("$UDOCKER" inspect -p c)" /bin/echo ok
done
check_match "a container for another platform" "^Warning: this container is for linux/amd64: --platform chooses" env UDOCKER_LOGLEVEL=2 "$UDOCKER" run --platform=linux/s390x c true
check "UDOCKER_SET_EXECUTION_MODE" test "$(UDOCKER_SET_EXECUTION_MODE=P2 "$UDOCKER" -q run c bash -c 'echo $container_execmode')" = P2
check "UDOCKER_DEFAULT_EXECUTION_MODE" test "$(UDOCKER_DEFAULT_EXECUTION_MODE=R1 "$UDOCKER" -q run c bash -c 'echo $container_execmode')" = R1
check_match "no process may be started" "^Error: .*Resource temporarily unavailable" bash -c 'ulimit -u 1 && exec "$0" run --nobanner c true' "$UDOCKER"
check_match "a mode that needs setup" "^Error: mode F3 needs changes in this container: run .udocker setup --execmode=F3" "$UDOCKER" run --execmode=F3 c true

# docker's other options, as the help lists them
help=$("$UDOCKER" run --help)
section() { sed -n "/^$1/,/^\$/p" <<< "$help" | sed 's/:.*//' | grep -o -- '-[-a-z0-9]*' | sort -u; }
accepted=$(section "accepted, changing nothing:") refused=$(section "refused:")
[ "$(wc -w <<< "$accepted")" -gt 25 ] && [ "$(wc -w <<< "$refused")" -gt 15 ] && ok || fail "the help's tables are read: $accepted; $refused"
for option in $accepted; do
  case $option in
    -i | -t | -a | --interactive | --tty | --attach | --init | --no-healthcheck | --sig-proxy | --disable-content-trust) value= ;;
    --net | --network) value=host ;;
    *) value=x ;;
  esac
  check_output "$option is accepted" ok "$UDOCKER" -q run $option $value c echo ok
done
for option in $refused; do
  case $option in --detach | -d | --privileged) value= ;; *) value=x ;; esac
  check_match "$option is refused by name" "^Error: option .*$option.* refused: " "$UDOCKER" run $option $value c true
done
check_match "other networks" "^Error: --network=none cannot be made" "$UDOCKER" run --net=none c true
done_testing
