#!/usr/bin/env bash
# pull.sh ROUNDS: udocker pull beside skopeo copy, one image of four layers from docker-registry on loopback. Called by run.
set -eu
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir pull
cd pull
umoci --log=error init --layout image
umoci --log=error new --image image:x
lib=usr/lib/x86_64-linux-gnu
tar -C ../root/ -cf 1.tar usr/lib/gcc
tar -C ../root/ -cf 2.tar $lib
tar -C ../root/ -cf 3.tar usr/bin usr/share
tar -C ../root/ -cf 4.tar --exclude=usr/lib/gcc --exclude=$lib --exclude=usr/bin --exclude=usr/share usr etc var 2>/dev/null || true
for n in 1 2 3 4; do umoci --log=error raw add-layer --image image:x $n.tar; rm $n.tar; done
printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$PWD" "$port" > registry.yml
docker-registry serve registry.yml >registry.log 2>&1 &
trap "kill $!" EXIT
sleep 1
ref=127.0.0.1:$port/bench/four:1
skopeo copy --quiet --dest-tls-verify=false oci:image:x "docker://$ref"
printf '%s\t%s\t%s\n' \
  skopeo "rm -rf s; sync" "skopeo copy --quiet --src-tls-verify=false docker://$ref oci:s:x" \
  udocker "rm -rf store; sync" "UDOCKER_DIR=$PWD/store $UDOCKER -q pull $ref" > pull.tsv
echo "## pull of $(du -sm image | cut -f1) MB in four layers"
bash "$(dirname "$UDOCKER")/bench/timeit.sh" "$1" pull.tsv
