#!/usr/bin/env bash
# A one-node Slurm on loopback, all of it as this user: tasks in containers, MPI by PMIx and PMI-2, Slurm's own
# container support with our run-time, and one fetch for many tasks that start the same image.
. "$(dirname "$0")/../support/support.sh"
. "$(dirname "$0")/../support/registry.sh"
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin S=$WORK/slurm host=$(hostname -s)
mkdir -p "$S/state" "$S/spool"
head -c 64 /dev/urandom > "$S/munge.key" && chmod 400 "$S/munge.key"
munged --key-file="$S/munge.key" --socket="$S/munge.sock" --pid-file="$S/munge.pid" --log-file="$S/munge.log" --seed-file="$S/munge.seed" --num-threads=1 --force 2>"$S/munged.err"
CLEANUP+=("kill \$(cat '$S/munge.pid')")
cat > "$S/slurm.conf" <<C
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$S/munge.sock
CredType=cred/munge
MailProg=/bin/true
StateSaveLocation=$S/state
SlurmdSpoolDir=$S/spool
SlurmctldPidFile=$S/ctld.pid
SlurmdPidFile=$S/slurmd.pid
SlurmctldLogFile=$S/ctld.log
SlurmdLogFile=$S/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
KillWait=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=200 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
C
ln -s "$UDOCKER" "$WORK/udocker-runc"
sed "s#/usr/bin/udocker-runc#$WORK/udocker-runc#; s#/tmp/udocker-runc#$S/runc#" "$here/../../packaging/slurm/oci.conf" > "$S/oci.conf"
export SLURM_CONF="$S/slurm.conf"
slurmctld -c 2>"$S/ctld.err"; CLEANUP+=("kill \$(cat '$S/ctld.pid')")
slurmd -c 2>"$S/slurmd.err"; CLEANUP+=("kill \$(cat '$S/slurmd.pid')")
wait_for bash -c 'sinfo -h -o %T | grep -q idle' || { fail "Slurm does not start" "$(tail -n 5 "$S"/*.log)"; done_testing; exit 1; }
submit() { timeout -k 5 120 srun -Q "$@"; }

check "load" "$UDOCKER" -q load -i "$(need_image busybox.docker.tar)"
check "create" "$UDOCKER" -q create --name=c busybox:test
mkdir job && cd job && echo input > data || exit 1
check_same "four tasks: their environment and the job's directory" "$(for i in 0 1 2 3; do echo "$i of 4 in $PWD input"; done)" \
  "$(submit -n 4 "$UDOCKER" -q run --nobanner --mpi c sh -c 'echo "$SLURM_PROCID of $SLURM_NTASKS in $PWD $(cat data)"' | sort)"
check_status 9 "exit status" submit -n 1 "$UDOCKER" -q run --nobanner --mpi c sh -c 'exit 9'
check_same "files written by the tasks" "0123" "$(submit -n 4 "$UDOCKER" -q run --nobanner --mpi c sh -c 'echo $SLURM_PROCID > out.$SLURM_PROCID'; cat out.? | tr -d '\n')"
printf '#!/bin/sh\n%s -q run --nobanner --mpi c sh -c "echo batch \\$SLURM_JOB_NAME; cat data"\n' "$UDOCKER" > batch.sh
check "a batch job" timeout 60 sbatch -Q --wait --job-name=inside --output=batch.out batch.sh
check_same "its output" "$(printf 'batch inside\ninput')" "$(cat batch.out)"

check "a container with MPI libraries" "$UDOCKER" -q import --tocontainer --name=mpi "$(need_image mpi.tar)"
for kind in openmpi mpich; do check "compile for $kind" mpicc.$kind -O2 -o lattice.$kind "$here/lattice.c"; done
want="ranks 4 checksum 843552fa memory shared"
for mode in P1 R1 T1; do
  check_output "PMIx, mode $mode" "$want" submit --mpi=pmix -n 4 "$UDOCKER" -q run --nobanner --mpi --execmode=$mode mpi ./lattice.openmpi
done
check_output "PMI-2" "$want" submit --mpi=pmi2 -n 4 "$UDOCKER" -q run --nobanner --mpi mpi ./lattice.mpich

mkdir "$WORK/b" && ln -s "$("$UDOCKER" inspect -p c)" "$WORK/b/rootfs"
check "a bundle for Slurm's containers" "$WORK/udocker-runc" spec --rootless -b "$WORK/b"
jq '.root.readonly = false' "$WORK/b/config.json" > "$WORK/b/new" && mv "$WORK/b/new" "$WORK/b/config.json"
check_output "srun --container" "$(printf 'NAME="musl test"\njobs-own')" submit -n 1 --job-name=jobs-own --container="$WORK/b" sh -c 'cat /etc/os-release; echo $SLURM_JOB_NAME'
check_status 4 "its exit status" submit -n 1 --container="$WORK/b" sh -c 'exit 4'
submit -n 1 --container="$WORK/b" --job-name=long sh -c 'trap "echo ended > /tmp/udocker-ended; exit 0" TERM; echo started; while :; do sleep 0.1; done' > long.out 2>/dev/null & task=$!
wait_for grep -q started long.out
check "scancel" scancel --name=long
wait $task
wait_for test -s "$WORK/b/rootfs/tmp/udocker-ended"
check_same "the container's program is told" ended "$(cat "$WORK/b/rootfs/tmp/udocker-ended")"
cd ..

# Many tasks, one image that nobody has yet: one fetch, and one container where --pull=reuse says so. No call of
# flock(2) or fcntl locks is needed: deny.py refuses them.
plain=127.0.0.1:$(free_port)
start_registry plain "${plain#*:}" "$WORK/data" log
skopeo copy --quiet --dest-tls-verify=false "oci:$(need_image busybox.oci):latest" "docker://$plain/team/busybox:1"
skopeo copy --quiet --dest-tls-verify=false "oci:$(need_image busybox.oci):latest" "docker://$plain/team/other:1"
fetched() { grep -c "GET /v2/$1/blobs/sha256" "$WORK/plain.log"; }
export UDOCKER_DIR="$WORK/shared"
deny="python3 $SUPPORT/deny.py flock"
check_same "16 tasks start an image" "$(seq 0 15)" "$(submit -n 16 $deny "$UDOCKER" -q run --nobanner --pull=reuse --env=SLURM_PROCID "$plain/team/busybox:1" sh -c 'echo $SLURM_PROCID' | sort -n)"
check_same "each blob was fetched once" 2 "$(fetched team/busybox)"
check_same "the image was unpacked once" 1 "$(ls -d "$UDOCKER_DIR"/containers/*-*/ROOT | wc -l)"
check_same "under the name of the image" 1 "$("$UDOCKER" ps | grep -c "team_busybox_1")"
export UDOCKER_DIR="$WORK/other"
check_same "tasks with containers of their own" 6 "$(submit -n 6 $deny "$UDOCKER" -q run --nobanner --rm "$plain/team/other:1" echo ok | grep -c ok)"
check_same "fetch it once too" 2 "$(fetched team/other)"
check_same "and are removed" "" "$(ls "$UDOCKER_DIR"/containers)"
done_testing
