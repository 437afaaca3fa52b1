#!/usr/bin/env bash
# What `make release` makes: twice the same bytes; installed from .deb, .rpm and tarball, run from there.
. "$(dirname "$0")/../support/support.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
export SOURCE_DATE_EPOCH=1700000000 PROGRAM=$UDOCKER NATIVE=$UDOCKER
check "release" env OUT="$WORK/one" "$top/packaging/release.sh"
check "once more" env OUT="$WORK/two" "$top/packaging/release.sh"
check_same "the same bytes" "$(cat one/SHA256SUMS)" "$(cat two/SHA256SUMS)"
check_same "of seven files" 7 "$(grep -c . one/SHA256SUMS | head -1)"
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

check_match "the version in the changelog" "^## $version" cat "$top/packaging/CHANGELOG.md"

# What the recipes do, in the unpacked tarball, without Spack, conda-build and EasyBuild.
cat > recipes.py <<'P'
import glob, hashlib, os, re, shutil, subprocess, sys, types
version = sys.argv[1]
tarball = glob.glob("one/*.tar.gz")[0]
want = hashlib.sha256(open(tarball, "rb").read()).hexdigest()
def read(kind):
    (path,) = glob.glob("one/*." + kind)
    text = open(path).read()
    assert "@" not in text and os.path.basename(tarball) in text, text
    return text
def same(found):
    assert found == (version, want), found
unpacked, top = os.path.abspath("udocker-" + version), os.getcwd()

package = types.ModuleType("spack.package")
package.Package = object
package.license = package.requires = lambda *a: None
package.version = lambda number, sha256: same((number, sha256))
package.Executable = lambda program: lambda *words: subprocess.run([program, *words], check=True, cwd=unpacked, stdout=subprocess.DEVNULL)
package.__all__ = ["Package", "license", "requires", "version", "Executable"]
sys.modules["spack"], sys.modules["spack.package"] = types.ModuleType("spack"), package
names = {}
exec(read("spack.py"), names)
names["Udocker"]().install(None, top + "/by-spack")

text = read("conda.yaml")
same((re.search(r'version: "(.*)"', text)[1], re.search(r'sha256: "(.*)"', text)[1]))
for command in re.search(r"script:\n((?: +- .*\n)+)", text)[1].splitlines():
    subprocess.run(command.strip()[2:], shell=True, check=True, cwd=unpacked, env=dict(os.environ, PREFIX=top + "/by-conda"), stdout=subprocess.DEVNULL)

names = {"SYSTEM": {"name": "system", "version": "system"}}
exec(read("easybuild.eb"), names)
same((names["version"], names["checksums"][0]))
for files, folder in names["files_to_copy"]:
    os.makedirs("by-easybuild/" + folder, exist_ok=True)
    for file in files:
        shutil.copy(unpacked + "/" + file, "by-easybuild/" + folder)
assert all(os.path.exists("by-easybuild/" + file) for file in names["sanity_check_paths"]["files"])
sums = {hashlib.sha256(open("by-%s/bin/udocker" % tool, "rb").read()).hexdigest() for tool in ("spack", "conda", "easybuild")}
print(3, *sums)
P
check_output "recipes: three install the same program from the tarball whose sum they name" "3 $(sha256sum < "$UDOCKER" | cut -c1-64)" python3 recipes.py "$version"

mkdir modulefiles && sed "s|^set prefix .*|set prefix $WORK/prefix|" "$top/packaging/modulefiles/udocker" > modulefiles/udocker
check_output "the module, by Environment Modules" "$WORK/prefix/bin/udocker gone" env -i PATH=/usr/bin:/bin HOME="$HOME" MODULEPATH="$WORK/modulefiles" sh -c \
  '. /usr/share/modules/init/sh; module load udocker; at=$(command -v udocker); module unload udocker; command -v udocker >/dev/null || echo "$at gone"'
# Older parsers know neither version 4 of the rules nor `userns`; what is left must be right for them.
sed 's|abi/4.0|abi/3.0|; /userns,/d' "$top/packaging/apparmor/udocker" > profile
check "the AppArmor profile" /sbin/apparmor_parser -Q -K profile
check_match "the .deb, by dpkg into a root of its own" "^ii  udocker +$version" sh -c 'mkdir -p d/var/lib/dpkg/info d/var/lib/dpkg/updates && : > d/var/lib/dpkg/status &&
  unshare -r dpkg --root=d --force-script-chrootless --log=/dev/null -i "$0" >/dev/null 2>&1; COLUMNS=200 dpkg --root=d -l udocker' "$deb"
check_output "it runs" works works d
check_match "the .rpm, by rpm into a root of its own" "^udocker-$version-1" sh -c 'mkdir r && unshare -r rpm --root "$PWD/r" -i "$0"; rpm --root "$PWD/r" -q udocker' "$PWD/$rpm"
check_output "it runs" works works r
for file in rpm/udocker.spec slurm/oci.conf; do check "$file" test -s "$top/packaging/$file"; done
for link in $(grep -o '](\([^)#]*\))' "$top/README.md" "$top"/packaging/doc/*.md | sed 's/.*README.md:](\(.*\))/\1/; s/.*packaging\/doc\/[^:]*:](\(.*\))/packaging\/doc\/\1/'); do
  case $link in src/*) continue ;; esac
  check "link $link" test -e "$top/$link"
done
done_testing
