#!/usr/bin/env bash
# cwltool runs its steps in containers by --user-space-docker-cmd=udocker.
. "$(dirname "$0")/common.bash"
make_roots
make_image glibc tools
publish tools library/tools:1
export UDOCKER_REGISTRY="http://$REGISTRY" UDOCKER_INDEX="http://$REGISTRY"
mkdir bin
ln -s "$UDOCKER" bin/udocker
PATH=$WORK/bin:$PATH
cat > write.cwl <<'Y'
cwlVersion: v1.2
class: CommandLineTool
requirements:
  DockerRequirement: {dockerPull: "tools:1"}
  InitialWorkDirRequirement: {listing: [{entryname: made.txt, entry: "made by the runner\n"}]}
  EnvVarRequirement: {envDef: {GREETING: "hello world"}}
baseCommand: [bash, -c, 'cat made.txt "$0"; echo "$GREETING" "$HOME"; id -u > id.txt; echo done >&2']
inputs:
  text: {type: File, inputBinding: {position: 1}}
outputs:
  joined: {type: stdout}
  id: {type: File, outputBinding: {glob: id.txt}}
stdout: joined.txt
Y
cat > count.cwl <<'Y'
cwlVersion: v1.2
class: CommandLineTool
requirements: {DockerRequirement: {dockerPull: "tools:1"}}
baseCommand: [bash, -c, 'n=0; while read -r line; do n=$((n + 1)); done < "$0"; echo $n']
inputs:
  text: {type: File, inputBinding: {position: 1}}
outputs:
  lines: {type: stdout}
stdout: lines.txt
Y
cat > flow.cwl <<'Y'
cwlVersion: v1.2
class: Workflow
inputs: {text: File}
outputs:
  joined: {type: File, outputSource: write/joined}
  lines: {type: File, outputSource: count/lines}
steps:
  write: {run: write.cwl, in: {text: text}, out: [joined, id]}
  count: {run: count.cwl, in: {text: write/joined}, out: [lines]}
Y
echo "from the input" > input.txt
flow() { timeout 120 cwltool --user-space-docker-cmd=udocker --outdir "$WORK/out" "$@" flow.cwl --text input.txt; }
check "a workflow of two steps" flow
check_same "files in and out, environment, standard output" $'made by the runner\nfrom the input' "$(head -2 out/joined.txt)"
check_match "the environment" "^hello world /" cat out/joined.txt
check_same "the second step saw the first one's output" "3" "$(cat out/lines.txt)"
check_match "a step that fails is reported" "permanentFail|exit code" timeout 120 cwltool --user-space-docker-cmd=udocker <(sed 's/echo \$n/exit 4/' count.cwl) --text input.txt
check_same "the image was pulled once" 1 "$("$UDOCKER" -q images | grep -c '^tools:1 ')"
done_testing
