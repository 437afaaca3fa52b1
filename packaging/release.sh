#!/usr/bin/env bash
# packaging/release.sh [TARGET]: makes build/packages/: tarball, recipes for it, .deb, .rpm (where rpmbuild is), SBOM and
# SHA256SUMS from a built program. PROGRAM, NATIVE and OUT choose other files than those of the build folder.
# Same input, same bytes: times come from SOURCE_DATE_EPOCH or the last commit.
set -eu
cd "$(dirname "$0")/.."
target=${1:-x86_64-linux-musl}
case $target in
  x86_64-*) program=build/release/udocker deb=amd64 rpm=x86_64 ;;
  aarch64-*) program=build/release-$target/udocker deb=arm64 rpm=aarch64 ;;
  *) echo "no packages for target $target" >&2; exit 1 ;;
esac
program=${PROGRAM:-$program}
version=$(cat packaging/VERSION)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
native=${NATIVE:-build/release/udocker}   # its texts are those of every target
[ -x "$native" ] || make TARGET=x86_64-linux-musl all
out=${OUT:-build/packages}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pack() { tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@"$SOURCE_DATE_EPOCH" "$@"; }

t=$work/udocker-$version
mkdir -p "$t"
mkdir -p "$out"
out=$(cd "$out" && pwd)
cp packaging/install.sh README.md LICENSE packaging/CHANGELOG.md "$t/"
install -m 755 "$program" "$t/udocker"
mkdir -p "$t/contrib" "$t/packaging" "$t/completions" && cp -r packaging/{slurm,modulefiles,apparmor} "$t/contrib/" && cp -r packaging/doc "$t/packaging/"
"$native" --allow-root completion man > "$t/udocker.1"
"$native" --allow-root completion bash > "$t/completions/udocker.bash"
"$native" --allow-root completion zsh > "$t/completions/_udocker"
"$native" --allow-root completion fish > "$t/completions/udocker.fish"
"$native" --allow-root license > "$t/licences.txt"
python3 packaging/sbom.py "$version" "$rpm" > "$t/sbom.cdx.json"
cp "$t/sbom.cdx.json" "$out/udocker-$version-$rpm.sbom.cdx.json"
pack -C "$work" -cf - "udocker-$version" | gzip -9n > "$out/udocker-$version-$rpm.tar.gz"
sum=$(sha256sum "$out/udocker-$version-$rpm.tar.gz" | cut -c1-64)
for recipe in spack/package.py conda/meta.yaml easybuild/udocker.eb; do  # they install that tarball
  sed "s/@version@/$version/; s/@arch@/$rpm/; s/@sha256@/$sum/" "packaging/$recipe" > "$out/udocker-$version-$rpm.${recipe%%/*}.${recipe##*.}"
done

r=$work/root
doc=$r/usr/share/doc/udocker
mkdir -p "$r/usr/bin" "$r/usr/share/man/man1" "$r/usr/share/bash-completion/completions" "$r/usr/share/zsh/site-functions" "$r/usr/share/fish/vendor_completions.d" "$doc"
install -m 755 "$program" "$r/usr/bin/udocker"
for name in proot trap fakechroot runc patchelf; do ln -s udocker "$r/usr/bin/udocker-$name"; done
gzip -9n < "$t/udocker.1" > "$r/usr/share/man/man1/udocker.1.gz"
cp "$t/completions/udocker.bash" "$r/usr/share/bash-completion/completions/udocker"
cp "$t/completions/_udocker" "$r/usr/share/zsh/site-functions/_udocker"
cp "$t/completions/udocker.fish" "$r/usr/share/fish/vendor_completions.d/udocker.fish"
mkdir "$doc/packaging" && cp -r packaging/doc "$doc/packaging/"
cp README.md packaging/CHANGELOG.md "$t/sbom.cdx.json" "$doc/"
cat LICENSE "$t/licences.txt" > "$doc/copyright"
cp -r packaging/slurm packaging/apparmor "$doc/"
chmod -R u=rwX,go=rX "$work"
find "$r" -exec touch -h -d @"$SOURCE_DATE_EPOCH" {} +
if command -v rpmbuild >/dev/null; then
  rpmbuild -bb --quiet --target "$rpm-linux" --define "_topdir $work/rpm" --define "udocker_version $version" --define "udocker_tree $r" \
    --define "_buildhost reproducible" --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" packaging/rpm/udocker.spec
  find "$work/rpm/RPMS" -name '*.rpm' -exec cp {} "$out/" \;
else
  echo "no rpmbuild here (package rpm): no .rpm made" >&2
fi
mkdir "$r/DEBIAN"
cat > "$r/DEBIAN/control" <<CONTROL
Package: udocker
Version: $version
Architecture: $deb
Maintainer: udocker maintainers <maintainers@udocker.invalid>
Section: utils
Priority: optional
Installed-Size: $(du -sk --exclude=DEBIAN "$r" | cut -f1)
Description: run Docker and OCI containers as an ordinary user
 One static program that pulls images and runs programs in them without root, daemon or installation.
CONTROL
touch -d @"$SOURCE_DATE_EPOCH" "$r/DEBIAN/control" "$r/DEBIAN"
dpkg-deb --root-owner-group -Zxz --build "$r" "$out/udocker_${version}_$deb.deb" >/dev/null
(cd "$out" && sha256sum -- $(ls | grep -v SHA256SUMS) > SHA256SUMS)
ls -l "$out"
