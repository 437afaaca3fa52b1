#!/usr/bin/env bash
# mpi.sh ROUNDS: four ranks of a lattice sweep, on the host and in every mode, by the host's Open MPI and MPICH. Called by run.
set -eu
mkdir mpi
cd mpi
$UDOCKER -q import --tocontainer --name=mpi "$TEST_IMAGES/mpi.tar" >/dev/null
source=$(dirname "$UDOCKER")/bench/lattice.c
for kind in openmpi mpich; do
  mpicc.$kind -O2 -o lattice.$kind "$source"
  # MPICH's ranks do not give the processor away while they wait: a sweep costs them much more.
  extra= sweeps=100; [ $kind = mpich ] || { extra=--oversubscribe sweeps=3000; }
  echo "## four ranks, $kind, $sweeps sweeps: seconds inside the program, median of $1"
  for mode in host ${MODES:-R1 T1 T2 P1 P2 F1}; do
    start=; [ $mode = host ] || start="$UDOCKER -q run --nobanner --mpi --execmode=$mode mpi"
    for _ in $(seq "$1"); do mpiexec.$kind $extra -np 4 $start ./lattice.$kind $sweeps 2>&1 >/dev/null | sed -n 's/^seconds //p'; done | sort -n |
      awk -v mode=$mode '{v[NR] = $1} END {printf "%-5s %.3f\n", mode, v[int((NR + 1) / 2)]}'
  done
done
