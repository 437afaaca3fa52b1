#!/usr/bin/env bash
# pull.sh ROUNDS: udocker pull beside skopeo copy, one image of four layers from docker-registry on loopback, by HTTP and
# by TLS. Called by run.
set -eu
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) secure=$(free_port)
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
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
serve() { # PORT TLS
  printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: "127.0.0.1:%s"%s}\n' "$PWD" "$1" "$2" > "registry.$1.yml"
  docker-registry serve "registry.$1.yml" >"registry.$1.log" 2>&1 &
  servers="${servers:-} $!"
}
trap 'kill $servers' EXIT
serve "$port" ""
serve "$secure" ", tls: {certificate: $PWD/cert.pem, key: $PWD/key.pem}"
for p in "$port" "$secure"; do for _ in $(seq 100); do (: </dev/tcp/127.0.0.1/"$p") 2>/dev/null && break; sleep 0.1; done; done
ref=127.0.0.1:$port/bench/four:1 safe=127.0.0.1:$secure/bench/four:1
skopeo copy --quiet --dest-tls-verify=false oci:image:x "docker://$ref"
printf '%s\t%s\t%s\n' \
  skopeo "rm -rf s; sync" "skopeo copy --quiet --src-tls-verify=false docker://$ref oci:s:x" \
  udocker "rm -rf store; sync" "UDOCKER_DIR=$PWD/store $UDOCKER -q pull $ref" \
  skopeo_tls "rm -rf s; sync" "skopeo copy --quiet --src-tls-verify=false docker://$safe oci:s:x" \
  udocker_tls "rm -rf store; sync" "SSL_CERT_FILE=$PWD/cert.pem UDOCKER_DIR=$PWD/store $UDOCKER -q pull $safe" > pull.tsv
echo "## pull of $(du -sm image | cut -f1) MB in four layers"
bash "$(dirname "$UDOCKER")/bench/timeit.sh" "$1" pull.tsv
