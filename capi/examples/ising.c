/* Your Monte Carlo loop with draws of a tensor network: an Ising model with couplings along the diagonals, proposed by
 * boundary draws of a model without them, accepted by your energy.
 *   cc ising.c -o ising $(pkg-config --cflags --libs tensorjump) -lm */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorjump.h>

enum { L = 4, N = L * L, BLOCKS = 100, STEPS = 2000 };
static const double J = 0.4, K = 0.08; /* beta times the coupling of neighbours, of diagonal neighbours */

static void check(tj_status status) { if (status != TJ_OK) fprintf(stderr, "%s\n", tj_error_message()), exit(1); }
static double uniform(void) { return (rand() + 0.5) / (RAND_MAX + 1.0); }
static double spin(const uint8_t *x, int r, int c) { return r < L && c >= 0 && c < L ? 2.0 * x[r * L + c] - 1.0 : 0.0; }

static double log_weight(const uint8_t *x) {
    double sum = 0;
    for (int r = 0; r < L; r++)
        for (int c = 0; c < L; c++)
            sum += spin(x, r, c) * (J * (spin(x, r, c + 1) + spin(x, r + 1, c))
                                    + K * (spin(x, r + 1, c + 1) + spin(x, r + 1, c - 1)));
    return sum;
}
static double m_squared(const uint8_t *x) {
    double ups = 0;
    for (int j = 0; j < N; j++) ups += x[j];
    return (2 * ups - N) * (2 * ups - N);
}

int main(void) {
    /* The proposal: couplings somewhat larger, in place of the diagonal ones. */
    tj_model *model; tj_draws *draws;
    check(tj_boundary_ising(L, L, TJ_OPEN, J + K, NULL, NULL, NULL, 8, &model));
    check(tj_draws_new(model, 1, 0, 1024, &draws));

    uint8_t x[N], y[N];
    double log_q, log_q_new, mean = 0, square = 0;
    long accepted = 0;
    check(tj_draws_next(draws, x, &log_q));
    for (int block = 0; block < BLOCKS; block++) {
        double sum = 0;
        for (int step = 0; step < STEPS; step++) {
            check(tj_draws_next(draws, y, &log_q_new));
            if (log(uniform()) < log_weight(y) - log_weight(x) + log_q - log_q_new)
                memcpy(x, y, N), log_q = log_q_new, accepted++;
            sum += m_squared(x) / STEPS;
        }
        mean += sum / BLOCKS, square += sum * sum / BLOCKS;
    }
    tj_draws_free(draws), tj_model_free(model);

    double z = 0, exact = 0, error = sqrt((square - mean * mean) / (BLOCKS - 1)), n = (double)BLOCKS * STEPS;
    for (int bits = 0; bits < 1 << N; bits++) {
        for (int j = 0; j < N; j++) x[j] = bits >> j & 1;
        z += exp(log_weight(x)), exact += exp(log_weight(x)) * m_squared(x);
    }
    printf("ising.c: acceptance %.3f, <M^2> %.3f +- %.3f, exact %.3f\n", accepted / n, mean, error, exact / z);
    return fabs(mean - exact / z) > 5 * error;
}
