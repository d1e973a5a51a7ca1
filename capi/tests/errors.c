/* Every function with every mistake that it can see, over and over: a status, never a crash, nothing lost.
 * For AddressSanitizer and valgrind: errors.c ROUNDS makes some hundred calls a round. */
#include "common.h"

enum { N = 6 };
static long calls;
#define BAD(status, said, call) calls++; REFUSED(status, said, call)

static int refuse(void *context, size_t n, size_t sites, const uint8_t *x, double *out) {
    (void)n, (void)sites, (void)x, (void)out;
    return *(int *)context;
}
static int forgets(void *context, size_t n, size_t sites, const uint8_t *x, double *out) {
    (void)context, (void)n, (void)sites, (void)x, (void)out;
    return 0;
}
/* Works with the handle that it is called for. */
static tj_chains *busy;
static int reenters(void *context, size_t n, size_t sites, const uint8_t *x, double *out) {
    (void)context, (void)sites, (void)x;
    uint8_t y[N];
    for (size_t i = 0; i < n; i++) out[i] = 0;
    return busy && tj_chains_read(busy, 1, y, NULL) == TJ_BUSY ? 9 : 0;
}

static void models(void) {
    tj_model *m = (tj_model *)1;
    size_t dims[N] = {2, 2, 2, 2, 2, 2}, bonds[N + 1] = {1, 1, 1, 1, 1, 1, 1}, huge = SIZE_MAX;
    double ones[2 * N], bad[2 * N], zeros[2 * N] = {0};
    for (int k = 0; k < 2 * N; k++) ones[k] = 1, bad[k] = k == 5 ? NAN : 1;
    BAD(TJ_NULL, "out", tj_ising_chain(1, N, NULL, NULL, 0, NULL));
    BAD(TJ_INPUT, "sites", tj_ising_chain(1, 0, NULL, NULL, 0, &m));
    EXPECT(m == NULL);
    BAD(TJ_INPUT, "", tj_ising_chain(NAN, N, NULL, NULL, 0, &m));
    BAD(TJ_INPUT, "", tj_ising_chain(1, N, NULL, bad, 0, &m));
    BAD(TJ_INPUT, "", tj_ising_chain(1, N, bad, NULL, 1, &m));
    BAD(TJ_TOO_LARGE, "couplings", tj_ising_chain(1, huge, NULL, NULL, 0, &m));
    BAD(TJ_NULL, "bonds", tj_mps_positive(N, dims, NULL, ones, 2 * N, &m));
    BAD(TJ_NULL, "tensors", tj_mps_positive(N, dims, bonds, NULL, 2 * N, &m));
    BAD(TJ_INPUT, "tensors", tj_mps_positive(N, dims, bonds, ones, 2 * N - 1, &m));
    BAD(TJ_INPUT, "", tj_mps_positive(0, NULL, bonds, NULL, 0, &m));
    BAD(TJ_INPUT, "", tj_mps_positive(N, dims, bonds, bad, 2 * N, &m));
    BAD(TJ_INPUT, "", tj_mps_positive(N, dims, bonds, zeros, 2 * N, &m));
    BAD(TJ_INPUT, "", tj_mps_born(N, dims, bonds, bad, 2 * N, &m));
    BAD(TJ_INPUT, "", tj_mps_born(N, dims, bonds, zeros, 2 * N, &m));
    BAD(TJ_NULL, "im", tj_mps_complex(N, dims, bonds, ones, NULL, 2 * N, &m));
    BAD(TJ_TOO_LARGE, "", tj_mps_born(huge, dims, bonds, ones, 2 * N, &m));
    bonds[2] = huge;
    BAD(TJ_TOO_LARGE, "tensors", tj_mps_born(N, dims, bonds, ones, 2 * N, &m));
    bonds[2] = 0;
    BAD(TJ_INPUT, "", tj_mps_born(N, dims, bonds, ones, 2 * N - 4, &m));
    bonds[2] = 1, dims[3] = 0;
    BAD(TJ_INPUT, "", tj_mps_born(N, dims, bonds, ones, 2 * N - 2, &m));
    BAD(TJ_INPUT, "sites", tj_fredkin(7, 0.5, 0, &m));
    BAD(TJ_INPUT, "c", tj_fredkin(8, 1.5, 0, &m));
    BAD(TJ_INPUT, "c", tj_fredkin(8, NAN, 0, &m));
    BAD(TJ_TOO_LARGE, "Fredkin", tj_fredkin(1 << 30, 0.5, 0, &m));
    BAD(TJ_TOO_LARGE, "", tj_fredkin(100000, 0.5, 0, &m));
    BAD(TJ_NULL, "path", tj_model_load(NULL, &m));
    BAD(TJ_FILE, "absent", tj_model_load("/absent/file", &m));
    BAD(TJ_INPUT, "UTF-8", tj_model_load("\xff\xfe", &m));
    BAD(TJ_FILE, "not usable", tj_model_load("errors.junk", &m));
    EXPECT(m == NULL && tj_model_sites(NULL) == 0 && isnan(tj_model_log_z(NULL)));
}

static void lattices(void) {
    tj_target *t;
    tj_model *m;
    double bad[16] = {0, 0, NAN}, nothing[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY}, z = 0;
    BAD(TJ_INPUT, "geometry", tj_ising(4, 4, 9, 1, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "geometry", tj_ising(4, 4, -1, 1, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "rows", tj_ising(0, 4, TJ_OPEN, 1, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "cols", tj_ising(4, 2, TJ_CYLINDER, 1, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "beta", tj_ising(4, 4, TJ_OPEN, INFINITY, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "horizontal[0][2]", tj_ising(4, 4, TJ_OPEN, 1, bad, NULL, NULL, &t));
    BAD(TJ_INPUT, "sites", tj_ising(SIZE_MAX, 2, TJ_OPEN, 1, NULL, NULL, NULL, &t));
    BAD(TJ_TOO_LARGE, "lattice", tj_ising(40000, 40000, TJ_OPEN, 1, NULL, NULL, NULL, &t));
    BAD(TJ_NULL, "out", tj_ising(4, 4, TJ_OPEN, 1, NULL, NULL, NULL, NULL));
    BAD(TJ_INPUT, "states", tj_pair_uniform(2, 2, TJ_OPEN, 0, NULL, bad, NULL, &t));
    BAD(TJ_INPUT, "states", tj_pair_uniform(2, 2, TJ_OPEN, 257, NULL, bad, NULL, &t));
    BAD(TJ_NULL, "horizontal", tj_pair_uniform(2, 2, TJ_OPEN, 2, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "horizontal", tj_pair_uniform(2, 2, TJ_OPEN, 2, NULL, bad, NULL, &t));
    BAD(TJ_INPUT, "no configuration", tj_pair_uniform(2, 2, TJ_OPEN, 2, NULL, nothing, NULL, &t));
    BAD(TJ_INPUT, "site", tj_pair(2, 2, TJ_OPEN, NULL, bad, 7, bad, 8, bad, 8, &t));
    BAD(TJ_INPUT, "vertical", tj_pair(2, 2, TJ_OPEN, NULL, bad, 8, bad, 8, bad, 9, &t));
    BAD(TJ_NULL, "vertical", tj_pair(2, 2, TJ_OPEN, NULL, bad, 8, bad, 8, NULL, 8, &t));
    BAD(TJ_INPUT, "chi", tj_boundary_ising(4, 4, TJ_OPEN, 1, NULL, NULL, NULL, 0, &m));
    OK(tj_ising(4, 4, TJ_OPEN, 0.4, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "chi", tj_boundary(t, 0, &m));
    BAD(TJ_INPUT, "chi", tj_boundary_proposal(t, 0, &m));
    BAD(TJ_INPUT, "chi", tj_snake(t, 0, &m));
    BAD(TJ_NULL, "log_z", tj_contract(t, 1e-6, 8, NULL, NULL));
    BAD(TJ_INPUT, "", tj_contract(t, NAN, 8, &z, NULL));
    BAD(TJ_HANDLE, "target", tj_boundary((tj_target *)(void *)&z, 4, &m));
    BAD(TJ_HANDLE, "target", tj_boundary((tj_target *)((char *)t + 1), 4, &m));
    BAD(TJ_NULL, "target", tj_boundary(NULL, 4, &m));
    tj_target_free(t);
    BAD(TJ_NULL, "f", tj_target_new(4, NULL, NULL, NULL, &t));
    BAD(TJ_INPUT, "sites", tj_target_new(0, NULL, forgets, NULL, &t));
    size_t dims[2] = {2, 300};
    BAD(TJ_INPUT, "dims", tj_target_new(2, dims, forgets, NULL, &t));
    OK(tj_target_new(2, NULL, forgets, NULL, &t));
    BAD(TJ_INPUT, "target", tj_boundary(t, 4, &m));
    EXPECT(t && !m && tj_target_sites(NULL) == 0);
    tj_target_free(t);
}

static void noise(void) {
    tj_noise *k;
    double rates[4 * N] = {0}, minus[N] = {1, -1, 1, 1, 1, 1};
    uint8_t x[N] = {0}, y[N] = {0};
    BAD(TJ_INPUT, "sites", tj_noise_flips(0, 1, 1, 1, NULL, &k));
    BAD(TJ_TOO_LARGE, "sites", tj_noise_flips(SIZE_MAX, 1, 1, 1, NULL, &k));
    BAD(TJ_INPUT, "up", tj_noise_flips(N, -1, 1, 1, NULL, &k));
    BAD(TJ_INPUT, "t =", tj_noise_flips(N, 1, 1, -1, NULL, &k));
    BAD(TJ_INPUT, "factor", tj_noise_flips(N, 1, 1, 1, minus, &k));
    BAD(TJ_INPUT, "gamma", tj_noise_uniform(N, NULL, NAN, 1, NULL, &k));
    BAD(TJ_INPUT, "rates", tj_noise_rates(N, NULL, rates, 4 * N - 1, 1, NULL, &k));
    BAD(TJ_NULL, "rates", tj_noise_rates(N, NULL, NULL, 4 * N, 1, NULL, &k));
    rates[5] = 1;
    BAD(TJ_INPUT, "site 1", tj_noise_rates(N, NULL, rates, 4 * N, 1, NULL, &k));
    BAD(TJ_INPUT, "kernel", tj_noise_tables(N, NULL, rates, 4 * N, &k));
    OK(tj_noise_flips(N, 1, 1, 1, NULL, &k));
    BAD(TJ_NULL, "x", tj_noise_apply(k, 1, NULL, 0, 0, y));
    BAD(TJ_NULL, "y", tj_noise_apply(k, 1, x, 0, 0, NULL));
    x[4] = 2;
    BAD(TJ_INPUT, "site 4", tj_noise_apply(k, 1, x, 0, 0, y));
    BAD(TJ_INPUT, "site 4", tj_noise_log_prob(k, 1, x, x, rates));
    BAD(TJ_NULL, "log_prob", tj_noise_log_prob(k, 1, y, y, NULL));
    BAD(TJ_NULL, "noise", tj_noise_apply(NULL, 1, x, 0, 0, y));
    tj_noise_free(k);
}

static void use(void) {
    tj_model *m, *fredkin, *other;
    tj_noise *k, *k4;
    tj_target *t, *t4, *nan;
    tj_proposal *p, *p4, *single, *none;
    tj_draws *d;
    tj_chains *c;
    tj_tempering *e;
    tj_assessment a;
    int seven = 7;
    uint8_t x[2 * N] = {0}, y[2 * N] = {0};
    double lp[2], half[2] = {0.5, 0.4};
    OK(tj_ising_chain(0.5, N, NULL, NULL, 0, &m));
    OK(tj_fredkin(N, 0.5, 0, &fredkin));
    OK(tj_ising_chain(0.5, 4, NULL, NULL, 0, &other));
    OK(tj_noise_flips(N, 1, 1, 1, NULL, &k));
    OK(tj_noise_flips(4, 1, 1, 1, NULL, &k4));
    OK(tj_target_model(m, &t));
    OK(tj_target_new(N, NULL, refuse, &seven, &t4));
    OK(tj_target_new(N, NULL, forgets, NULL, &nan));
    OK(tj_connected(m, k, &p));
    OK(tj_disconnected(other, &p4));
    OK(tj_single_site(N, NULL, &single));
    /* n = 0 is no mistake. */
    OK(tj_sample(m, 0, 1, 0, NULL, NULL));
    OK(tj_log_prob(m, 0, NULL, NULL));
    OK(tj_propose(p, 0, NULL, 1, 0, NULL, NULL));
    OK(tj_denoise(m, k, 0, NULL, 1, 0, NULL, NULL));
    OK(tj_target_log_weight(t, 0, NULL, NULL));
    /* Buffers are checked before anything is drawn. */
    BAD(TJ_NULL, "x", tj_sample(m, 1, 1, 0, NULL, lp));
    BAD(TJ_TOO_LARGE, "x", tj_sample(m, SIZE_MAX, 1, 0, x, lp));
    BAD(TJ_TOO_LARGE, "x", tj_log_prob(m, SIZE_MAX / 2, x, lp));
    BAD(TJ_TOO_LARGE, "x_new", tj_propose(p, SIZE_MAX / N, x, 1, 0, y, lp));
    BAD(TJ_INPUT, "aligned", tj_log_prob(m, 1, x, (double *)((char *)lp + 1)));
    BAD(TJ_NULL, "x", tj_log_prob(m, 1, NULL, lp));
    BAD(TJ_NULL, "log_prob", tj_log_prob(m, 1, x, NULL));
    BAD(TJ_NULL, "model", tj_sample(NULL, 1, 1, 0, x, lp));
    BAD(TJ_HANDLE, "model", tj_sample((tj_model *)(void *)k, 1, 1, 0, x, lp));
    BAD(TJ_HANDLE, "proposal", tj_propose((tj_proposal *)(void *)m, 1, x, 1, 0, y, lp));
    BAD(TJ_NULL, "dims", tj_model_dims(m, NULL));
    x[N + 3] = 5;
    BAD(TJ_INPUT, "row 1, site 3", tj_log_prob(m, 2, x, lp));
    BAD(TJ_INPUT, "row 1, site 3", tj_propose(p, 2, x, 1, 0, y, lp));
    BAD(TJ_INPUT, "row 1, site 3", tj_denoise(m, k, 2, x, 1, 0, y, lp));
    BAD(TJ_INPUT, "row 1, site 3", tj_target_log_weight(t, 2, x, lp));
    BAD(TJ_INPUT, "row 1, site 3", tj_chains_new(t, 2, x, 1, &c));
    x[N + 3] = 0;
    BAD(TJ_INPUT, "sites", tj_denoise(m, k4, 1, x, 1, 0, y, lp));
    BAD(TJ_INPUT, "sites", tj_connected(m, k4, &none));
    tj_noise *still;
    OK(tj_noise_flips(N, 1, 1, 0, NULL, &still));
    BAD(TJ_ZERO_EVIDENCE, "row 0", tj_denoise(fredkin, still, 1, x, 1, 0, y, lp));
    tj_noise_free(still);
    BAD(TJ_INPUT, "law", (tj_model_save(fredkin, "errors.none")));
    BAD(TJ_FILE, "absent", tj_model_save(m, "/absent/folder/file"));
    /* Proposals. */
    const tj_proposal *parts[2] = {p, p4};
    BAD(TJ_INPUT, "sum", tj_mixture(2, half, parts, &none));
    half[1] = 0.5;
    BAD(TJ_INPUT, "sites", tj_mixture(2, half, parts, &none));
    BAD(TJ_INPUT, "parts", tj_mixture(0, NULL, NULL, &none));
    parts[1] = NULL;
    BAD(TJ_NULL, "proposal", tj_mixture(2, half, parts, &none));
    BAD(TJ_NULL, "parts", tj_mixture(2, half, NULL, &none));
    size_t pair[2] = {1, 1};
    BAD(TJ_INPUT, "pair", tj_exchange(N, NULL, 1, pair, &none));
    BAD(TJ_INPUT, "pairs", tj_exchange(N, NULL, 0, NULL, &none));
    BAD(TJ_TOO_LARGE, "pairs", tj_exchange(N, NULL, SIZE_MAX, pair, &none));
    BAD(TJ_INPUT, "dimension", tj_single_site(0, NULL, &none));
    EXPECT(none == NULL);
    /* Draws: the model may go first. */
    BAD(TJ_INPUT, "ahead", tj_draws_new(m, 1, 0, 0, &d));
    BAD(TJ_TOO_LARGE, "ahead", tj_draws_new(m, 1, 0, SIZE_MAX / 16, &d));
    OK(tj_draws_new(other, 1, 0, 3, &d));
    tj_model_free(other);
    for (int i = 0; i < 7; i++) OK(tj_draws_next(d, y, lp));
    OK(tj_propose(p4, 1, y, 1, 0, y, lp));
    BAD(TJ_NULL, "x", tj_draws_next(d, NULL, lp));
    BAD(TJ_NULL, "log_prob", tj_draws_next(d, y, NULL));
    BAD(TJ_NULL, "draws", tj_draws_next(NULL, y, lp));
    tj_draws_free(d);
    /* Callbacks. */
    BAD(TJ_CALLBACK, "returned 7", tj_target_log_weight(t4, 1, x, lp));
    BAD(TJ_CALLBACK, "returned 7", tj_importance(m, t4, 10, 1, 0, &a));
    BAD(TJ_CALLBACK, "returned 7", tj_chains_new(t4, 1, x, 1, &c));
    BAD(TJ_INPUT, "log-weight", tj_chains_new(nan, 1, x, 1, &c));
    BAD(TJ_INPUT, "log-weight", tj_importance(m, nan, 10, 1, 0, &a));
    BAD(TJ_INPUT, "samples", tj_importance(m, t, 1, 1, 0, &a));
    BAD(TJ_NULL, "result", tj_importance(m, t, 10, 1, 0, NULL));
    /* Chains and tempering. */
    BAD(TJ_INPUT, "chains", tj_chains_new(t, 0, NULL, 1, &c));
    BAD(TJ_TOO_LARGE, "x", tj_chains_new(t, SIZE_MAX, x, 1, &c));
    tj_target *again, *path;
    OK(tj_target_new(N, NULL, reenters, NULL, &again));
    OK(tj_chains_new(again, 1, x, 1, &c));
    busy = c;
    BAD(TJ_CALLBACK, "returned 9", tj_chains_advance(c, single, 1, NULL));
    busy = NULL;
    OK(tj_chains_advance(c, single, 3, NULL));
    BAD(TJ_INPUT, "sites", tj_chains_advance(c, p4, 1, NULL));
    BAD(TJ_INPUT, "samples", tj_chains_read(c, 2, x, NULL));
    BAD(TJ_NULL, "proposal", tj_chains_advance(c, NULL, 1, NULL));
    tj_chains_free(c), tj_target_free(again);
    OK(tj_target_model(fredkin, &path));
    BAD(TJ_INPUT, "log-weight", tj_chains_new(path, 1, x, 1, &c));
    tj_target_free(path);
    double betas[2] = {1, 2};
    const tj_target *targets[2] = {t, t};
    const tj_proposal *moves[2] = {single, single};
    memset(x, 0, sizeof x);
    BAD(TJ_INPUT, "levels", tj_tempering_new(0, betas, targets, moves, 1, 1, x, 1, &e));
    BAD(TJ_INPUT, "", tj_tempering_new(1, betas, targets, moves, 1, 1, x, 1, &e));
    BAD(TJ_INPUT, "times", tj_tempering_new(2, betas, targets, moves, 0, 1, x, 1, &e));
    BAD(TJ_INPUT, "", tj_tempering_new(2, betas, targets, moves, 1, 0, x, 1, &e));
    BAD(TJ_TOO_LARGE, "x", tj_tempering_new(2, betas, targets, moves, 1, SIZE_MAX, x, 1, &e));
    OK(tj_tempering_new(2, betas, targets, moves, 1, 1, x, 1, &e));
    OK(tj_tempering_advance(e, 2));
    BAD(TJ_INPUT, "level", tj_tempering_read(e, 2, 1, x, NULL));
    BAD(TJ_INPUT, "samples", tj_tempering_read(e, 1, 2, x, NULL));
    BAD(TJ_INPUT, "levels", tj_tempering_rates(e, 3, lp, NULL));
    tj_tempering_free(e);
    tj_model_free(m), tj_model_free(fredkin), tj_noise_free(k), tj_noise_free(k4), tj_target_free(t), tj_target_free(t4);
    tj_target_free(nan), tj_proposal_free(p), tj_proposal_free(p4), tj_proposal_free(single);
}

/* Not in the header: panics inside. */
extern tj_status tj_test_panic(void);

int main(int count, char **arguments) {
    int rounds = count > 1 ? atoi(arguments[1]) : 1;
    FILE *junk = fopen("errors.junk", "w");
    fputs("no file of ours", junk), fclose(junk);
    for (int round = 0; round < rounds; round++) models(), lattices(), noise(), use();
    tj_model_free(NULL), tj_noise_free(NULL), tj_target_free(NULL), tj_proposal_free(NULL), tj_draws_free(NULL);
    tj_chains_free(NULL), tj_tempering_free(NULL);
    EXPECT(tj_set_threads(0) == TJ_INPUT && tj_set_threads(5000) == TJ_INPUT);
    EXPECT(strlen(tj_version()) >= 5);
    puts("a panic, on purpose:"), fflush(stdout);
    REFUSED(TJ_PANIC, "on purpose", tj_test_panic());
    remove("errors.junk");
    printf("%ld refused calls\n", calls);
    return done("errors.c");
}
