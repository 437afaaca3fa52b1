#!/usr/bin/env bash
# What `make release` makes: twice the same bytes; installed from .deb, .rpm and tarball, run from there.
. "$(dirname "$0")/../support/support.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
export SOURCE_DATE_EPOCH=1700000000 PROGRAM=$UDOCKER NATIVE=$UDOCKER
check "release" env OUT="$WORK/one" "$top/packaging/release.sh"
check "once more" env OUT="$WORK/two" "$top/packaging/release.sh"
check_same "the same bytes" "$(cat one/SHA256SUMS)" "$(cat two/SHA256SUMS)"
check_same "of four files" 4 "$(grep -c . one/SHA256SUMS | head -1)"
check "the sums are right" sh -c 'cd one && sha256sum -c --quiet SHA256SUMS'
version=$(cat "$top/packaging/VERSION")
works() { "$1/usr/bin/udocker" -q run --nobanner --rm hello echo works; }

deb=$(ls one/*.deb)
check_same "fields of the .deb" "udocker $version" "$(dpkg-deb -f "$deb" Package) $(dpkg-deb -f "$deb" Version)"
check "unpack the .deb" dpkg-deb -x "$deb" deb
check_output "it runs" works works deb
check "its other names" deb/usr/bin/udocker-runc --version
check_match "its manual page" "^.TH" zcat deb/usr/share/man/man1/udocker.1.gz
check_match "its licences" "GNU GENERAL PUBLIC LICENSE" cat deb/usr/share/doc/udocker/copyright
check "its completion is a shell's" bash -n deb/usr/share/bash-completion/completions/udocker
rpm=$(ls one/*.rpm)
check_match "files of the .rpm" "^/usr/bin/udocker$" rpm -qpl "$rpm"
check_same "it needs nothing" "" "$(rpm -qp --requires "$rpm" 2>/dev/null | grep -v '^rpmlib(')"
check "unpack the .rpm" sh -c 'mkdir rpm && cd rpm && rpm2cpio "../$0" | cpio -idm --quiet' "$rpm"
check_output "it runs" works works rpm

check "unpack the tarball" tar -xf one/*.tar.gz
mkdir tools
for tool in sh cp mkdir chmod mv dirname; do ln -s "$(command -v $tool)" tools/; done
check_match "the install script needs only sh" "add to your PATH" env -i HOME="$HOME" PATH="$WORK/tools" sh "udocker-$version/install.sh"
check_output "it runs" works env UDOCKER_DIR="$WORK/udocker" "$HOME/.local/bin/udocker" -q run --nobanner --rm hello echo works
check "with a prefix, links, manual page" env -i HOME="$HOME" PATH="$WORK/tools" sh "udocker-$version/install.sh" --links --prefix "$WORK/prefix"
check "they are there" sh -c 'test -x prefix/bin/udocker-runc && test -s prefix/share/man/man1/udocker.1 && test -s prefix/share/bash-completion/completions/udocker'

sbom=$(ls one/*.cdx.json)
check_output "the SBOM is CycloneDX" "CycloneDX 1.5 udocker $version" jq -r '"\(.bomFormat) \(.specVersion) \(.metadata.component.name) \(.metadata.component.version)"' "$sbom"
check_same "it names every part in the program" "$(grep -v '^#' "$top/toolchain/sources.lock" | cut -f1 | grep -v googletest | sort)" "$(jq -r '.components[].name' "$sbom" | sort)"
check_same "with its sum" "$(awk '$1 == "musl" {print $3}' "$top/toolchain/sources.lock")" "$(jq -r '.components[] | select(.name == "musl").hashes[0].content' "$sbom")"
"$UDOCKER" license > licences
for part in busybox curl libarchive mbedtls musl zstd xz libseccomp picojson; do check_match "licence of $part" "$part" grep -i "^==== $part" licences; done

for recipe in spack/package.py conda/meta.yaml easybuild/udocker-$version.eb modulefiles/udocker.lua rpm/udocker.spec apparmor/udocker slurm/oci.conf; do check "recipe $recipe" test -s "$top/packaging/$recipe"; done
check_match "the version in Spack's" "\"$version\"" cat "$top/packaging/spack/package.py"
check_match "in conda's" "\"$version\"" cat "$top/packaging/conda/meta.yaml"
check_match "in EasyBuild's" "'$version'" cat "$top/packaging/easybuild/udocker-$version.eb"
check_match "in the changelog" "^## $version" cat "$top/packaging/CHANGELOG.md"
for recipe in spack/package.py "easybuild/udocker-$version.eb"; do check "$recipe is Python" python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$top/packaging/$recipe"; done
for link in $(grep -o '](\([^)#]*\))' "$top/README.md" "$top"/packaging/doc/*.md | sed 's/.*README.md:](\(.*\))/\1/; s/.*packaging\/doc\/[^:]*:](\(.*\))/packaging\/doc\/\1/'); do
  case $link in src/*) continue ;; esac
  check "link $link" test -e "$top/$link"
done
done_testing
