#!/bin/bash
# The ELF patcher as a user calls it: patched files must still run, and read clean.
. "$(dirname "$0")/../support/support.sh"
ln -s "$UDOCKER" patchelf
P=./patchelf
check_match "prints a version" '^patchelf [0-9]' $P --version
check_status 1 "refuses an unknown option" $P --no-such-option x
check_status 1 "refuses a missing file" $P --print-rpath ./absent
echo 'text that is no program' >text
check_match "says what is no ELF file" 'not an ELF' $P --print-rpath text

sample=$(command -v ls)
if loader=$($P --print-interpreter "$sample" 2>/dev/null); then
  cp "$sample" prog && inode=$(stat -c %i prog)
  long=$WORK/a/directory/with/a/rather/long/name/so/that/nothing/fits
  mkdir -p "$long" && cp "$loader" "$long/ld.so"
  check "sets an interpreter" $P --set-interpreter "$long/ld.so" prog
  check_output "prints it" "$long/ld.so" $P --print-interpreter prog
  check "runs with it" ./prog -d /
  check_same "keeps the inode" "$inode" "$(stat -c %i prog)"
  check "sets a search path" $P --set-rpath "$long:\$ORIGIN/lib" prog
  check_output "prints it" "$long:\$ORIGIN/lib" $P --print-rpath prog
  check "adds to it" $P --add-rpath /second prog
  check_output "prints both" "$long:\$ORIGIN/lib:/second" $P --print-rpath prog
  check "shrinks it" $P --shrink-rpath prog
  check_output "only the relative one is left" "\$ORIGIN/lib" $P --print-rpath prog
  check "removes it" $P --remove-rpath prog
  check_output "prints nothing" "" $P --print-rpath prog
  needed=$($P --print-needed prog)
  for i in 1 2 3 4 5 6 7 8; do check "adds needed $i" $P --add-needed libextra$i.so prog; done
  for i in 1 2 3 4 5 6 7 8; do check "removes needed $i" $P --remove-needed libextra$i.so prog; done
  check_output "the list is as before" "$needed" $P --print-needed prog
  check "runs after all that" ./prog -d /
  check "writes elsewhere" $P --output other --set-rpath /elsewhere prog
  check_output "the other file has it" "/elsewhere" $P --print-rpath other
  check_output "this one has not" "" $P --print-rpath prog
  check "puts a root prefix" $P --set-root-prefix /some/root other
  check_output "interpreter" "/some/root/$long/ld.so" $P --print-interpreter other
  check_output "search path" "/some/root//elsewhere" $P --print-rpath other
  check "takes it back" $P --restore-root-prefix /some/root other
  check_output "interpreter is back" "$long/ld.so" $P --print-interpreter other
  check_output "search path is back" "/elsewhere" $P --print-rpath other
  check "runs again" ./other -d /
  if command -v eu-elflint >/dev/null && eu-elflint -q --gnu-ld "$sample" >/dev/null 2>&1; then
    check "reads clean" eu-elflint --gnu-ld other
  else
    skip "eu-elflint is not here or dislikes $sample itself"
  fi
  if command -v readelf >/dev/null; then check_same "readelf has no complaint" "" "$(readelf -aW other 2>&1 >/dev/null)"; fi
  if command -v gcc >/dev/null && command -v python3 >/dev/null; then
    echo 'int fun(int a) { return a + 41; }' >s.c && gcc -shared -fPIC -Wl,-soname,libs.so -o libs.so s.c
    echo 'int fun(int); int main(void) { return fun(1) == 42 ? 0 : 1; }' >u.c && gcc -o u u.c libs.so -Wl,-rpath,"$WORK"
    check_output "prints the name of a library" libs.so $P --print-soname libs.so
    echo 'fun another_function' >map
    check "renames a function" $P --rename-dynamic-symbols map libs.so
    check "the program misses the old name" sh -c '! ./u 2>/dev/null'
    check "renames it there" $P --rename-dynamic-symbols map u
    check "the program calls it by the new name" ./u
    check_output "a stack that cannot be executed" "execstack: -" $P --print-execstack u
    check "is made so that it can" $P --set-execstack u
    check_output "and says so" "execstack: X" $P --print-execstack u
    check "and back" $P --clear-execstack u
    check_output "as before" "execstack: -" $P --print-execstack u
    check "the program still runs" ./u
    printf '%s' "$WORK:/from-a-file" >value
    check_match "tells what it does" "u: changed" $P --debug --set-rpath @value u
    check_output "a value from a file" "$WORK:/from-a-file" $P --print-rpath u
    check_output "--quiet says nothing of a bad file" 1 sh -c './patchelf --quiet --print-rpath text 2>&1; echo $?'
    # Damaged files: one sentence and an unchanged file, or a change that reads well; never a crash.
    cat >hostile.py <<'END'
import random, subprocess, sys
patchelf, good, long = sys.argv[1], open(sys.argv[2], "rb").read(), sys.argv[3]
choose, bad = random.Random(5), []
for i in range(150):
    data = bytearray(good)
    if i % 5 == 0:
        del data[choose.randrange(len(data)):]
    for _ in range(choose.randrange(1, 5)):
        # Headers, and what they lead to.
        at = choose.choice([choose.randrange(0, 0x400), choose.randrange(0, len(good))])
        if at < len(data): data[at] = choose.choice([0, 1, 0x7f, 0x80, 0xff, choose.randrange(256)])
    open("hostile", "wb").write(data)
    run = subprocess.run([patchelf, "--set-interpreter", long, "--set-rpath", long, "--add-needed", "libx.so", "--remove-needed", "libs.so", "hostile"], capture_output=True, text=True)
    after = open("hostile", "rb").read()
    if run.returncode == 0:
        shown = subprocess.run([patchelf, "--print-rpath", "hostile"], capture_output=True, text=True).stdout.strip()
        if shown != long: bad.append((i, "search path", shown))
    elif run.returncode != 1 or after != data or run.stderr.count("\n") != 1:
        bad.append((i, run.returncode, run.stderr))
print(bad or "150 files, none damaged further")
END
    check_output "150 damaged files" "150 files, none damaged further" python3 hostile.py "$P" u "$long"
  else
    skip "no compiler, or no python3"
  fi
  # What Debian's patchelf makes of the same files, as a loader reads it.
  loaded() { readelf -dW "$1" 2>/dev/null | sed -nE 's/.*\((NEEDED|RPATH|RUNPATH|SONAME|FLAGS_1)\) +/\1 /p'; readelf -lW "$1" | sed -nE 's/.*interpreter: (.*)\]/\1/p'; }
  if theirs=$(command -v patchelf) && command -v gcc >/dev/null; then
    echo 'int puts(const char *); int fun(int a) { return a; } void tell(void) { puts("x"); }' >l.c && gcc -shared -fPIC -Wl,-soname,libl.so -o libl.so l.c
    echo '#include <stdio.h>
int fun(int); int main(void) { puts("ok"); return fun(0); }' >t.c
    gcc -o t.pie t.c libl.so -Wl,-rpath,"$WORK:/nonexistent"
    gcc -no-pie -o t.nopie t.c libl.so -Wl,-rpath,"$WORK:/nonexistent"
    gcc -o t.rpath t.c libl.so -Wl,-rpath,"$WORK:/nonexistent" -Wl,--disable-new-dtags
    gcc -o t.sysv t.c libl.so -Wl,--hash-style=sysv -Wl,-z,noseparate-code -Wl,-rpath,"$WORK"
    gcc -o t.gold -fuse-ld=gold t.c libl.so -Wl,-rpath,"$WORK" 2>/dev/null
    while read -r options; do
      for file in t.* libl.so "$sample"; do
        case $file in *.c) continue ;; esac
        cp "$file" ours && cp "$file" other && chmod u+w ours other
        # shellcheck disable=SC2086
        $P $options ours >ours.out 2>&1; a=$?
        # shellcheck disable=SC2086
        "$theirs" $options other >other.out 2>&1; b=$?
        check_same "$options on $file: as Debian's" "$b $(loaded other)" "$a $(loaded ours)"
        [ $a != 0 ] || check_same "$options on $file: readelf has no complaint" "" "$(readelf -aW ours 2>&1 >/dev/null)"
        case "$options $file" in *interpreter*|*needed*|*default-lib*|*remove-rpath*|*"rpath /b"*|*libl.so|*/*ls) ;; *t.*) check_output "$options on $file: it runs" ok env LD_LIBRARY_PATH="$WORK" ./ours ;; esac
      done
    done <<END
--set-interpreter $long/ld.so
--set-interpreter /lib64/ld.so
--set-rpath $long:/second
--set-rpath /b
--set-rpath $long --force-rpath
--force-rpath
--add-rpath /added
--remove-rpath
--shrink-rpath
--shrink-rpath --allowed-rpath-prefixes $WORK
--set-soname libnew.so.9
--add-needed liba.so.1 --add-needed libb.so.1
--remove-needed libl.so
--replace-needed libc.so.6 libother.so.7
--no-default-lib
--clear-symbol-version puts
--page-size 65536 --set-rpath $long
END
  else
    skip "no patchelf or no compiler to compare with"
  fi
  # Programs of other machines, of both word sizes and byte orders.
  if command -v clang >/dev/null && command -v ld.lld >/dev/null && command -v readelf >/dev/null && command -v patchelf >/dev/null; then
    echo 'int other(int); int shown = 3; int _start(void) { return other(shown); }' >m.c
    echo 'int other(int a) { return a + 1; }' >o.c
    for machine in i386-linux-gnu aarch64-linux-gnu aarch64_be-linux-gnu armv7-linux-gnueabihf powerpc-linux-gnu powerpc64-linux-gnu \
      powerpc64le-linux-gnu mips-linux-gnu mipsel-linux-gnu mips64-linux-gnuabi64 mips64el-linux-gnuabi64 riscv32-linux-gnu riscv64-linux-gnu; do
      build=(clang --target=$machine -nostdlib -fuse-ld=lld -fPIC -O1)
      "${build[@]}" -shared -Wl,-soname,libo.so o.c -o libo.so && "${build[@]}" -pie m.c libo.so -Wl,-e,_start,-dynamic-linker,/lib/ld.so.1,-rpath,/first:/second -o prog || {
        skip "this clang makes nothing for $machine"
        continue
      }
      cp prog ours && cp prog other
      options="--set-interpreter $long/ld.so --set-rpath $long:/second --add-needed libextra.so --replace-needed libo.so lib-of-a-new-name.so"
      # shellcheck disable=SC2086
      check "$machine: several changes" $P $options ours
      # Debian's mixes up texts when told all at once.
      for option in "--set-interpreter $long/ld.so" "--set-rpath $long:/second" "--add-needed libextra.so" "--replace-needed libo.so lib-of-a-new-name.so"; do
        # shellcheck disable=SC2086
        patchelf $option other
      done
      check_same "$machine: as Debian's" "$(loaded other | sort)" "$(loaded ours | sort)"
      check_same "$machine: readelf has no complaint" "" "$(readelf -aW ours 2>&1 >/dev/null)"
      check "$machine: a root prefix" $P --set-root-prefix /some/root ours
      check_output "$machine: interpreter" "/some/root/$long/ld.so" $P --print-interpreter ours
      check "$machine: taken back" $P --restore-root-prefix /some/root ours
      check_same "$machine: as before" "$(loaded other | sort)" "$(loaded ours | sort)"
    done
  else
    skip "no clang to make programs of other machines"
  fi
else
  skip "no dynamic program on this host"
fi
done_testing
