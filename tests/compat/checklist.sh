#!/usr/bin/env bash
# The Python tool's own two shell tests, step by step, with local images: every command, then one container through all modes.
. "$(dirname "$0")/common.bash"
make_roots
make_image glibc ub --config.cmd bash
make_image musl jv --config.cmd sh
publish ub library/ubuntu:22.04 library/python:3-slim docker/library/redis:latest
publish jv library/openjdk:8-jdk-alpine
export UDOCKER_REGISTRY="http://$REGISTRY" UDOCKER_INDEX="http://$REGISTRY"
# Registries named in full are found on loopback too (the Python tool has no such file and needs the network here).
export CONTAINERS_REGISTRIES_CONF="$WORK/registries.conf"
printf '[[registry]]\nprefix = "docker.io"\nlocation = "%s"\ninsecure = true\n[[registry]]\nprefix = "public.ecr.aws"\nlocation = "%s"\ninsecure = true\n' "$REGISTRY" "$REGISTRY" > "$CONTAINERS_REGISTRIES_CONF"
python3 "$HERE/hub.py" "$WORK/hub.port" &
CLEANUP+=("kill $!")
wait_for test -s "$WORK/hub.port"
HUB=http://127.0.0.1:$(cat "$WORK/hub.port")
skopeo copy -q "oci:$WORK/oci/ub:latest" "docker-archive:$WORK/centos7.tar:centos:7"
tar -C "$WORK/roots/glibc" -cf "$WORK/export.tar" .
u() { "$UDOCKER" "$@"; }
t() { local number=$1; shift; check "T$number: $*" "$@"; }
proot=$UDOCKER_DIR/bin/proot-$(uname -m | sed s/aarch64/arm64/)

# 8.1 all commands
t 001 u install; t 001 test -e "$proot"
t 002 u install --force; t 002 test -e "$proot"
t 003 u; t 004 u help; t 005 u -h
t 006 u showconf; t 007 u version
t 008 u -D version; t 009 u --quiet version; t 010 u -q version; t 011 u --debug version
t 012 u -V; t 013 u --version
check_same "T014: a line starts with gromacs" 2 "$(UDOCKER_INDEX=$HUB "$UDOCKER" search -a gromacs 2>/dev/null | grep -c '^gromacs')"
t 015 u pull ubuntu:22.04; t 016 u --insecure pull ubuntu:22.04
t 017 u verify ubuntu:22.04; t 018 u images; t 019 u inspect ubuntu:22.04
id=$("$UDOCKER" -q create ubuntu:22.04 2>/dev/null)
check_match "T020: stdout is the id alone" "^$id_pattern\$" echo "$id"
t 021 u create --name=ubuntu ubuntu:22.04
check_match "T022: ps shows the name" "ubuntu" u ps
t 023 u name "$id" conti; t 024 u rmname conti
check_match "T024: ps shows the id" "$id" u ps
t 025 u inspect "$id"; t 026 u clone --name=myclone "$id"
chmod -R u+x "$UDOCKER_DIR/containers/$id/ROOT"
t 027 u export -o myexportcont.tar "$id"
t 028 u rm "$id"; t 029 u setup ubuntu
t 030 u mkrepo "$WORK/repo"; t 031 u --repo="$WORK/repo" pull ubuntu:22.04; t 032 u --repo="$WORK/repo" verify ubuntu:22.04
t 033 env UDOCKER_DIR="$WORK/repo" "$UDOCKER" verify ubuntu:22.04
t 034 u load -i centos7.tar
check_match "T034: as centos:7" "^centos:7 " u images
t 035 u protect ubuntu; check_status 1 "T036: rm of a protected container" u rm ubuntu
t 037 u unprotect ubuntu; t 038 u rm ubuntu
t 039 u import export.tar mycentos1:latest
t 040 u import --tocontainer --name=mycont export.tar
t 041 u import --clone --name=clone_cont export.tar
t 042 u rmi ubuntu:22.04
t 043 u ps -m; t 044 u ps -s -m; t 045 u images -l
t 046 u pull docker.io/python:3-slim; t 047 u create --name=py3slim docker.io/python:3-slim; t 048 u run py3slim python3 --version
t 049 u pull public.ecr.aws/docker/library/redis; t 050 u create --name=redis public.ecr.aws/docker/library/redis; t 051 u run redis redis-server --version
# no registry for accounts is within reach: the account is stored unchecked
t 052 env UDOCKER_REGISTRY="http://127.0.0.1:$(free_port)" "$UDOCKER" login --username=username --password=password
t 053 u logout -a
for name in mycont clone_cont myclone py3slim redis; do check "clean-up: rm $name" u rm "$name"; done
check "clean-up: rmi" u rmi mycentos1:latest
check "clean-up: rmi" u rmi centos:7

# 8.2 one container through all modes, in this order
t jv u pull openjdk:8-jdk-alpine; t jv u create --name=jv openjdk:8-jdk-alpine
t ub22 u pull ubuntu:22.04; t ub22 u create --name=ub22 ubuntu:22.04
check "setup prints the mode" u setup ub22
original=$(cd "$UDOCKER_DIR/containers/ub22/ROOT" && find . -type f -exec sha256sum {} + -o -type l -printf '%p -> %l\n' | sort -k2)
walk() { # MODE CONTAINER... : setup, then a run, both exit 0
  local mode=$1 container
  shift
  for container in "$@"; do
    [ "$mode" = P1 ] || check "$mode: setup $container" u setup --execmode="$mode" "$container"
    case $container in
      jv) check_match "$mode: java" "openjdk version 1.8 LANG=C" u run --env="LANG=C" jv java -version
          check "$mode: java's status" u run --env="LANG=C" jv java -version ;;
      *) check_match "$mode: ls" "coreutils" u run "$container" ls --version
         check "$mode: ls's status" u run "$container" ls --version ;;
    esac
  done
}
walk P1 jv ub22
walk P2 jv ub22
walk F1 ub22
walk F2 ub22
walk F3 jv ub22
walk F4 jv ub22
walk R1 jv ub22
check_same "after F4 and R1 every file and link is as it was" "$original" \
  "$(cd "$UDOCKER_DIR/containers/ub22/ROOT" && find . -path ./.bind_host_files -prune -o -type f -exec sha256sum {} + -o -type l -printf '%p -> %l\n' | sort -k2)"
walk R2 jv ub22
walk R3 jv ub22
check "clean-up: rm" u rm -f jv ub22
done_testing
