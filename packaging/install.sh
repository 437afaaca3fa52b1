#!/bin/sh
# Installs the udocker program beside this script for one user: install.sh [DIR], default ~/.local/bin. Needs only sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-${HOME:?HOME is not set: give a directory}/.local/bin}
mkdir -p "$dir"
cp "$here/udocker" "$dir/.udocker.new"
chmod 755 "$dir/.udocker.new"
mv -f "$dir/.udocker.new" "$dir/udocker"
"$dir/udocker" --allow-root version
case :${PATH}: in *:"$dir":*) ;; *) echo "add to your PATH: $dir" ;; esac
