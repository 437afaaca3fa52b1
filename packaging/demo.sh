#!/bin/sh
# A real container, run by an ordinary user from the image that the program carries. No network is used.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d /tmp/udocker-demo.XXXXXX)
trap 'rm -rf "$dir"' EXIT
cp build/udocker "$dir/udocker"
as_user=
if [ "$(id -u)" = 0 ]; then
  chown -R 65534:65534 "$dir"
  as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
fi
echo "+ udocker run hello" >&2
HOME=$dir UDOCKER_DIR=$dir/store TMPDIR=$dir $as_user "$dir/udocker" run --rm hello sh -c 'echo "Hello from a container: $(uname -s), user $(id -un), $(ls / | wc -l) entries in /"'
