/* Parallel tempering of a +-J glass over MPI: the same hash on any number of ranks.
 *   mpicc ranks_mpi.c -o ranks_mpi $(pkg-config --cflags --libs tensorjump) -lm && mpirun -n 3 ./ranks_mpi */
#include <limits.h>
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <tensorjump.h>

enum { L = 4, N = L * L, LEVELS = 5, COPIES = 16, RECORDS = 400, SKIPPED = 20 };

static void check(tj_status status) {
    if (status != TJ_OK) fprintf(stderr, "%s\n", tj_error_message()), MPI_Abort(MPI_COMM_WORLD, 1);
}
static int all_gather(void *communicator, const double *mine, size_t n, double *all) { /* all that is asked of MPI */
    if (n > INT_MAX) return -1;
    return MPI_Allgather(mine, (int)n, MPI_DOUBLE, all, (int)n, MPI_DOUBLE, *(MPI_Comm *)communicator);
}

int main(int count, char **arguments) {
    MPI_Comm world = MPI_COMM_WORLD;
    int rank, size;
    MPI_Init(&count, &arguments), MPI_Comm_rank(world, &rank), MPI_Comm_size(world, &size);
    tj_ranks ranks = {&world, (size_t)rank, (size_t)size, all_gather};
    check(tj_set_threads(1)); /* one rank a core */

    double betas[LEVELS] = {0.2, 0.4, 0.6, 0.8, 1}, bonds[2][N];
    for (uint32_t k = 0, bits = 1; k < 2 * N; k++)
        bonds[k / N][k % N] = (bits = bits * 1664525 + 1013904223) >> 31 ? 1 : -1;
    static uint8_t start[LEVELS * COPIES * N]; /* all spins down */
    tj_target *glass[LEVELS]; tj_proposal *flip, *flips[LEVELS]; tj_tempering *tempering;
    check(tj_single_site(N, NULL, &flip));
    for (int k = 0; k < LEVELS; k++) {
        check(tj_ising(L, L, TJ_TORUS, betas[k], bonds[0], bonds[1], NULL, &glass[k]));
        flips[k] = flip;
    }
    check(tj_tempering_new(LEVELS, betas, (const tj_target *const *)glass, (const tj_proposal *const *)flips, N, COPIES,
                           start, /* seed, the same on all ranks */ 7, &tempering));
    uint8_t x[COPIES * N]; uint64_t hash = 14695981039346656037u;
    double w[COPIES], mean = 0, square = 0, z = 0, exact = 0;
    for (int record = -SKIPPED; record < RECORDS; record++) {
        check(tj_tempering_advance_over(tempering, &ranks, 10)); /* 10 sweeps of N flips, each with exchanges */
        check(tj_tempering_read(tempering, LEVELS - 1, COPIES, x, w));
        for (size_t i = 0; i < sizeof x; i++) hash = (hash ^ x[i]) * 1099511628211u;
        double sum = 0; /* -energy, as beta = 1 */
        for (int i = 0; i < COPIES && record >= 0; i++) sum += w[i] / COPIES;
        mean += sum / RECORDS, square += sum * sum / RECORDS;
    }
    for (int bits = 0; bits < 1 << N; bits++) {
        for (int j = 0; j < N; j++) x[j] = bits >> j & 1;
        check(tj_target_log_weight(glass[LEVELS - 1], 1, x, w));
        z += exp(w[0]), exact += exp(w[0]) * w[0];
    }
    double error = sqrt((square - mean * mean) / (RECORDS - 1));
    if (rank == 0)
        printf("ranks_mpi.c: energy %.3f +- %.3f, exact %.3f, hash %016llx\n", -mean, error, -exact / z,
               (unsigned long long)hash);
    tj_tempering_free(tempering), tj_proposal_free(flip);
    for (int k = 0; k < LEVELS; k++) tj_target_free(glass[k]);
    return MPI_Finalize() || fabs(mean - exact / z) > 5 * error;
}
