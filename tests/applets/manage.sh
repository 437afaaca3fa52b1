#!/usr/bin/env bash
# Names, protection, tags, listings and removal, with the output formats that scripts read.
. "$(dirname "$0")/../support/support.sh"
u() { "$UDOCKER" -q "$@"; }

check_output "load names the image" busybox:test u load -i "$(need_image busybox.docker.tar)"
check_match "images" '^busybox:test    \.$' u images
check_match "images at full verbosity has a header" '^REPOSITORY$' "$UDOCKER" images
check_match "images -p" '^linux/amd64        \. busybox:test$' u images -p
check_match "images -l" '^    /.* \([0-9]+ MB\)$' u images -l
check_same "images --json" busybox:test "$(u images --json | jq -r '.[0].name')"
check "verify" "$UDOCKER" verify busybox:test
check_match "verify says so" "Info: image Ok" "$UDOCKER" verify busybox:test
id=$(u create busybox:test)
check_match "create prints the id" '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' echo "$id"
check "name" u name "$id" blue
check_match "ps" "^$id \. W \['blue'\]           busybox:test        $" u ps
check_match "ps header" '^CONTAINER ID                         P M NAMES              IMAGE               $' u ps
check_match "ps -m -s" "^$id \. W P1 +[0-9]+ \['blue'\]" u ps -m -s
check_status 1 "a name that is taken" u name "$id" blue
check_status 1 "a bad name" u name "$id" a/b
check "rename" u rename blue green
check_status 1 "the old name is gone" u inspect blue
check "inspect by name" u inspect green
check_output "inspect -p" "$UDOCKER_DIR/containers/$id/ROOT" u inspect -p green
check_same "inspect an image" /tmp "$(u inspect busybox:test | jq -r .config.WorkingDir)"
check "protect" u protect green
check_status 1 "rm of a protected container" u rm green
check_match "ps shows it" "^$id P W" u ps
check "unprotect" u unprotect green
check "protect an image" u protect busybox:test
check_status 1 "rmi of a protected image" u rmi busybox:test
check "unprotect the image" u unprotect busybox:test
check "tag" u tag busybox:test copy/of:it
check_status 1 "tag to a name that exists" u tag busybox:test copy/of:it
check "rmi" u rmi busybox:test
check "the copy is still whole" u verify copy/of:it
check "rmname" u rmname green
check_status 1 "rmname again" u rmname green
check "rm" u rm "$id"
check_status 1 "rm again" u rm "$id"
check_status 1 "rm names what it does not know" u rm "$id" nosuch
check "rmi the copy" u rmi copy/of:it
check_same "no layer is left" "" "$(ls "$UDOCKER_DIR/layers")"
check "mkrepo" u mkrepo "$WORK/other"
check_status 1 "mkrepo of what exists" u mkrepo "$WORK/other"
check_status 1 "mkrepo without a directory" u mkrepo
check "--repo" "$UDOCKER" --repo "$WORK/other" images
check_status 1 "--repo of what is none" "$UDOCKER" --repo="$WORK/tmp" images
check "--repo takes a load" "$UDOCKER" -q --repo="$WORK/other" load -i "$(need_image busybox.docker.tar)"
check_match "UDOCKER_DIR shows it" busybox:test env UDOCKER_DIR="$WORK/other" "$UDOCKER" images
check_status 1 "an unknown image" u create nosuch:latest
check_status 1 "a malformed image name" u create 'Bad Name'
id=$("$UDOCKER" -q --repo="$WORK/other" create --name=odd busybox:test)
mkdir -p "$WORK/other/containers/odd/ROOT/locked/in" && chmod 000 "$WORK/other/containers/odd/ROOT/locked"
check "rm of odd modes" "$UDOCKER" -q --repo="$WORK/other" rm -f odd
check "prune" "$UDOCKER" --repo="$WORK/other" prune
done_testing
