// A sweep over a two-dimensional periodic lattice: rows shared among the ranks, halos exchanged, sums checked.
#define _GNU_SOURCE
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>
#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif
enum { N = 256, SWEEPS = 60 };
static uint32_t a[2][N + 2][N];
static uint32_t mix(uint32_t x) { x ^= x >> 16; x *= 0x7feb352dU; x ^= x >> 15; x *= 0x846ca68bU; return x ^ x >> 16; }
static void sweep(uint32_t (*from)[N], uint32_t (*to)[N], int rows) {
  for (int i = 1; i <= rows; i++)
    for (int j = 0; j < N; j++) to[i][j] = mix(from[i - 1][j] + 3 * from[i + 1][j] + 5 * from[i][(j + 1) % N] + 7 * from[i][(j + N - 1) % N] + from[i][j]);
}
// Reads memory of another rank without its help, as MPI libraries do for large messages. 0, or -1.
static int read_other(int pid, uint32_t* address, uint32_t* to, size_t count) {
  struct iovec local = {to, count * 4}, remote = {address, count * 4};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)(count * 4) ? 0 : -1;
}
int main(int argc, char** argv) {
  int rank, size;
  int sweeps = argc > 1 ? atoi(argv[1]) : SWEEPS;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  int rows = N / size, up = (rank + size - 1) % size, down = (rank + 1) % size, now = 0;
  for (int i = 1; i <= rows; i++) for (int j = 0; j < N; j++) a[0][i][j] = mix((uint32_t)((rank * rows + i - 1) * N + j));
  double start = MPI_Wtime();
  for (int s = 0; s < sweeps; s++, now ^= 1) {
    MPI_Sendrecv(a[now][1], N, MPI_UINT32_T, up, 0, a[now][rows + 1], N, MPI_UINT32_T, down, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(a[now][rows], N, MPI_UINT32_T, down, 1, a[now][0], N, MPI_UINT32_T, up, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    sweep(a[now], a[now ^ 1], rows);
  }
  // A large message goes through memory of the other process where the library can (process_vm_readv).
  size_t big = 1 << 20;
  uint32_t *out = malloc(big * 4), *in = malloc(big * 4);
  for (size_t i = 0; i < big; i++) out[i] = mix((uint32_t)i + (uint32_t)rank);
  MPI_Sendrecv(out, (int)big, MPI_UINT32_T, down, 2, in, (int)big, MPI_UINT32_T, up, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  for (size_t i = 0; i < big; i++) if (in[i] != mix((uint32_t)i + (uint32_t)up)) { printf("rank %d: wrong data\n", rank); return 1; }
  prctl(PR_SET_PTRACER, -1, 0, 0, 0);  // hosts with Yama
  long long me[2] = {getpid(), (long long)(intptr_t)out}, other[2];
  MPI_Sendrecv(me, 2, MPI_LONG_LONG, down, 3, other, 2, MPI_LONG_LONG, up, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  int failed = read_other((int)other[0], (uint32_t*)(intptr_t)other[1], in, big) || in[7] != mix(7u + (uint32_t)up), failures = 0;
  MPI_Allreduce(&failed, &failures, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  uint32_t mine = 0, all = 0;
  for (int i = 1; i <= rows; i++) for (int j = 0; j < N; j++) mine += a[now][i][j] * (uint32_t)((rank * rows + i) * N + j);
  MPI_Reduce(&mine, &all, 1, MPI_UINT32_T, MPI_SUM, 0, MPI_COMM_WORLD);
  double took = MPI_Wtime() - start;
  if (!rank) { printf("ranks %d checksum %08x memory %s\n", size, all, failures ? "apart" : "shared"); fprintf(stderr, "seconds %.4f\n", took); }
  MPI_Finalize();
  return 0;
}
