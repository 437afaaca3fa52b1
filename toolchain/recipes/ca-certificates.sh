# The certificate authorities that udocker carries for hosts that have none.
needs=
sources="ca-certificates"

build() {
  package=$(fetch ca-certificates)
  ar p "$package" data.tar.xz | tar -xJf - --no-same-owner
  mkdir -p "$OUT/share"
  for c in $(ls usr/share/ca-certificates/mozilla/*.crt | sort); do
    cat "$c"
    echo
  done | sed '/^$/d' >"$OUT/share/ca-bundle.pem"
  licence ca-certificates usr/share/doc/ca-certificates/copyright
}
