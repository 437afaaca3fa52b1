#!/bin/sh
# Installs udocker for one user, or for all: install.sh [--links] [--prefix DIR] [DIR]. Needs only sh, cp, mkdir, chmod, mv.
#   install.sh                 ~/.local/bin/udocker
#   install.sh --prefix /usr/local    bin/udocker, man page and completions below /usr/local
#   --links                    also the names udocker-proot, udocker-runc ... beside it
set -eu
here=$(cd "$(dirname "$0")" && pwd)
links= prefix= dir=
while [ $# -gt 0 ]; do
  case $1 in
    --links) links=1 ;;
    --prefix) prefix=${2:?--prefix needs a directory}; shift ;;
    --help | -h) sed -n '2,5s/^# *//p' "$0"; exit 0 ;;
    -*) echo "install.sh: no option $1" >&2; exit 2 ;;
    *) dir=$1 ;;
  esac
  shift
done
put() { mkdir -p "$(dirname "$2")" && cp "$1" "$2.new" && chmod "$3" "$2.new" && mv -f "$2.new" "$2"; }
: "${dir:=${prefix:+$prefix/bin}}"
: "${dir:=${HOME:?HOME is not set: give a directory}/.local/bin}"
put "$here/udocker" "$dir/udocker" 755
"$dir/udocker" --allow-root version
[ -z "$links" ] || "$dir/udocker" --allow-root install --force --links "$dir"
if [ -n "$prefix" ]; then
  put "$here/udocker.1" "$prefix/share/man/man1/udocker.1" 644
  put "$here/completions/udocker.bash" "$prefix/share/bash-completion/completions/udocker" 644
  put "$here/completions/_udocker" "$prefix/share/zsh/site-functions/_udocker" 644
  put "$here/completions/udocker.fish" "$prefix/share/fish/vendor_completions.d/udocker.fish" 644
fi
case :${PATH}: in *:"$dir":*) ;; *) echo "add to your PATH: $dir" ;; esac
