#!/usr/bin/env bash
# Texts made from the tables: real shells complete with them, manual page and README hold every command and option.
. "$(dirname "$0")/../support/support.sh"
PATH="$(dirname "$UDOCKER"):$PATH"
u() { "$UDOCKER" -q "$@"; }
u load -i "$(need_image busybox.docker.tar)" >/dev/null
u create --name=green busybox:test >/dev/null

# bash, at a terminal with a real TAB key
"$UDOCKER" completion bash > c.bash
check "bash accepts its completion" bash -n c.bash
tab() { check_output "bash: $1" "$2" python3 "$SUPPORT/complete.py" bash 'source ./c.bash' "$1"; }
tab "udocker showc" "udocker showconf"
tab "udocker --inse" "udocker --insecure"
tab "udocker install --li" "udocker install --links"
tab "udocker run gre" "udocker run green"
tab "udocker -q rmi busyb" "udocker -q rmi busybox:test"
tab "udocker run --rm busybox:te" "udocker run --rm busybox:test"
tab "udocker setup --execmode=R3" "udocker setup --execmode=R3"
tab "udocker setup --execmode aut" "udocker setup --execmode auto"
tab "udocker run --pull=nev" "udocker run --pull=never"
tab "udocker load -i c.ba" "udocker load -i c.bash"

# zsh
"$UDOCKER" completion zsh > _udocker
check "zsh accepts its completion" zsh -n _udocker
ztab() { check_output "zsh: $1" "$2" python3 "$SUPPORT/complete.py" zsh 'autoload -U compinit; compinit -D -u; source ./_udocker' "$1"; }
ztab "udocker showc" "udocker showconf"
ztab "udocker setup --execmode=R3" "udocker setup --execmode=R3"
ztab "udocker run gre" "udocker run green"

# fish
"$UDOCKER" completion fish > c.fish
check "fish accepts its completion" fish -n c.fish
fish_words() { fish -N -c "source ./c.fish; complete -C '$1'" | cut -f1; }
check_match "fish: commands" '^showconf$' fish_words "udocker show"
check_match "fish: options" '^--links$' fish_words "udocker install --li"
check_match "fish: containers" '^green$' fish_words "udocker run gre"
check_match "fish: modes" 'R3$' fish_words "udocker setup --execmode=R"

# manual page
"$UDOCKER" completion man > udocker.1
check_same "groff has no warnings" "" "$(groff -man -Tascii -ww udocker.1 2>&1 >/dev/null)"
sed 's/\\-/-/g' udocker.1 > plain.1
groff -man -Tascii -P-c udocker.1 2>/dev/null | sed 's/.\x08//g' > udocker.txt
commands=$("$UDOCKER" help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
widest() { awk -v most="$1" 'length > most { print; bad = 1 } END { exit bad }'; }
for command in $commands; do
  check_match "$command is in the manual page" "^ *udocker $command" cat udocker.txt
  check_match "$command --help" "^usage: udocker $command" "$UDOCKER" "$command" --help
  check_same "$command -h is the same" "$("$UDOCKER" "$command" --help)" "$("$UDOCKER" "$command" -h)"
  check_same "help $command is the same" "$("$UDOCKER" "$command" --help)" "$("$UDOCKER" help "$command")"
  check_match "$command --help has examples" "^examples:" "$UDOCKER" "$command" --help
  check "$command --help fits a screen's width" widest 100 <<< "$("$UDOCKER" "$command" --help)"
  lines=$("$UDOCKER" "$command" --help | wc -l) most=24
  [ "$command" = run ] && most=70
  if [ "$lines" -le $most ]; then ok; else fail "$command --help fits a screen: $lines lines"; fi
done
for option in $("$UDOCKER" run --help | grep -o -- '--[a-z][a-z-]*' | sort -u); do
  check "run $option is in the manual page" grep -q -- "$option" plain.1
done
check_same "README.md has the table of commands (udocker completion markdown)" "$("$UDOCKER" completion markdown)" \
  "$(sed -n '/^## Commands/,/^## /p' "$SUPPORT/../../README.md" | grep '^|')"
check_status 1 "an unknown kind is refused" "$UDOCKER" completion perl
check_status 1 "an unknown kind of words is refused" "$UDOCKER" completion words cats
check "words of a store that does not exist" env UDOCKER_DIR="$WORK/none" "$UDOCKER" completion words both
check "asking makes nothing" test ! -e "$WORK/none"
done_testing
