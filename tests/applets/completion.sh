#!/usr/bin/env bash
# Texts made from the tables: shells accept them, and every command is in them.
. "$(dirname "$0")/../support/support.sh"

"$UDOCKER" completion bash > c.bash
check "bash accepts its completion" bash -n c.bash
complete_words() { bash -c 'source "$1"; COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); _udocker; printf "%s\n" "${COMPREPLY[@]}"' _ c.bash "$@"; }
PATH="$(dirname "$UDOCKER"):$PATH"
check_match "commands complete" '^showconf$' complete_words udocker show
check_match "options complete" '^--links$' complete_words udocker install --li
check_match "fish has the summary" "complete .* -a run" "$UDOCKER" completion fish
check_match "zsh starts right" "^#compdef udocker" "$UDOCKER" completion zsh
"$UDOCKER" completion man > udocker.1
if command -v groff >/dev/null; then check_same "groff has no warnings" "" "$(groff -man -Tascii -ww udocker.1 2>&1 >/dev/null)"; fi
for command in $("$UDOCKER" help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
  check_match "$command is in the manual page" "^\.SS udocker $command" cat udocker.1
  check_match "$command --help" "^usage: udocker $command" "$UDOCKER" "$command" --help
  check_match "$command -h" "^usage: udocker $command" "$UDOCKER" "$command" -h
done
check_status 1 "an unknown kind is refused" "$UDOCKER" completion perl
done_testing
