# What recipes are written with (POSIX sh, sourced by ./recipe). OUT is where a recipe installs, STAGE the prefix so far.

CC=$STAGE/bin/cc CXX=$STAGE/bin/c++ AR=$STAGE/bin/ar RANLIB=$STAGE/bin/ranlib STRIP=$STAGE/bin/strip
# Sections let the linker drop what a program does not use; no path or date of this machine may be kept.
CFLAGS="-O2 -g0 -ffunction-sections -fdata-sections -ffile-prefix-map=$WORK/=/ -ffile-prefix-map=$STAGE/=/"
export CC CXX AR RANLIB STRIP

# unpack NAME: extracts into ./NAME.
unpack() {
  archive=$(fetch "$1") || exit 1
  mkdir -p "$1"
  tar -xf "$archive" -C "$1" --strip-components=1 --no-same-owner
}

# apply_debian NAME [REGEX]: applies Debian's patch series (entry NAME-debian) to ./NAME, without those matching REGEX.
apply_debian() {
  archive=$(fetch "$1-debian") || exit 1
  mkdir -p "$1.debian"
  tar -xf "$archive" -C "$1.debian" --no-same-owner
  sed -e 's/#.*//' -e 's/ .*//' -e '/^$/d' "$1.debian/debian/patches/series" >"$1.debian/series"
  while read -r p; do
    if [ -n "${2:-}" ] && echo "$p" | grep -qE "$2"; then continue; fi
    patch -s -d "$1" -p1 --no-backup-if-mismatch <"$1.debian/debian/patches/$p" || die "$1: $p does not apply"
  done <"$1.debian/series"
}

# apply_own NAME: applies patches/NAME-*.patch to ./NAME.
apply_own() {
  for p in "$TC/patches/$1"-*.patch; do
    patch -s -d "$1" -p1 --no-backup-if-mismatch <"$p" || die "$1: ${p##*/} does not apply"
  done
}

# static_library NAME "FLAGS" SOURCE...: compiles in parallel (job server of the caller) into $OUT/lib/libNAME.a. ASM is the
# command for .asm files, with a literal $@ for the object.
static_library() {
  name=$1 flags=$2; shift 2
  mkdir -p "$OUT/lib" ".$name"
  objects=
  {
    printf 'all:\n'
    for s in "$@"; do
      o=.$name/$(printf '%s' "${s%.*}" | tr '/.' '__').o
      objects="$objects $o"
      case $s in
        *.asm) printf '%s: ; @%s %s\n' "$o" "$ASM" "$s" ;;
        *.cc|*.cpp) printf '%s: ; @%s %s -c -o $@ %s\n' "$o" "$CXX" "$flags" "$s" ;;
        *) printf '%s: ; @%s %s -c -o $@ %s\n' "$o" "$CC" "$flags" "$s" ;;
      esac
    done
    printf 'all: %s\n' "$objects"
  } >".$name/rules.mk"
  make -s -f ".$name/rules.mk" all
  rm -f "$OUT/lib/lib$name.a"
  "$AR" rcD "$OUT/lib/lib$name.a" $objects
}

# licence NAME FILE...: keeps the licence text of a part.
licence() {
  mkdir -p "$OUT/share/licenses"
  to=$OUT/share/licenses/$1; shift
  cat "$@" >"$to"
}
