#!/usr/bin/env bash
# Commands, options, output formats, messages and exit codes as scripts written for the Python tool know them.
. "$(dirname "$0")/common.bash"
make_roots
make_image glibc small --config.cmd ls --config.workingdir /home/user
publish small library/small:1 library/small:2 team/app:latest
export UDOCKER_REGISTRY="http://$REGISTRY" UDOCKER_INDEX="http://$REGISTRY"
u() { "$UDOCKER" "$@"; }
q() { "$UDOCKER" -q "$@"; }
lines() { both "$@" | cat -A; }

# pull, images, verify, inspect
check_match "pull: one line per blob" "^Info: downloading layer sha256:[0-9a-f]{64}$" u pull small:1
check_same "pull: config and layer" 2 "$(both u pull small:1 | grep -c '^Info: downloading layer')"
check "pull: a repository with a path" q pull team/app
check_match "pull: what is not there" "Error: .*no files downloaded|no files downloaded" u pull small:none
check_status 1 "pull: its status" u pull small:none
check_match "pull: no name" "^Error: must specify image:tag or repository/image:tag" u pull
check_output "images" $'small:1    .\nteam/app:latest    .' sh -c '"$1" -q images | sort' _ "$UDOCKER"
check_match "images: header at level 3" "^REPOSITORY$" u images
check_match "images -p" "^linux/amd64        \. small:1$" q images -p
check_match "images -l: directory" "^ $UDOCKER_DIR/repos/small/1$" q images -l
check_match "images -l: files" "^    /sha256:[0-9a-f]{64} \([0-9]+ MB\)$" q images -l
check "images: ignored options" q images --no-trunc --all
for text in "Info: verifying: small:1" "Info: loading structure" "Info: verifying layers" "Info: layer ok: sha256:" "Info: image Ok"; do check_match "verify: $text" "^$text" u verify small:1; done
check_same "inspect: sorted keys, indent 4" "$(q inspect small:1 | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin), sort_keys=True, indent=4, separators=(",", ": ")))')" "$(q inspect small:1)"
check_match "inspect: unknown" "Error: .*not found" u inspect nothing

# create, ps, names
id=$(q create small:1)
check_match "create: the id" "^$id_pattern$" echo "$id"
check_same "create: also at level 3" 1 "$("$UDOCKER" create --name=second small:1 2>/dev/null | grep -Ec "^$id_pattern$")"
check_match "create: name taken" "^Error: container name already exists" u create --name=second small:1
check "create --force goes on" q create --force --name=second small:1
check_match "create: no image" "^Error: create container: imagerepo is invalid" u create nothing:1
check_match "create: bad name" "Error: invalid container name or wrong format" u create --name=a/b small:1
check_match "ps: header" '^CONTAINER ID                         P M NAMES              IMAGE               \$$' lines q ps
check_match "ps: a row" "^$id \. W                    small:1             \\\$\$" lines q ps
check_match "ps: names" "^$id_pattern \. W \['second'\]         small:1 " q ps
check_match "ps -m: header" "^CONTAINER ID                         P M MOD NAMES " q ps -m
check_match "ps -m: row" "^$id \. W P1  " q ps -m
check_match "ps -s" "^CONTAINER ID                         P M SIZE  NAMES " q ps -s
check_match "ps -s: row" "^$id \. W +[0-9]+ " q ps -s
check_match "ps -p" "^$id \. W linux/amd64        " q ps -p
check_match "ps -m -s -p" "P M MOD SIZE  PLATFORM           NAMES " q ps -m -s -p
check "name" q name "$id" blue
check_match "name: taken" "Error: " u name "$id" second
check_match "name: unknown container" "^Error: invalid container id or name" u name nothing x
check "rename" q rename blue green
check_match "rename: unknown" "^Error: container does not exist" u rename blue red
check_match "rename: taken" "^Error: new name already exists" u rename green second
check_match "rename: of an id" "^Error: name does not exist" u rename "$id" red
check_match "rmname" "^Info: container name: green removed\.$" u rmname green
check_match "rmname: unknown" "^Error: removing container name" u rmname green
check_output "inspect -p" "$UDOCKER_DIR/containers/$id/ROOT" q inspect -p "$id"
check_status 1 "inspect -p of an image" q inspect -p small:1

# run: options in every form, environment, user, directory
q name "$id" c
r() { "$UDOCKER" -q run "$@" 2>&1; }
check_output "run: the image's command" "" r c
check_output "run: words with a dash are the program's" "-la" r c echo -la
for form in "--workdir=/etc" "--workdir /etc" "-w /etc" "-w=/etc"; do check_output "run $form" /etc r $form c pwd; done
for form in "--env=A=B" "--env A=B" "-e A=B" "-e=A=B"; do check_output "run $form" B r $form c bash -c 'echo $A'; done
for form in "--volume=$WORK:/mnt" "--volume $WORK:/mnt" "-v $WORK:/mnt" "-v=$WORK:/mnt"; do check_output "run $form" /mnt/registry.conf sh -c 'touch "$1/registry.conf"; shift; "$@"' _ "$WORK" "$UDOCKER" -q run $form c ls /mnt/registry.conf; done
for form in "--user=user" "--user user" "-u user" "-u=user"; do check_output "run $form" user r $form c bash -c 'echo $USER'; done
check_output "run: a lone volume is the same path" "$WORK" r -v "$WORK" -w "$WORK" c pwd
check_output "run: options in any order" "B /etc" r --env A=B --volume "$WORK" -w /etc -u root c bash -c 'echo $A $PWD'
check_output "run -e NAME takes the host's value" here env FROM_HOST=here "$UDOCKER" -q run -e FROM_HOST c bash -c 'echo $FROM_HOST'
check_output "run: the image's environment" yes r c bash -c 'echo $FROM_IMAGE'
check_output "run: -e over the image" no r -e FROM_IMAGE=no c bash -c 'echo $FROM_IMAGE'
check_output "run --nometa" "." r --nometa c bash -c 'echo $FROM_IMAGE.'
check_output "run: the image's directory" /home/user r c pwd
check_output "run: root by default" 0 r c id -u
check_output "run: names of the container" "$id c P1" r c bash -c 'echo $container_uuid $container_names $container_execmode'
check_output "run: PATH for root when the image has none" "$(q showconf 2>/dev/null | sed -n 's/^root_path = //p')" r --nometa c bash -c 'echo $PATH'
check_output "run --hostenv" here env FROM_HOST=here "$UDOCKER" -q run --hostenv c bash -c 'echo $FROM_HOST'
check_output "run: without it the host's environment stays out" "." env FROM_HOST=here "$UDOCKER" -q run c bash -c 'echo $FROM_HOST.'
printf 'A=1\n# comment\nB\n' > env.list
check_output "run --env-file" "1 here" env B=here "$UDOCKER" -q run --env-file=env.list c bash -c 'echo $A $B'
check_output "run --entrypoint=" "0" r --entrypoint= c id -u
check_output "run --entrypoint=X" "a b" r --entrypoint=echo c a b
check_output "run --entrypoint X" "a b" r --entrypoint echo c a b
check_output "run --cpuset-cpus" 0 r --cpuset-cpus=0 c bash -c 'while read -r k v; do if [ "$k" = Cpus_allowed_list: ]; then echo $v; fi; done < /proc/self/status'
check_output "run --bindhome" "$(getent passwd "$(id -u)" | cut -d: -f6)" r --bindhome c bash -c 'echo $HOME'
check_match "run --hostauth" "^$(id -un):" r --hostauth --user="$(id -un)" c cat /etc/passwd
check_output "run --containerauth: the file as it is" "$(cat "$UDOCKER_DIR/containers/$id/ROOT/etc/passwd")" r --containerauth c cat /etc/passwd
check_output "run --nosysdirs" "/proc/[0-9]* /dev/*" r --nosysdirs c bash -c 'echo /proc/[0-9]* /dev/*'
check_match "run --novol of what is not there" "--novol /nothing not in volumes list" u run --nobanner --novol=/nothing c true
check_output "run --kernel" 3.10.0-old r --kernel=3.10.0-old c uname -r
check_output "run --publish" ok r --publish=8080:80 -p 127.0.0.1:81:81 -P c echo ok
check_output "run: accepted and without effect" ok r -i -t -a --dns=1.1.1.1 --dns-search=x --volumes-from=y c echo ok
check_same "run: the banner" 7 "$("$UDOCKER" run c true 2>&1 | head -7 | wc -l)"
check_same "run: its fourth line" " *               STARTING $id                * " "$("$UDOCKER" run c true 2>&1 | sed -n 4p)"
check_match "run: executing" "^ executing: true$" u run c true
check_output "run --nobanner" "" sh -c '"$1" run --nobanner c true 2>&1' _ "$UDOCKER"
check_status 3 "run: the program's status" q run c bash -c 'exit 3'
for status in "2 run -w /nowhere c true" "2 run --user=a:b:c c true" "2 run -v /nowhere c true" "2 run c nosuchprogram" "2 run --pull=never nothing true" "1 run" "1 nosuchcommand" "1 run --nosuchoption c true" "1 create nothing"; do
  check_status "${status%% *}" "status of ${status#* }" q ${status#* }
done
check_match "run: invalid directory" "^Error: invalid working directory:  /nowhere" u run -w /nowhere c true
check_match "run: invalid volume" "^Error: invalid host volume path: /nowhere" u run -v /nowhere c true
check_match "run: no program" "^Error: command not found or has no execute bit set:  \['nosuchprogram', '-x'\]" u run c nosuchprogram -x
check_match "run: invalid user" "^Error: invalid syntax for user" u run --user=a:b:c c true
before=$(q ps | wc -l)
check "run of an image makes a container" q run small:1 true
check_same "which stays" $((before + 1)) "$(q ps | wc -l)"
check "run --rm of an image" q run --rm small:1 true
check_same "which does not" $((before + 1)) "$(q ps | wc -l)"
check "run --name" q run --name=named small:1 true
check "names it" q inspect named
check "run --pull=reuse" q run --pull=reuse --name=named small:1 true
check_same "makes no other" $((before + 2)) "$(q ps | wc -l)"
check "run --pull=missing pulls" q run --rm --pull=missing small:2 true
check_match "and keeps the image" "^small:2 " q images
check "run --pull (bare)" q run --pull --rm small:1 true
check_output "run --location" "ok" r --location="$UDOCKER_DIR/containers/$id/ROOT" $([ $TOOL = python ] && echo x) /bin/echo ok

# protect, clone, export, import, save, load
check "protect" q protect c
check_status 1 "rm of a protected container" q rm c
check_match "its message" "^Error: container is protected" u rm c
check_match "ps shows it" "^$id P W" q ps
check "unprotect" q unprotect c
check "protect an image" q protect small:2
check_match "rmi of a protected image" "^Error: image repository is protected" u rmi small:2
check_match "images shows it" "^small:2    P$" q images
check "unprotect an image" q unprotect small:2
check_match "clone" "^$id_pattern$" q clone --name=copy c
check_match "export -o" "^Info: exporting to file c.tar$" u export -o c.tar c
check_match "export: members" "^\./etc/passwd$" tar -tf c.tar
check "export to stdout" sh -c '"$1" -q export c | tar -tf - >/dev/null' _ "$UDOCKER"
check "export --clone" q export --clone -o clone.tar c
check_match "export --clone: members" "ROOT/etc/passwd$" tar -tf clone.tar
check_match "import" "^Info: added layer [0-9a-f]{64}$" u import c.tar imported:1
check_match "import: twice" "Info: tag already exists in repo: 1" u import c.tar imported:1
check_match "import: no file" "^Error: tar file does not exist:  nofile" u import nofile x:1
check "import from stdin" sh -c '"$1" -q import - stdin:1 < c.tar' _ "$UDOCKER"
check_match "import --tocontainer" "^$id_pattern$" q import --tocontainer --name=tocont c.tar
check_same "its image" "IMPORTED:unknown" "$(cat "$UDOCKER_DIR/containers/tocont/imagerepo.name")"
check_match "import --clone" "^$id_pattern$" q import --clone --name=fromclone clone.tar
check_same "its image is the archived one" "small:1" "$(cat "$UDOCKER_DIR/containers/fromclone/imagerepo.name")"
check "save -o" q save -o saved.tar small:1 imported:1
check_match "save: there already" "^Error: output file already exists: saved.tar" u save -o saved.tar small:1
check_match "save: unknown" "Error: save image failed: nothing:1" u save -o x.tar nothing:1
check "save to stdout" sh -c '"$1" -q save -o - small:1 | tar -tf - | grep -q manifest.json' _ "$UDOCKER"
check "rmi" q rmi imported:1
check_match "load -i" "^imported:1$" q load -i saved.tar
check_match "load from stdin" "^renamed:1$" sh -c '"$1" -q load renamed < saved.tar' _ "$UDOCKER"
check_match "load: no archive" "^Error: " u load -i env.list
check "tag" q tag small:1 tagged:x
check_match "tag: target exists" "^Error: target already exists" u tag small:1 tagged:x
check_match "tag: no source" "^Error: source does not exist" u tag nothing:1 t:y
check_match "manifest inspect" '^    "schemaVersion": 2' q manifest inspect small:1
check_match "setup" "^execmode: P1$" q setup c
check_match "setup: nvidia" "^nvidiamode: False$" q setup c
check_match "setup: invalid mode" "^Error: invalid execmode: Q1" u setup --execmode=Q1 c
check "setup: lower case" q setup --execmode=p2 c
check_match "setup: prints" "^execmode: P2$" q setup c
check_match "setup: no container" "^Error: invalid container id" u setup nothing
check_match "rm" "^Info: deleting container: $id_pattern$" u rm copy
check_match "rm: several, one unknown" "Error: invalid container id" u rm tocont nothing fromclone
check_status 1 "the known ones are gone" q inspect fromclone
check_match "rmi" "^Info: deleting image: small:2$" u rmi small:2

# general
check_match "version: three lines" "^version: $(expected version)" u version
check_match "version: tarball" "^tarball: " u version
check_match "showconf: rule" "^-{80}$" u showconf
check_match "showconf: title" "^		Configuration options$" u showconf
for key in verbose_level topdir http_proxy timeout tmpdir keystore sysdirs_list valid_host_env proot_killonexit dockerio_registry_url; do check_match "showconf: $key" "^$key = " u showconf; done
check_match "unknown command" "^Error: invalid command: nosuch" u nosuch
check_match "syntax error" "^Error: syntax error at: --nosuch" u ps --nosuch
check_match "too many words" "^Error: syntax error at: x y" u ps x y
check_match "mkrepo: exists" "^Error: localrepo directory already exists:  $WORK/oci" u mkrepo "$WORK/oci"
check_match "--repo of no repository" "^Error: invalid udocker repository: $WORK/oci" u --repo="$WORK/oci" images
check_match "logout without an account" "^Error: deleting credentials" u logout
check_same "search: columns" "NAME                                                    OFFICIAL DESCRIPTION                                                            STARS" \
  "$(both u search --index=http://127.0.0.1:1 x | grep '^NAME')"
check "search that finds nobody" u search --index=http://127.0.0.1:1 x
check_output "search --list-tags" $'1\n2' sh -c '"$1" search --list-tags small | sort' _ "$UDOCKER"

# where the two differ on purpose
check_status "$(expected combined-flags)" "combined flags" q run -it c true
check_same "an unknown command is answered in" "$(expected unknown-command-lines)" "$(both u nosuch | wc -l | xargs)"
check_status "$(expected option-after-words)" "an option after the words" q create small:1 --name=later
htpasswd -Bbn u right > "$WORK/htpasswd"
locked=127.0.0.1:$(free_port)
start_registry locked "${locked#*:}" "$WORK/registry" password
check_status "$(expected login-unchecked)" "login with a password that the registry refuses" q login --username=u --password=wrong --registry="http://$locked"
check "login with the right one" q login --username=u --password=right --registry="http://$locked"
check "logout" q logout --registry="http://$locked"
check_status "$(expected double-dash)" "--" q run -- c true
check_status "$(expected short-help)" "COMMAND -h" q ps -h
check_status "$(expected killed-status)" "a program killed by a signal" q run c bash -c 'kill -9 $$'
check_output "an empty argument" "$(expected empty-argument)" r c bash -c 'echo $#' x ""
check_status "$(expected export-dash)" "export -" q export - c
check_match "mkrepo without a directory" "$(expected mkrepo-traceback)" u mkrepo
if [ "$(expected messages-stream)" = stderr ]; then check_output "messages are not on stdout" "" sh -c '"$1" verify small:1 2>/dev/null' _ "$UDOCKER"; fi
count=$(q ps | wc -l)
u create --name=a/b small:1 >/dev/null 2>&1
check_same "a failing create leaves what it does" "$(expected bad-name-keeps-container)" $(($(q ps | wc -l) - count))
if [ "$(expected images-order)" = sorted ]; then check_same "sorted" "$(q images | LC_ALL=C sort)" "$(q images)"; fi
if [ "$(expected volume-ro)" = option ]; then check_status 1 "a read-only volume" q run -v "$WORK:/mnt:ro" c touch /mnt/x; fi
check_output "a manifest out of reach" "{}" q manifest inspect 127.0.0.1:1/a/b
done_testing
