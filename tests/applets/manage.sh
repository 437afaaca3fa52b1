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
# templates in docker's spelling, and ids alone
check_output "ps --format" "$id green busybox:test P1" u ps --format '{{.ID}} {{.Names}} {{ .image }} {{.Mode}}'
check_match "ps --format table" "^NAMES   IMAGE          CREATED$" u ps --format 'table {{.Names}}\t{{.Image}}\t{{.RunningFor}}'
check_match "and its rows" "^green   busybox:test   (Less than a second|[0-9]+ (second|minute)s?) ago$" u ps --format 'table {{.Names}}\t{{.Image}}\t{{.RunningFor}}'
check_same "ps --format json" green "$(u ps --format json | jq -r .Names)"
check_output "ps --format with a JSON field" '"green"' u ps --format '{{json .Names}}'
check_match "a field that is not there" "^Error: --format: no field .Nome; there are: .ID .Names" u ps --format '{{.Nome}}'
check_match "a template that does not end" "^Error: --format: .* without" u ps --format '{{.ID'
check_output "ps -q" "$id" u ps -q
check_match "ps --json has the age" '"created": [0-9]+' u ps --json
check_output "images --format" "busybox test false linux/amd64" u images --format '{{.Repository}} {{.Tag}} {{.Protected}} {{.Platform}}'
check_match "images with size and age" "^busybox:test   [0-9.]+[kM]?B   .* ago$" u images --format 'table {{.Name}}\t{{.Size}}\t{{.CreatedSince}}'
check_output "images -q" "$(u images -q --no-trunc | sed 's/^sha256://;s/\.json$//' | cut -c1-12)" u images -q
check_output "level 0 shows errors only" "" env UDOCKER_LOGLEVEL=0 "$UDOCKER" images
check_match "level 0: an error" "^Error: " env UDOCKER_LOGLEVEL=0 "$UDOCKER" inspect nosuch
check_output "level -1 shows nothing" "" sh -c 'UDOCKER_LOGLEVEL=-1 "$1" inspect nosuch 2>&1; exit 0' _ "$UDOCKER"
# a name that is nearly right
for command in "create busybx:test" "rmi busybox:tst" "verify busybox" "save busybx:test" "tag busybx:test a:b" "inspect busybx:test" "protect busybx:test"; do
  check_match "$command: a suggestion" "^Error: .* .did you mean busybox:test.." u $command
done
for command in "rm gren" "setup gren" "clone gren" "export gren" "name gren x" "rename gren x" "protect gren" "run --pull=never gren"; do
  check_match "$command: a suggestion" "^Error: .* .did you mean green.." u $command
done
check_match "the beginning of an id" "did you mean $id" u inspect "${id:0:8}"
check_match "a shared tag is not nearness" "no image nothing:test$" u rmi nothing:test
check_match "nothing near: no suggestion" "^Error: image or container not found zzzzzzzz$" u inspect zzzzzzzz
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
