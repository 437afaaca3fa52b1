#!/usr/bin/env bash
# pull, login, logout, manifest and search with a real registry on loopback: plain, and with TLS and a password.
. "$(dirname "$0")/../support/support.sh"
. "$SUPPORT/registry.sh"
image=$(need_image busybox.oci)
plain=127.0.0.1:$(free_port)
start_registry plain "${plain#*:}" "$WORK/data"
make_certificate
htpasswd -Bbn me 'my:secret word' > "$WORK/htpasswd"
closed=localhost:$(free_port)
start_registry closed "${closed#*:}" "$WORK/data" tls password
skopeo copy --quiet --dest-tls-verify=false "oci:$image:latest" "docker://$plain/team/busybox:1"
skopeo copy --quiet --dest-tls-verify=false --format v2s2 "oci:$image:latest" "docker://$plain/team/docker:2"
digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$plain/team/busybox:1")
secret_free() { ! grep -rqF -e 'my:secret word' -e "$(printf 'me:my:secret word' | base64)" "$@"; }

check "pull over http from a loopback address" "$UDOCKER" pull "$plain/team/busybox:1"
check_match "the image is whole" "image Ok" "$UDOCKER" verify "$plain/team/busybox:1"
check "pull of Docker's formats" "$UDOCKER" pull "$plain/team/docker:2"
check "pull by digest" "$UDOCKER" pull "$plain/team/busybox@$digest"
check "pull by tag and digest" "$UDOCKER" pull "$plain/team/busybox:whatever@$digest"
check "pull with --registry" "$UDOCKER" pull --registry="http://$plain" team/busybox:1
check_match "lists names as typed" "^team/busybox:1 " "$UDOCKER" images
check_match "one Info line per blob" "^Info: downloading layer sha256:[0-9a-f]{64}$" "$UDOCKER" pull "$plain/team/busybox:1"
check_output "-q is silent" "" bash -c '"$1" -q pull "$2/team/busybox:1" 2>&1' _ "$UDOCKER" "$plain"
"$UDOCKER" -q rmi "$plain/team/busybox:1" >/dev/null 2>&1
check "no thread may be started" bash -c 'ulimit -u 1 && exec "$0" -q pull "$1"' "$UDOCKER" "$plain/team/busybox:1"
check_match "an image that is not there" "^Error: no files downloaded: manifest not found or not authorized: .*MANIFEST_UNKNOWN" "$UDOCKER" pull "$plain/team/busybox:none"
check_status 1 "exits 1" "$UDOCKER" pull "$plain/team/nothing"
check_match "a name no registry takes" "^Error: no registry has an image of this name" "$UDOCKER" pull "$plain/Team/x"
check_match "no name" "^Error: must specify image:tag or repository/image:tag" "$UDOCKER" pull
check_match "a bad name" "^Error: must specify image:tag or repository/image:tag" "$UDOCKER" pull ../etc/passwd
check_match "a bad platform" "^Error: invalid platform" "$UDOCKER" pull --platform=linux//x "$plain/team/busybox:1"
check_match "nobody listens" "^Error: no files downloaded: pulling manifest: .*connect" "$UDOCKER" pull "127.0.0.1:$(free_port)/a/b"

# TLS: untrusted, trusted in three ways, not verified
check_match "an unknown CA is refused" "certificate" "$UDOCKER" pull "$closed/team/busybox:1"
export SSL_CERT_FILE="$WORK/tls/ca.pem"
check_match "with SSL_CERT_FILE only the account is missing" "not found or not authorized.*UNAUTHORIZED" "$UDOCKER" pull "$closed/team/busybox:1"
unset SSL_CERT_FILE
check_match "--insecure asks no certificate" "UNAUTHORIZED" "$UDOCKER" --insecure pull "$closed/team/busybox:1"
mkdir -p "$HOME/.config/containers/certs.d/$closed" "$WORK/cadir"
cp "$WORK/tls/ca.pem" "$WORK/cadir/x.pem"
check_match "SSL_CERT_DIR" "UNAUTHORIZED" env SSL_CERT_DIR="$WORK/cadir" "$UDOCKER" pull "$closed/team/busybox:1"
cp "$WORK/tls/ca.pem" "$HOME/.config/containers/certs.d/$closed/ca.crt"
check_match "certs.d" "UNAUTHORIZED" "$UDOCKER" pull "$closed/team/busybox:1"
check_match "SSL_CERT_FILE that is missing" "No such file" env SSL_CERT_FILE=/nowhere/ca.pem "$UDOCKER" pull "$closed/team/busybox:1"

# login: checked, stored in the tool's format, never shown
check_match "login with a wrong password" "^Error: invalid credentials: .*HTTP 401" "$UDOCKER" login --username=me --password=wrong --registry="$closed"
check_same "is not stored" "" "$(cat "$HOME/.udocker/keystore" 2>/dev/null)"
check_match "login with an empty password" "^Error: invalid credentials" bash -c 'printf "\n" | "$1" login --username=me --password-stdin --registry="$2"' _ "$UDOCKER" "$closed"
check "login" bash -c 'printf "my:secret word\n" | "$1" -D login --username=me --password-stdin --registry="$2" 2>"$3"' _ "$UDOCKER" "$closed" "$WORK/login.log"
check_same "keystore is private" 600 "$(stat -c %a "$HOME/.udocker/keystore")"
check_same "keystore has the tool's format" "{\"https://$closed\": {\"auth\": \"$(printf 'me:my:secret word' | base64)\", \"email\": \"\"}}" "$(cat "$HOME/.udocker/keystore")"
check "pull with the stored account" "$UDOCKER" pull "$closed/team/busybox:1"
"$UDOCKER" -D pull "$closed/team/docker:2" > "$WORK/pull.log" 2>&1
check "no log shows the password" secret_free "$WORK/login.log" "$WORK/pull.log"
check "name and password from a pipe" bash -c 'printf "me\nmy:secret word\n" | "$1" login --registry="$2"' _ "$UDOCKER" "$closed"
chmod 644 "$HOME/.udocker/keystore"
check_match "a keystore others can read is not used" "can be read by others.*chmod 600" "$UDOCKER" pull "$closed/team/busybox:1"
chmod 600 "$HOME/.udocker/keystore"
check "logout" "$UDOCKER" logout --registry="$closed"
check_match "logout twice" "^Error: deleting credentials" "$UDOCKER" logout --registry="$closed"
check_match "after logout" "UNAUTHORIZED" "$UDOCKER" pull "$closed/team/busybox:1"
check_match "a registry out of reach stores unchecked" "Warning: credentials not checked" "$UDOCKER" login --username=u --password=p --registry="127.0.0.1:$(free_port)"
check "logout -a" "$UDOCKER" logout -a
check_status 1 "logout -a twice" "$UDOCKER" logout -a
check_match "upper case" "Caps Lock" "$UDOCKER" login --username=u --password=PASS --registry="127.0.0.1:$(free_port)"
"$UDOCKER" logout -a

# accounts of other tools
entry="{\"auths\":{\"$closed/team\":{\"auth\":\"$(printf 'me:my:secret word' | base64)\"}}}"
pulls() { check "$1" env "${@:2}" "$UDOCKER" pull "$closed/team/busybox:1"; }
mkdir -p "$HOME/.docker" "$XDG_RUNTIME_DIR/containers" "$WORK/bin"
echo "$entry" > "$WORK/auth.json"
pulls "REGISTRY_AUTH_FILE" REGISTRY_AUTH_FILE="$WORK/auth.json"
pulls "DOCKER_AUTH_CONFIG" DOCKER_AUTH_CONFIG="$entry"
cp "$WORK/auth.json" "$XDG_RUNTIME_DIR/containers/auth.json"
pulls "containers' auth.json"
rm "$XDG_RUNTIME_DIR/containers/auth.json"
cp "$WORK/auth.json" "$HOME/.docker/config.json"
pulls "Docker's config.json"
printf '#!/bin/sh\n[ "$1" = get ] || exit 1\nread -r server\n[ "$server" = "%s" ] || { echo "credentials not found in native keychain"; exit 1; }\necho "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"me\\",\\"Secret\\":\\"my:secret word\\"}"\n' "$closed" > "$WORK/bin/docker-credential-test"
chmod +x "$WORK/bin/docker-credential-test"
echo "{\"credHelpers\":{\"$closed\":\"test\"}}" > "$HOME/.docker/config.json"
pulls "credential helper" PATH="$WORK/bin:$PATH"
echo '{"credsStore":"test"}' > "$HOME/.docker/config.json"
pulls "credential store" PATH="$WORK/bin:$PATH"
check_match "a missing helper is a warning" "Warning: credential helper docker-credential-test cannot be run" "$UDOCKER" pull "$closed/team/busybox:1"
echo 'not json' > "$HOME/.docker/config.json"
check_match "a broken file is a warning" "Warning: not valid JSON" "$UDOCKER" pull "$closed/team/busybox:1"
rm "$HOME/.docker/config.json"

# manifest and search
check_match "manifest inspect" '^    "schemaVersion": 2' "$UDOCKER" manifest inspect "$plain/team/busybox:1"
check_same "manifest is the registry's" "$(skopeo inspect --raw --tls-verify=false "docker://$plain/team/busybox:1" | jq -S .)" "$("$UDOCKER" manifest inspect "$plain/team/busybox:1" | jq -S .)"
check_output "manifest of a registry out of reach" "{}" "$UDOCKER" manifest inspect "127.0.0.1:$(free_port)/a/b"
check_match "manifest wants inspect" "^Error: manifest does 'inspect' only" "$UDOCKER" manifest show a
check_output "tags" "1" "$UDOCKER" search --list-tags "$plain/team/busybox"
check_status 1 "tags of what is not there" "$UDOCKER" search --list-tags "$plain/team/nothing"
check_match "search in a catalogue" "^$plain/team/docker +---- " "$UDOCKER" search "$plain/docker"
check "search that reaches nobody exits 0" "$UDOCKER" search --index="http://127.0.0.1:$(free_port)" x
done_testing
