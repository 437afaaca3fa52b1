# Shared by the scripts of this folder (POSIX sh, sourced). TC is the folder itself.

TC_TARGET=${TC_TARGET:-x86_64-linux-musl}

die() { echo "toolchain: $*" >&2; exit 1; }
say() { echo "toolchain: $*" >&2; }

# Folder that holds downloads, parts and finished prefixes.
cache_dir() {
  if [ -n "${XDG_CACHE_HOME:-}" ]; then
    printf '%s\n' "$XDG_CACHE_HOME/udocker-toolchain"
  else
    home=${HOME:-}
    [ -n "$home" ] || home=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6)
    [ -n "$home" ] && [ "$home" != / ] ||
      die "HOME and XDG_CACHE_HOME are unset: set one, the toolchain is kept below it"
    printf '%s\n' "$home/.cache/udocker-toolchain"
  fi
}

# Sets ARCH, GNU (name of the distribution's compiler for it) and GCC_MAJOR (empty without a compiler).
select_compiler() {
  case $TC_TARGET in
    x86_64-linux-musl|aarch64-linux-musl) ARCH=${TC_TARGET%%-*} ;;
    *) die "unknown target '$TC_TARGET' (x86_64-linux-musl, aarch64-linux-musl)" ;;
  esac
  GNU=$ARCH-linux-gnu
  GCC_MAJOR=
  for v in $(g++ -dumpversion 2>/dev/null | cut -d. -f1) 15 14 13 12; do
    if command -v "$GNU-g++-$v" >/dev/null 2>&1; then GCC_MAJOR=$v; break; fi
  done
}

# Everything of the host that enters the result: compiler, binutils, kernel headers.
host_identity() {
  if [ -n "$GCC_MAJOR" ]; then
    "$GNU-g++-$GCC_MAJOR" --version | head -n 1
    "$GNU-ld" --version | head -n 1
  fi
  cat "$(kernel_headers)/linux/version.h" 2>/dev/null || true
}

# Where the distribution keeps linux/ and asm-generic/ for the target.
kernel_headers() {
  if [ "$ARCH" = "$(uname -m)" ]; then echo /usr/include; else echo "/usr/$GNU/include"; fi
}

hash_of() { sha256sum | cut -c1-16; }

# Key of the whole prefix.
prefix_key() {
  { echo "$TC_TARGET"; host_identity; cd "$TC" && cat build lib.sh wrappers.sh steps.sh recipe sources.lock recipes/* patches/*; } | hash_of
}

# lock NAME FIELD: a field of sources.lock (2 version, 3 sha256, 4 licence, 5 origin, 6 upstream addresses).
lock() {
  awk -F '\t' -v n="$1" -v f="$2" '$1 == n { print $f; found = 1 } END { exit !found }' "$TC/sources.lock" ||
    die "sources.lock has no entry '$1'"
}

# Debian archives this machine is configured for, in the order of its apt settings. apt itself names only those whose
# lists it has fetched, so the files are read too.
apt_sites() {
  {
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages'
    cat /etc/apt/sources.list.d/*.sources | sed -n 's/^URIs:[ \t]*//p' | tr -s ' \t' '\n\n'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list | sed -nE 's/^deb(-src)?[ \t]+(\[[^]]*\][ \t]+)?([^ \t]+).*/\3/p'
  } 2>/dev/null | sed 's|/$||' | awk '/:\// && !seen[$0]++'
}

download() {
  if [ -x /usr/lib/apt/apt-helper ]; then
    /usr/lib/apt/apt-helper -o Acquire::Retries=2 download-file "$1" "$2" >/dev/null 2>&1 && return 0
  fi
  if command -v curl >/dev/null 2>&1; then
    curl -gfsSL --connect-timeout 20 -o "$2" "$1" 2>/dev/null
  elif command -v wget >/dev/null 2>&1; then
    wget -q -T 20 -t 2 -O "$2" "$1" 2>/dev/null
  else
    false
  fi
}

verified() { [ -f "$1" ] && echo "$2  $1" | sha256sum -c --status 2>/dev/null; }

# fetch NAME: prints the path of the verified archive; the checksum decides, not where it came from.
fetch() {
  sum=$(lock "$1" 3) || exit 1
  origin=$(lock "$1" 5)
  file=$CACHE/downloads/${origin##*/}
  if verified "$file" "$sum"; then echo "$file"; return 0; fi
  mkdir -p "$CACHE/downloads"
  partial=$CACHE/downloads/.$1.$$
  for address in $(apt_sites | sed "s|\$|/$origin|") $(lock "$1" 6 | tr ',' ' '); do
    rm -f "$partial"
    download "$address" "$partial" || continue
    if verified "$partial" "$sum"; then mv "$partial" "$file"; echo "$file"; return 0; fi
    say "$address: wrong checksum, trying the next address"
  done
  rm -f "$partial" "$partial".*
  die "cannot get ${origin##*/} (sha256 $sum): neither the apt archives of this machine nor $(lock "$1" 6) have it; put the file into $CACHE/downloads"
}

# write_sbom: one row for each part that is linked, carried or used to build.
write_sbom() {
  printf 'name\tversion\tlicence\tsha256\tupstream\n'
  awk -F '\t' '!/^#/ && NF >= 6 { sub(/,.*/, "", $6); print $1 "\t" $2 "\t" $4 "\t" $3 "\t" $6 }' "$TC/sources.lock"
}

# write_licences: the licence texts below STAGE, one after the other under their names.
write_licences() {
  for f in "$STAGE"/share/licenses/*; do
    printf '==== %s ====\n\n' "${f##*/}"
    cat "$f"
    printf '\n'
  done
}

. "$TC/wrappers.sh"
