# Sourced after support.sh: registries on loopback, filled from the test images.
# shellcheck shell=bash

# start_bad_registry: sets BAD to HOST:PORT of the registry that misbehaves
start_bad_registry() {
  rm -f "$WORK/bad.port"
  python3 "$SUPPORT/bad_registry.py" "$WORK/bad.port" "$@" &
  CLEANUP+=("kill $!")
  wait_for test -s "$WORK/bad.port"
  BAD=127.0.0.1:$(cat "$WORK/bad.port")
}
bad_log() { python3 -c 'import json, sys, urllib.request; print("\n".join(" ".join(map(str, r)) for r in json.load(urllib.request.urlopen("http://%s/_log" % sys.argv[1]))))' "$BAD"; }

# make_certificate: a CA and a certificate for 127.0.0.1 and localhost in $WORK/tls
make_certificate() {
  mkdir -p "$WORK/tls"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "$WORK/tls/ca.key" -out "$WORK/tls/ca.pem" -subj /CN=test-ca \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
  openssl req -newkey rsa:2048 -nodes -keyout "$WORK/tls/key.pem" -out "$WORK/tls/req.pem" -subj /CN=localhost
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > "$WORK/tls/ext"
  openssl x509 -req -in "$WORK/tls/req.pem" -CA "$WORK/tls/ca.pem" -CAkey "$WORK/tls/ca.key" -CAcreateserial -days 2 -extfile "$WORK/tls/ext" -out "$WORK/tls/cert.pem"
} 2>/dev/null

# start_registry NAME PORT DATA [tls] [password] [log]: Debian's docker-registry; log: requests go to $WORK/NAME.log
start_registry() {
  local name=$1 port=$2 data=$3 word tls="" auth="" log=true
  shift 3
  for word in "$@"; do
    case $word in
      tls) tls="  tls: {certificate: $WORK/tls/cert.pem, key: $WORK/tls/key.pem}" ;;
      log) log=false ;;
      password) auth="auth: {htpasswd: {realm: test, path: $WORK/htpasswd}}" ;;
    esac
  done
  cat > "$WORK/$name.yml" <<Y
version: 0.1
log: {level: error, accesslog: {disabled: $log}}
storage: {filesystem: {rootdirectory: $data}}
http:
  addr: 127.0.0.1:$port
$tls
$auth
Y
  docker-registry serve "$WORK/$name.yml" > "$WORK/$name.log" 2>&1 &
  CLEANUP+=("kill $!")
  wait_for bash -c ": </dev/tcp/127.0.0.1/$port"
}
# start_proxy NAME [USER PASSWORD]: sets PROXY to HOST:PORT; its log is $WORK/NAME.log
start_proxy() {
  local name=$1
  shift
  rm -f "$WORK/$name.port"
  : > "$WORK/$name.log"
  python3 "$SUPPORT/proxy.py" "$WORK/$name.port" "$WORK/$name.log" "$@" &
  CLEANUP+=("kill $!")
  wait_for test -s "$WORK/$name.port"
  PROXY=127.0.0.1:$(cat "$WORK/$name.port")
}
