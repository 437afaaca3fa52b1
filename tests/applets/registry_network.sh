#!/usr/bin/env bash
# Between udocker and the registry: proxies of all kinds, mirrors and rules of registries.conf, search interfaces, accounts of several styles.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/registry.sh"
start_bad_registry
printf '[DEFAULT]\ntimeout = 3\nctimeout = 3\n' > "$WORK/conf"
u() { "$UDOCKER" --config="$WORK/conf" "$@"; }
fresh() { rm -rf "$UDOCKER_DIR"; }

# proxies
start_proxy open
open=$PROXY
start_proxy locked someone 'p@ss'
locked=$PROXY
# through "what" URL LOG KIND: a pull through this proxy works, and the proxy has seen it
through() {
  local host=127.0.0.1
  case $4 in socks4a | socks5h) host=localhost ;; esac  # names are sent to the proxy, addresses are not
  : > "$WORK/$3.log"; fresh
  check "pull through $1" u pull --httpproxy="$2" "$host:${BAD#*:}/plain/image:1"
  check "the $1 was used ($4)" grep -q "^$4 " "$WORK/$3.log"
}
through "http proxy" "http://$open" open http
through "proxy without scheme" "$open" open http
through "socks4 proxy" "socks4://$open" open socks4
through "socks4a proxy" "socks4a://$open" open socks4a
through "socks5 proxy" "socks5://$open" open socks5
through "socks5h proxy" "socks5h://$open" open socks5h
through "http proxy with a password" "http://someone:p%40ss@$locked" locked http
through "socks5h proxy with a password" "socks5h://someone:p%40ss@$locked" locked socks5h
through "socks4 proxy with a user" "socks4://someone@$locked" locked socks4
: > "$WORK/open.log"; fresh
check "http_proxy of the environment" env http_proxy="http://$open" "$UDOCKER" --config="$WORK/conf" pull "$BAD/plain/image:1"
check "was used" grep -q "^http " "$WORK/open.log"
: > "$WORK/open.log"; fresh
check "no_proxy of the environment" env http_proxy="http://$open" no_proxy=127.0.0.1 "$UDOCKER" --config="$WORK/conf" pull "$BAD/plain/image:1"
check_same "passed it by" "" "$(cat "$WORK/open.log")"
fresh
check "all_proxy of the environment" env all_proxy="socks5h://$open" "$UDOCKER" --config="$WORK/conf" pull "localhost:${BAD#*:}/plain/image:1"
check "was used for names too" grep -q "^socks5h " "$WORK/open.log"
fresh
printf 'http_proxy = "socks5://%s"\n' "$open" | cat "$WORK/conf" - > "$WORK/conf.proxy"
: > "$WORK/open.log"
check "http_proxy of the settings" "$UDOCKER" --config="$WORK/conf.proxy" pull "$BAD/plain/image:1"
check "was used" grep -q "^socks5" "$WORK/open.log"
check_match "a wrong password for the proxy" "HTTP 407|407" u pull --httpproxy="http://someone:secretword@$locked" "$BAD/plain/image:1"
check_status 1 "is not shown" bash -c '"$@" 2>&1 | grep -q secretword' _ "$UDOCKER" -D --config="$WORK/conf" pull --httpproxy="http://someone:secretword@$locked" "$BAD/plain/image:1"
check_match "a proxy nobody knows" "^Error: not the address of a proxy .*: ftp://h$" u pull --httpproxy=ftp://u:secretword@h "$BAD/plain/image:1"

# TLS through proxies
make_certificate
plain=$BAD
start_bad_registry "$WORK/tls/cert.pem" "$WORK/tls/key.pem"
tls=$BAD
export SSL_CERT_FILE="$WORK/tls/ca.pem"
for kind in http socks4a socks5h; do
  : > "$WORK/open.log"; fresh
  check "https through a $kind proxy" u pull --httpproxy="$kind://$open" "localhost:${tls#*:}/token/image:1"
  check "was a tunnel" grep -Eq "^(connect|$kind) " "$WORK/open.log"
done
fresh
check "redirects, tokens and storage over https" u pull "$tls/storage/image:1"
# a registry that asks for a client's certificate
start_bad_registry "$WORK/tls/cert.pem" "$WORK/tls/key.pem" "$WORK/tls/ca.pem"
fresh
check_status 1 "without a client certificate" u pull "$BAD/token/image:1"
mkdir -p "$HOME/.config/containers/certs.d/$BAD"
cp "$WORK/tls/cert.pem" "$HOME/.config/containers/certs.d/$BAD/client.cert"
cp "$WORK/tls/key.pem" "$HOME/.config/containers/certs.d/$BAD/client.key"
check "with the one in certs.d" u pull "$BAD/token/image:1"
unset SSL_CERT_FILE
BAD=$plain

# registries.conf
export CONTAINERS_REGISTRIES_CONF="$WORK/registries.conf"
rule() { printf '%s\n' "$@" > "$CONTAINERS_REGISTRIES_CONF"; fresh; }
rule '[[registry]]' 'prefix = "docker.io"' 'location = "docker.io"' '[[registry.mirror]]' "location = \"$BAD/plain\""
check "a mirror of Docker Hub" u pull busybox:1
bad_log > "$WORK/log"
check "is asked for library/" grep -q "GET /v2/plain/library/busybox/manifests/1" "$WORK/log"
check_match "the local name is as typed" "^busybox:1 " u images
rule '[[registry]]' 'prefix = "reg.example/team"' "location = \"$BAD/index\"" '[[registry.mirror]]' "location = \"$BAD/m503\"" '[[registry.mirror]]' "location = \"127.0.0.1:$(free_port)\""
check "broken mirrors are passed over" u pull reg.example/team/image:1
rule '[[registry]]' 'prefix = "reg.example"' "location = \"$BAD/plain\"" '[[registry.mirror]]' "location = \"$BAD/corrupt\""
check_match "a mirror that serves wrong bytes is passed over" "downloading" u pull reg.example/image:1
check_match "whole" "image Ok" u verify reg.example/image:1
rule '[[registry]]' 'prefix = "reg.example"' "location = \"$BAD/plain\"" '[[registry.mirror]]' "location = \"$BAD/nested\"" 'pull-from-mirror = "digest-only"'
check "a mirror for digests only" u pull reg.example/digestonly:1
bad_log > "$WORK/log"
check_status 1 "is not asked for tags" grep -q "/nested/digestonly/manifests/1" "$WORK/log"
rule '[[registry]]' 'location = "bad.example"' 'blocked = true'
check_match "a blocked registry" "^Error: no files downloaded: registries.conf blocks bad.example/x" u pull bad.example/x
rule '[[registry]' 'broken'
check_match "a broken file is a warning" "Warning: .*registries.conf:1" u pull "$BAD/plain/image:1"
rule '[aliases]' "tool = \"$BAD/plain/image\""
check "an alias of the user's" u pull tool:1
check_match "the local name is as typed" "^tool:1 " u images
rule '[[registry]]' "prefix = \"$BAD\"" "location = \"$tls\"" 'insecure = true'
check "an insecure registry" u pull "$BAD/plain/image:1"
unset CONTAINERS_REGISTRIES_CONF

# accounts against scripted servers
login() { printf 'pass,word: x' | u login --username='some user' --password-stdin --registry="http://$BAD"; }
check "an account is stored" login
for style in basic needlogin token gitlab harbor ghcr quay; do
  fresh
  check "account used: $style" u pull --registry="http://$BAD" "$style/image:1"
done
u logout -a
fresh
mkdir -p "$HOME/.docker"
echo "{\"auths\":{\"$BAD\":{\"identitytoken\":\"identity\"}}}" > "$HOME/.docker/config.json"
check "identity token" u pull "$BAD/refresh/image:1"
echo "{\"auths\":{\"$BAD\":{\"auth\":\"$(printf 'some user:wrong' | base64)\"}}}" > "$HOME/.docker/config.json"
check_match "a refused account is named" "login as some user .from .*config.json. refused by .*HTTP 401" u pull "$BAD/needlogin/image:1"
rm "$HOME/.docker/config.json"

# search
check_match "search: newer interface" "^hit00 +.OK. about tool +0$" u search --index="http://$BAD/new" tool
check_match "search: older interface" "^hit49 +---- about tool +49$" u search --index="http://$BAD/old" tool
check_same "search: all pages" 50 "$(u -q search -a --index="http://$BAD/new" tool | wc -l)"
check_match "search: header" "^NAME {52}OFFICIAL DESCRIPTION" u search --index="http://$BAD/new" tool
check_same "tags: all pages" "a b c d" "$(u search --list-tags "$BAD/plain/image" | xargs)"
done_testing
