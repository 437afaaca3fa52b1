#!/usr/bin/env bash
# Test suites of other programs, run inside every engine and inside a chroot in a user namespace; the results must be equal.
#   MODES="P1 T1"       modes to compare (default P1 T1 F1; with UDOCKER_SUITES=all: P1 P2 T1 T2 F1 F3 F4 R1)
#   GUEST_SUITES="python go"  suites of units.txt to run (default: those marked short)
#   GUEST_ROOTS="musl"        images to run them in (default bookworm and musl; with UDOCKER_SUITES=all also trixie, bullseye)
#   GUEST_UNITS="test_os"     only these units
#   UDOCKER_SUITES=all  everything (hours; needs the mirror for the suite apt)
#   GUEST_RESULTS=DIR          the raw results are kept there: REFERENCE or MODE.SUITE.UNIT
# One mode by hand:     MODES=T1 GUEST_SUITES=python GUEST_UNITS=test_os tests/run suites
# A test that fails in a mode and passes in the chroot counts as a failure, unless expected.txt names it with the reason.
. "$(dirname "$0")/../../support/support.sh"
here=$SUPPORT/../engines/suites
all=${UDOCKER_SUITES:-}
[ "$all" = all ] && roots=${GUEST_ROOTS:-bookworm musl trixie bullseye} modes=${MODES:-P1 P2 T1 T2 F1 F3 F4 R1} || roots=${GUEST_ROOTS:-bookworm musl} modes=${MODES:-P1 T1 F1}
keep=${GUEST_RESULTS:-$WORK/results}
mkdir -p "$keep"

# units ROOT: lines "suite unit" that are to be run in ROOT (unpacked in $root)
units() {
  while read -r when on suite unit; do
    case $when in ''|'#'*) continue ;; esac
    case ",$on," in *",$1,"*) ;; *) continue ;; esac
    if [ -n "${GUEST_SUITES:-}${GUEST_UNITS:-}" ]; then
      [ -z "${GUEST_SUITES:-}" ] || case " $GUEST_SUITES " in *" $suite "*) ;; *) continue ;; esac
      [ -z "${GUEST_UNITS:-}" ] || case " $GUEST_UNITS " in *" $unit "*) ;; *) continue ;; esac
    elif [ "$all" != all ] && [ "$when" != short ]; then continue; fi
    # shellcheck disable=SC2086
    case $unit in *\**) (cd "$root/suites/perl/t" && for file in $unit; do echo "$suite $file"; done) ;; *) echo "$suite $unit" ;; esac
  done < "$here/units.txt"
}
results() { grep '^RESULT' "$1" | cut -f2- | sort -u; }
# The references: a chroot in a user namespace, with the host's /dev, /proc and /sys, as its root or (for modes that
# cannot show another user) as the user without any capability.
in_chroot() {
  local who=$1 as
  shift
  [ "$who" = root ] && as=-r || as="-U --map-current-user --keep-caps"
  timeout 1600 unshare $as -m --pid --fork --kill-child sh -c '
    for d in dev sys; do mount --rbind /$d "$0/$d"; done; mount -t proc proc "$0/proc" 2>/dev/null || mount --rbind /proc "$0/proc"
    exec python3 -c "import ctypes, os, signal, sys; os.chroot(sys.argv[1]); os.chdir(\"/\"); ctypes.CDLL(None).prctl(47, 4, 0, 0, 0)
for s in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(s, signal.SIG_DFL)  # which Python ignores: a yes without a reader would not end
os.execv(\"/bin/sh\", [\"sh\", \"/suites/guest\"] + sys.argv[2:])" "$0" "$@"' "$root" "$@" </dev/null
}
reference_of() { case $1 in F*) echo user ;; *) echo root ;; esac; }
container() { case $1 in F2|F3|F4) echo c$1 ;; *) echo c ;; esac; }
in_mode() { local mode=$1; shift; timeout 1600 "$UDOCKER" -q run --nobanner --execmode=$mode $(container $mode) /bin/sh /suites/guest "$@" </dev/null; }
# known MODE SUITE ID: expected.txt says so
known() {
  local m s i reason
  while read -r m s i reason; do
    case $m in ''|'#'*) continue ;; esac
    # shellcheck disable=SC2254
    case $1 in $m) case $2 in $s) case $3 in $i) return 0 ;; esac ;; esac ;; esac
  done < "$here/expected.txt"
  return 1
}
# worse REFERENCE MODE-RESULT: ids that are ok in the first and not in the second
worse() { comm -23 <(results "$1" | awk -F'\t' '$2 == "ok" {print $1}' | sort) <(results "$2" | awk -F'\t' '$2 == "ok" || $2 == "skip" {print $1}' | sort); }

for name in $roots; do
  archive=$(need_image "$name.tar") extra=$(need_image "$("$here/prepare" --name $name)") || exit 1
  "$UDOCKER" -q import --tocontainer --name=c "$archive" >/dev/null || fail "import $name"
  root=$("$UDOCKER" inspect -p c)
  tar -C "$root" --no-same-owner -xf "$extra"
  cp "$here/guest" "$here/guest.py" "$root/suites/"
  python3 "$SUPPORT/../bench/genproj.py" "$root/suites/project" 20
  [ -e "$TEST_IMAGES/suites-sources.$name" ] && cp "$TEST_IMAGES/suites-sources.$name" "$root/suites/sources.list" && cp /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null
  mkdir -p "$root/dev" "$root/proc" "$root/sys"
  for mode in $modes; do
    # Modes that change the container get their own.
    [ $(container $mode) = c ] && continue
    "$UDOCKER" -q clone --name=c$mode c >/dev/null 2>&1 || fail "$name: clone for $mode"
    "$UDOCKER" -q setup --execmode=$mode c$mode >/dev/null || fail "$name: setup $mode"
  done
  while read -r suite unit; do
    file=$suite.${unit//\//_}
    # What an emulated root can and a user namespace with one id cannot must simply work.
    alone=; case $suite in system|apt) alone=yes ;; esac
    for mode in $modes; do
      case $mode.$suite in F*.system|F*.apt) continue ;; esac
      who=$(reference_of $mode) reference=$keep/$name.chroot-$(reference_of $mode).$file
      [ -n "$alone" ] || [ -e "$reference" ] || in_chroot $who "$suite" "$unit" > "$reference" 2> "$reference.err"
      got=$keep/$name.$mode.$file
      in_mode $mode "$suite" "$unit" > "$got" 2> "$got.err"
      if [ -n "$alone" ]; then bad=$(results "$got" | awk -F'\t' '$2 != "ok" {print $1}'); [ -s "$got" ] || bad="$suite.nothing"; else bad=$(worse "$reference" "$got"); fi
      if [ -n "$bad" ] && [ -z "$alone" ]; then
        # Once more, on both sides: some of these tests are impatient on a loaded machine.
        in_mode $mode "$suite" "$unit" > "$got.again" 2> "$got.again.err"
        in_chroot $who "$suite" "$unit" > "$reference.again" 2>/dev/null
        bad=$(comm -12 <(echo "$bad" | sort) <(worse "$reference.again" "$got.again"))
      fi
      unknown=
      while read -r id; do [ -z "$id" ] || known "$mode" "$suite" "$id" || unknown+="$id"$'\n'; done <<< "$bad"
      n=$(results "$got" | awk -F'\t' '$2 == "ok"' | wc -l)
      if [ -n "$alone" ]; then total=$(results "$got" | wc -l); else total=$(results "$reference" | awk -F'\t' '$2 == "ok"' | wc -l); fi
      echo "  $name $mode $suite $unit: $n ok, reference $total${bad:+, worse: $(echo $bad | cut -c1-300)}"
      # Some of Perl's tests skip themselves outside its own build folder, or for a user without a name.
      if [ "$total$suite" = 0perl ] && [ "$all" = all ]; then continue
      elif [ "$total" = 0 ]; then fail "$name $suite $unit: the reference has no result" "$(tail -5 "$reference.err" 2>/dev/null)"
      elif [ -z "$unknown" ]; then ok
      else fail "$name $mode $suite $unit: worse than a chroot" "$unknown"; fi
    done
  done < <(units "$name")
  for mode in $modes; do [ $(container $mode) = c ] || "$UDOCKER" -q rm -f c$mode >/dev/null 2>&1; done
  "$UDOCKER" -q rm -f c >/dev/null 2>&1
done
done_testing
