# Sourced after support.sh: small_root DIR PROGRAM... makes a root with this host's C library and the named programs.
# shellcheck shell=bash
small_root() {
  local root=$1 file library
  shift
  mkdir -p "$root"/bin "$root"/etc "$root"/usr/bin "$root/usr/lib/$(gcc -print-multiarch)" "$root"/dev "$root"/proc "$root"/sys "$root"/tmp "$root"/root
  for file in "$@"; do
    cp -L "$file" "$root/bin/$(basename "$file")"
    for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ )]*'); do
      mkdir -p "$root$(dirname "$library")"
      cp -Ln "$library" "$root$library"
    done
  done
  ln -sf dash "$root/bin/sh"
  echo root:x:0:0:root:/root:/bin/sh > "$root/etc/passwd"
  echo root:x:0: > "$root/etc/group"
}
