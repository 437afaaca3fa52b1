#!/usr/bin/env bash
# The host's mpiexec starts four ranks in a container: Open MPI (PMIx) and MPICH (PMI), in every mode that can.
. "$(dirname "$0")/../support/support.sh"
here=$(cd "$(dirname "$0")" && pwd)
check "a container with both libraries" "$UDOCKER" -q import --tocontainer --name=mpi "$(need_image mpi.tar)"
mkdir job && cd job || exit 1
for kind in openmpi mpich; do check "compile for $kind" mpicc.$kind -O2 -o lattice.$kind "$here/lattice.c"; done
launch() { local kind=$1 extra=; shift; [ $kind = mpich ] || extra="--oversubscribe --mca btl_base_warn_component_unused 0"; timeout -k 5 120 mpiexec.$kind $extra -np 4 "$@" 2>err.$kind; }

want="ranks 4 checksum 843552fa memory shared"
for kind in openmpi mpich; do check_output "$kind on the host" "$want" launch $kind ./lattice.$kind; done
for mode in ${MODES:-P1 P2 T1 T2 F1 R1 F3}; do
  setup=
  case $mode in F[234]) check "set up $mode" "$UDOCKER" -q setup --execmode=$mode mpi ;; *) setup=--execmode=$mode ;; esac
  for kind in openmpi mpich; do
    check_output "$kind in mode $mode" "$want" launch $kind "$UDOCKER" -q run --nobanner --mpi $setup mpi ./lattice.$kind
  done
done
check "back" "$UDOCKER" -q setup --execmode=P1 mpi
check_status 3 "a rank's exit status reaches mpiexec" launch mpich "$UDOCKER" -q run --nobanner --mpi mpi /bin/sh -c 'exit 3'
# The recipe of the manual (section 4): every option by itself, the volume at another place.
check_output "the manual's recipe" "$want" launch openmpi "$UDOCKER" -q run --nobanner -e LD_LIBRARY_PATH=/usr/lib --hostenv --hostauth --user="$(id -un)" \
  -v /tmp -v "$PWD:/opt/projects" --workdir=/opt/projects mpi /opt/projects/lattice.openmpi
cd ..
done_testing
