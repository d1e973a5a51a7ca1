/* Every kind of handle against enumeration. */
#include "common.h"

enum { MAX = 1 << 12, SITES = 12 };
static uint8_t all[MAX * SITES], x[MAX * SITES], y[MAX * SITES];
static double log_p[MAX], log_w[MAX], back[MAX];

/* All configurations of binary sites, in the order of their bits. */
static size_t configurations(size_t sites) {
    size_t n = (size_t)1 << sites;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < sites; j++) all[i * sites + j] = i >> j & 1;
    return n;
}
static double s(const uint8_t *c, size_t j) { return 2.0 * c[j] - 1.0; }
static double number(void) { return 2.0 * rand() / RAND_MAX - 1.0; }

/* The log-probabilities of a model are the log-weights less log Z, to `tolerance`. */
static void is_law(const tj_model *model, size_t n, double tolerance, int has_log_z) {
    double z = 0, worst = 0;
    OK(tj_log_prob(model, n, all, log_p));
    for (size_t i = 0; i < n; i++) z += exp(log_w[i]);
    for (size_t i = 0; i < n; i++)
        if (log_w[i] > -INFINITY || log_p[i] > -INFINITY) worst = fmax(worst, fabs(log_p[i] - log_w[i] + log(z)));
    EXPECT(worst < tolerance);
    if (has_log_z) EXPECT(fabs(tj_model_log_z(model) - log(z)) < tolerance);
}

/* Draws have the log-probabilities that they say, and the means of the law (5 sigma). */
static void draws_are(const tj_model *model, size_t n, size_t sites) {
    double expected = 0, mean = 0, square = 0;
    OK(tj_log_prob(model, n, all, log_p));
    for (size_t i = 0; i < n; i++) expected += exp(log_p[i]) * (all[i * sites] + 2.0 * all[i * sites + sites - 1]);
    size_t m = MAX;
    OK(tj_sample(model, m, 5, 3, x, log_w));
    OK(tj_log_prob(model, m, x, back));
    EXPECT(!memcmp(log_w, back, m * sizeof *back));
    for (size_t i = 0; i < m; i++) {
        double f = x[i * sites] + 2.0 * x[i * sites + sites - 1];
        mean += f / m, square += f * f / m;
    }
    EXPECT(fabs(mean - expected) < 5 * sqrt((square - mean * mean) / m) + 1e-12);
    /* A row does not depend on how many are drawn; other steps draw others; log_prob need not be wanted. */
    OK(tj_sample(model, 10, 5, 3, y, NULL));
    EXPECT(!memcmp(x, y, 10 * sites));
    OK(tj_sample(model, 100, 5, 4, y, NULL));
    EXPECT(memcmp(x, y, 100 * sites));
    /* Draws made ahead are those of the batch. */
    tj_draws *draws;
    OK(tj_draws_new(model, 5, 3, 7, &draws));
    for (size_t i = 0; i < 20; i++) {
        uint8_t one[SITES];
        double lp;
        OK(tj_draws_next(draws, one, &lp));
        EXPECT(!memcmp(one, x + i * sites, sites) && lp == log_w[i]);
    }
    tj_draws_free(draws);
}

static void chains_and_tensors(void) {
    enum { N = 6 };
    size_t n = configurations(N);
    double beta = 0.7, couplings[N] = {1, -0.5, 0.8, 0.3, -1.2, 0.6}, fields[N] = {0.3, -0.2, 0, 0.5, 0.1, -0.4};
    for (int ring = 0; ring < 2; ring++) {
        for (size_t i = 0; i < n; i++) {
            const uint8_t *c = all + i * N;
            log_w[i] = 0;
            for (size_t j = 0; j < N; j++) {
                log_w[i] += beta * fields[j] * s(c, j);
                if (ring || j + 1 < N) log_w[i] += beta * couplings[j] * s(c, j) * s(c, (j + 1) % N);
            }
        }
        tj_model *model, *again;
        OK(tj_ising_chain(beta, N, couplings, fields, ring, &model));
        EXPECT(tj_model_sites(model) == N);
        is_law(model, n, 1e-12, 1);
        OK(tj_model_save(model, "capi_test.safetensors"));
        OK(tj_model_load("capi_test.safetensors", &again));
        OK(tj_log_prob(again, n, all, back));
        EXPECT(!memcmp(log_p, back, n * sizeof *back) && tj_model_log_z(again) == tj_model_log_z(model));
        draws_are(model, n, N);
        tj_model_free(model), tj_model_free(again);
    }
    /* Tensors of bonds 1 2 3 2 1, dims 2: products of matrices written out here. */
    enum { M = 4 };
    n = configurations(M);
    size_t bonds[M + 1] = {1, 2, 3, 2, 1}, length = 0;
    double a[64], b[64];
    for (int j = 0; j < M; j++) length += bonds[j] * 2 * bonds[j + 1];
    for (size_t k = 0; k < length; k++) a[k] = number(), b[k] = number();
    for (int kind = 0; kind < 3; kind++) { /* positive, real, complex */
        if (kind == 0) for (size_t k = 0; k < length; k++) a[k] = fabs(a[k]);
        if (kind == 1) for (size_t k = 0; k < length; k++) a[k] *= k % 3 ? 1 : -1;
        for (size_t i = 0; i < n; i++) {
            double re[3] = {1}, im[3] = {0};
            const double *ta = a, *tb = b;
            for (size_t j = 0; j < M; j++) {
                double r[3] = {0}, m[3] = {0};
                for (size_t l = 0; l < bonds[j]; l++)
                    for (size_t k = 0; k < bonds[j + 1]; k++) {
                        size_t at = (l * 2 + all[i * M + j]) * bonds[j + 1] + k;
                        double v = kind == 2 ? tb[at] : 0;
                        r[k] += re[l] * ta[at] - im[l] * v, m[k] += re[l] * v + im[l] * ta[at];
                    }
                memcpy(re, r, sizeof r), memcpy(im, m, sizeof m);
                ta += bonds[j] * 2 * bonds[j + 1], tb += bonds[j] * 2 * bonds[j + 1];
            }
            log_w[i] = kind == 0 ? log(re[0]) : log(re[0] * re[0] + im[0] * im[0]);
        }
        tj_model *model;
        if (kind == 0) OK(tj_mps_positive(M, NULL, bonds, a, length, &model));
        if (kind == 1) OK(tj_mps_born(M, NULL, bonds, a, length, &model));
        if (kind == 2) OK(tj_mps_complex(M, NULL, bonds, a, b, length, &model));
        is_law(model, n, 1e-11, 1);
        draws_are(model, n, M);
        tj_model_free(model);
    }
}

static void lattices(void) {
    enum { R = 3, C = 4, N = R * C };
    size_t n = configurations(N);
    double h[N], v[N], f[N], beta = 0.6;
    for (int j = 0; j < N; j++) h[j] = number(), v[j] = number(), f[j] = number();
    for (int geometry = TJ_OPEN; geometry <= TJ_TORUS; geometry++) {
        int wide = geometry == TJ_OPEN ? C - 1 : C, high = geometry == TJ_TORUS ? R : R - 1;
        double site[2 * N], across[4 * N], down[4 * N];
        for (size_t i = 0; i < n; i++) {
            const uint8_t *c = all + i * N;
            log_w[i] = 0;
            for (int r = 0; r < R; r++)
                for (int k = 0; k < C; k++) {
                    log_w[i] += beta * f[r * C + k] * s(c, r * C + k);
                    if (k < wide) log_w[i] += beta * h[r * wide + k] * s(c, r * C + k) * s(c, r * C + (k + 1) % C);
                    if (r < high) log_w[i] += beta * v[r * C + k] * s(c, r * C + k) * s(c, (r + 1) % R * C + k);
                }
        }
        for (int j = 0; j < N; j++)
            for (int p = 0; p < 4; p++) {
                double sign = p == 0 || p == 3 ? 1 : -1;
                site[2 * j + p % 2] = beta * f[j] * (p % 2 ? 1 : -1);
                across[4 * j + p] = beta * h[j] * sign, down[4 * j + p] = beta * v[j] * sign;
            }
        tj_target *ising, *pair;
        OK(tj_ising(R, C, geometry, beta, h, v, f, &ising));
        OK(tj_pair(R, C, geometry, NULL, site, 2 * N, across, 4 * R * wide, down, 4 * high * C, &pair));
        for (int k = 0; k < 2; k++) {
            OK(tj_target_log_weight(k ? pair : ising, n, all, back));
            double worst = 0;
            for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs(back[i] - log_w[i]));
            EXPECT(worst < 1e-12);
        }
        tj_model *model = NULL, *of_pair, *snake, *proposal, *direct;
        double log_z, z = 0;
        if (geometry == TJ_TORUS) {
            for (size_t i = 0; i < n; i++) z += exp(log_w[i]);
            OK(tj_contract(ising, 1e-6, 64, &log_z, NULL));
            EXPECT(fabs(log_z - log(z)) < 1e-6);
            OK(tj_boundary(ising, 64, &model));
            OK(tj_log_prob(model, n, all, back));
            double off = 0;
            for (size_t i = 0; i < n; i++)
                if (log_w[i] - log(z) > -13) off = fmax(off, fabs(back[i] - (log_w[i] - log(z))));
            EXPECT(off < 1e-4);
            tj_model_free(model);
        } else {
            for (size_t i = 0; i < n; i++) z += exp(log_w[i]);
            OK(tj_contract(ising, 1e-9, 64, &log_z, NULL));
            EXPECT(fabs(log_z - log(z)) < 1e-9);
            /* Boundary laws in single precision, the snake in double. */
            OK(tj_boundary(ising, 16, &model));
            OK(tj_boundary(pair, 16, &of_pair));
            OK(tj_boundary_proposal(ising, 16, &proposal));
            OK(tj_boundary_ising(R, C, geometry, beta, h, v, f, 16, &direct));
            OK(tj_snake(ising, 64, &snake));
            is_law(model, n, 1e-4, 1), is_law(of_pair, n, 1e-4, 1), is_law(proposal, n, 1e-4, 1), is_law(direct, n, 1e-4, 1);
            is_law(snake, n, 1e-10, 1);
            tj_assessment found;
            OK(tj_importance(model, ising, 4000, 1, 0, &found));
            EXPECT(found.ess_fraction > 0.99999 && found.outside == 0 && fabs(found.log_z - log(z)) < 1e-4);
            draws_are(model, n, N), draws_are(snake, n, N);
            tj_model_free(model), tj_model_free(of_pair), tj_model_free(proposal), tj_model_free(direct), tj_model_free(snake);
        }
        tj_target_free(ising), tj_target_free(pair);
    }
    /* Hard squares: what is forbidden has log-probability minus infinity. */
    double bond[4] = {0, 0, 0, -INFINITY}, fugacity[2] = {0, 0.5};
    tj_target *hard;
    tj_model *model;
    OK(tj_pair_uniform(R, C, TJ_OPEN, 2, fugacity, bond, NULL, &hard));
    OK(tj_boundary(hard, 16, &model));
    OK(tj_target_log_weight(hard, n, all, log_w));
    is_law(model, n, 1e-4, 1);
    tj_target_free(hard), tj_model_free(model);
}

/* Diagonal bonds on all geometries, one direction and both, against sums; each weight has its own direction. */
static void diagonals(void) {
    enum { R = 3, C = 4, N = R * C };
    size_t n = configurations(N);
    double d[N], a[N], beta = 0.5;
    for (int j = 0; j < N; j++) d[j] = number(), a[j] = number();
    for (int geometry = TJ_OPEN; geometry <= TJ_TORUS; geometry++)
        for (int which = 1; which < 4; which++) {
            int wide = geometry == TJ_OPEN ? C - 1 : C, high = geometry == TJ_TORUS ? R : R - 1;
            double z = 0, log_z, worst = 0;
            for (size_t i = 0; i < n; i++) {
                const uint8_t *c = all + i * N;
                log_w[i] = 0;
                for (int r = 0; r < R; r++)
                    for (int k = 0; k < C; k++) {
                        int right = (k + 1) % C, below = (r + 1) % R;
                        if (k < wide) log_w[i] += beta * s(c, r * C + k) * s(c, r * C + right);
                        if (r < high) log_w[i] += beta * s(c, r * C + k) * s(c, below * C + k);
                        if (k >= wide || r >= high) continue;
                        if (which & 1) log_w[i] += beta * d[r * wide + k] * s(c, r * C + k) * s(c, below * C + right);
                        if (which & 2) log_w[i] += beta * a[r * wide + k] * s(c, r * C + right) * s(c, below * C + k);
                    }
                z += exp(log_w[i]);
            }
            tj_target *target;
            tj_model *model;
            OK(tj_ising_diagonals(R, C, geometry, beta, NULL, NULL, which & 1 ? d : NULL, which & 2 ? a : NULL, NULL, &target));
            OK(tj_target_log_weight(target, n, all, back));
            for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs(back[i] - log_w[i]));
            EXPECT(worst < 1e-12);
            OK(tj_contract(target, 1e-6, 256, &log_z, NULL));
            EXPECT(fabs(log_z - log(z)) < 1e-6);
            OK(tj_boundary(target, 64, &model));
            OK(tj_log_prob(model, n, all, back));
            worst = 0;
            for (size_t i = 0; i < n; i++)
                if (log_w[i] - log(z) > -13) worst = fmax(worst, fabs(back[i] - (log_w[i] - log(z))));
            EXPECT(worst < 1e-4);
            tj_model *snake;
            EXPECT(tj_snake(target, 64, &snake) == TJ_INPUT);
            tj_model_free(model), tj_target_free(target);
        }
}

static void fredkin(void) {
    enum { N = 10 };
    size_t n = configurations(N);
    double c = 0.6;
    for (size_t i = 0; i < n; i++) {
        int height = 0, area = 0, below = 0;
        for (size_t j = 0; j < N; j++) height += 2 * all[i * N + j] - 1, area += height, below |= height < 0;
        log_w[i] = height || below ? -INFINITY : log(c / (1 - c)) * (area - N / 2) / 2;
    }
    tj_model *model, *cut;
    OK(tj_fredkin(N, c, 0, &model));
    is_law(model, n, 1e-12, 1);
    draws_are(model, n, N);
    OK(tj_fredkin(N, c, 2, &cut));
    EXPECT(tj_model_log_z(cut) < tj_model_log_z(model));
    tj_model_free(model), tj_model_free(cut);
}

/* Noise is the kernel that it says; denoising is Bayes' rule; an exact model accepts all connected moves. */
static void noise_and_moves(void) {
    enum { N = 5 };
    size_t n = configurations(N), rows = 0;
    double up = 0.7, down = 1.1, time = 0.4, factors[N] = {1, 0, 2, 0.5, 1};
    double q[4 * N];
    for (int j = 0; j < N; j++) q[4 * j] = -up, q[4 * j + 1] = up, q[4 * j + 2] = down, q[4 * j + 3] = -down;
    tj_noise *flips, *rates;
    tj_model *ring;
    OK(tj_noise_flips(N, up, down, time, factors, &flips));
    OK(tj_noise_rates(N, NULL, q, 4 * N, time, factors, &rates));
    OK(tj_ising_chain(0.8, N, NULL, factors, 1, &ring));
    for (size_t i = 0; i < n && rows < MAX; i++) /* pairs (clean, noisy) */
        for (size_t k = 0; k < n && rows < MAX; k++, rows++)
            memcpy(x + rows * N, all + i * N, N), memcpy(y + rows * N, all + k * N, N);
    OK(tj_noise_log_prob(flips, rows, x, y, log_w));
    OK(tj_noise_log_prob(rates, rows, x, y, back));
    double kernel[MAX], worst = 0;
    for (size_t i = 0; i < rows; i++) {
        kernel[i] = 1;
        for (int j = 0; j < N; j++) {
            double rate = up + down, jump = 1 - exp(-rate * time * factors[j]);
            double p1 = x[i * N + j] ? 1 - down / rate * jump : up / rate * jump;
            kernel[i] *= y[i * N + j] ? p1 : 1 - p1;
        }
        if (kernel[i] > 0) worst = fmax(worst, fmax(fabs(log_w[i] - log(kernel[i])), fabs(back[i] - log(kernel[i]))));
        else EXPECT(log_w[i] == -INFINITY);
    }
    EXPECT(worst < 1e-12);
    OK(tj_log_prob(ring, n, all, log_p));
    for (size_t k = 0; k < n; k++) { /* the posterior behind configuration k */
        double evidence = 0;
        for (size_t i = 0; i < n; i++) evidence += exp(log_p[i]) * kernel[i * n + k];
        for (size_t i = 0; i < n; i++) memcpy(x + i * N, all + i * N, N), memcpy(y + i * N, all + k * N, N);
        OK(tj_denoise_log_prob(ring, flips, n, x, y, back));
        for (size_t i = 0; i < n; i++)
            if (kernel[i * n + k] > 0) EXPECT(fabs(back[i] - log_p[i] - log(kernel[i * n + k]) + log(evidence)) < 1e-11);
            else EXPECT(back[i] == -INFINITY);
    }
    OK(tj_sample(ring, MAX, 1, 0, x, NULL));
    OK(tj_noise_apply(flips, MAX, x, 1, 0, y));
    for (size_t i = 0; i < MAX; i++) EXPECT(x[i * N + 1] == y[i * N + 1]); /* factor 0 */
    OK(tj_denoise(ring, flips, MAX, y, 1, 0, y, log_w)); /* in place */
    tj_proposal *connected, *disconnected, *single, *exchange, *mixture;
    OK(tj_connected(ring, flips, &connected));
    OK(tj_disconnected(ring, &disconnected));
    size_t pairs[2] = {0, 3};
    OK(tj_single_site(N, NULL, &single));
    OK(tj_exchange(N, NULL, 1, pairs, &exchange));
    const tj_proposal *parts[2] = {connected, single};
    double half[2] = {0.5, 0.5};
    OK(tj_mixture(2, half, parts, &mixture));
    EXPECT(tj_proposal_sites(mixture) == N);
    double old[MAX], new[MAX], ratio[MAX];
    tj_proposal *moves[3] = {connected, disconnected, mixture};
    OK(tj_log_prob(ring, MAX, x, old));
    for (int k = 0; k < 3; k++)
        for (uint64_t step = 0; step < 4; step++) {
            OK(tj_propose(moves[k], MAX, x, 9, step, y, ratio));
            OK(tj_log_prob(ring, MAX, y, new));
            worst = 0;
            int symmetric = k == 2, moved = 0;
            for (int i = 0; i < MAX; i++) {
                worst = fmax(worst, fabs(new[i] - old[i] + ratio[i]));
                symmetric &= ratio[i] == 0, moved |= memcmp(x + i * N, y + i * N, N) != 0;
            }
            EXPECT((worst < 1e-11 || symmetric) && moved);
        }
    OK(tj_propose(exchange, MAX, x, 9, 1, y, ratio));
    for (int i = 0; i < MAX; i++) EXPECT(y[i * N] == x[i * N + 3] && y[i * N + 3] == x[i * N] && ratio[i] == 0);
    uint8_t there[SITES];
    OK(tj_propose(connected, 1, x, 9, 1, there, ratio));
    OK(tj_propose(connected, 1, x, 9, 1, x, ratio)); /* in place */
    EXPECT(!memcmp(there, x, N));
    tj_proposal_free(connected), tj_proposal_free(disconnected), tj_proposal_free(single), tj_proposal_free(exchange);
    tj_proposal_free(mixture), tj_noise_free(flips), tj_noise_free(rates), tj_model_free(ring);
}

/* Batches beyond one block of the interface (4 million symbols): the same rows, errors with the row of the batch. */
static void large(void) {
    enum { N = 6, ROWS = 700000 };
    uint8_t *many = malloc((size_t)N * ROWS), one[N];
    double *lp = malloc(ROWS * sizeof *lp), q;
    tj_model *ring;
    tj_draws *draws;
    OK(tj_ising_chain(0.8, N, NULL, NULL, 1, &ring));
    OK(tj_sample(ring, ROWS, 2, 0, many, lp));
    OK(tj_draws_new(ring, 2, 0, 1000, &draws));
    long differ = 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (tj_draws_next(draws, one, &q)) break;
        differ += memcmp(one, many + i * N, N) != 0 || q != lp[i];
    }
    EXPECT(differ == 0);
    many[(size_t)N * ROWS - 1] = 2;
    REFUSED(TJ_INPUT, "row 699999, site 5", tj_log_prob(ring, ROWS, many, lp));
    tj_draws_free(draws), tj_model_free(ring), free(many), free(lp);
}

/* Noise for an infinite time in a region forgets the region and nothing else: the move resamples it. */
static void region(void) {
    enum { N = 6, ROWS = 2000 };
    double inside[N] = {0, 0, 1, 1, 0, 0}, ratio[ROWS];
    size_t changed[N] = {0};
    tj_model *ring;
    tj_noise *noise;
    tj_proposal *move;
    OK(tj_ising_chain(0.5, N, NULL, NULL, 1, &ring));
    OK(tj_noise_flips(N, 1, 3, INFINITY, inside, &noise));
    OK(tj_connected(ring, noise, &move));
    uint8_t from[N] = {1, 0, 1, 0, 1, 1}, to[N] = {1, 0, 0, 1, 1, 1};
    OK(tj_noise_log_prob(noise, 1, from, to, ratio));
    EXPECT(fabs(ratio[0] - log(0.75 * 0.25)) < 1e-12);
    OK(tj_sample(ring, ROWS, 1, 0, x, NULL));
    OK(tj_propose(move, ROWS, x, 1, 1, y, ratio));
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < N; j++) changed[j] += x[i * N + j] != y[i * N + j];
    EXPECT(changed[2] > ROWS / 8 && changed[3] > ROWS / 8 && !changed[0] && !changed[1] && !changed[4] && !changed[5]);
    tj_model_free(ring), tj_noise_free(noise), tj_proposal_free(move);
}

/* A caller's log-weight: attraction of all spins, strength in the context. */
static int attraction(void *context, size_t n, size_t sites, const uint8_t *c, double *out) {
    for (size_t i = 0; i < n; i++) {
        double m = 0;
        for (size_t j = 0; j < sites; j++) m += s(c, i * sites + j);
        out[i] = *(const double *)context * m * m;
    }
    return 0;
}

/* Chains and tempering of the caller's target: mean of M^2 within 5 sigma of enumeration. */
static void chains(void) {
    enum { N = 8, COPIES = 64, LEVELS = 3 };
    size_t n = configurations(N);
    double strengths[LEVELS] = {0.02, 0.08, 0.15}, exact[LEVELS], one = 1;
    tj_target *targets[LEVELS];
    tj_proposal *single, *proposals[LEVELS];
    OK(tj_single_site(N, NULL, &single));
    for (int k = 0; k < LEVELS; k++) {
        double z = 0, sum = 0;
        OK(tj_target_new(N, NULL, attraction, &strengths[k], &targets[k]));
        OK(tj_target_log_weight(targets[k], n, all, log_w));
        attraction(&one, n, N, all, back);
        for (size_t i = 0; i < n; i++) z += exp(log_w[i]), sum += exp(log_w[i]) * back[i];
        exact[k] = sum / z, proposals[k] = single;
    }
    tj_chains *walk;
    tj_tempering *tempering;
    tj_report report;
    static uint8_t start[LEVELS * COPIES * N];
    for (size_t i = 0; i < sizeof start; i++) start[i] = i / N % 2; /* half up, half down: no level has to turn over */
    OK(tj_chains_new(targets[0], COPIES, start, 3, &walk));
    OK(tj_tempering_new(LEVELS, strengths, (const tj_target *const *)targets, (const tj_proposal *const *)proposals, N,
                        COPIES, start, 3, &tempering));
    tj_proposal_free(single);
    for (int k = 0; k < LEVELS; k++) tj_target_free(targets[k]);
    double mean[LEVELS + 1] = {0}, square[LEVELS + 1] = {0}, values[COPIES], weights[COPIES];
    OK(tj_single_site(N, NULL, &single));
    enum { BLOCKS = 50 };
    for (int block = -5; block < BLOCKS; block++) {
        double sum[LEVELS + 1] = {0};
        for (int step = 0; step < 10; step++) {
            OK(tj_chains_advance(walk, single, 2 * N, &report));
            EXPECT(report.proposed == 2 * N * COPIES && report.accepted <= report.proposed);
            OK(tj_tempering_advance(tempering, 2));
            for (int k = 0; k <= LEVELS; k++) {
                if (k < LEVELS) OK(tj_tempering_read(tempering, k, COPIES, x, weights));
                else OK(tj_chains_read(walk, COPIES, x, weights));
                attraction(&one, COPIES, N, x, values);
                EXPECT(fabs(weights[0] - strengths[k % LEVELS] * values[0]) < 1e-12);
                for (int i = 0; i < COPIES; i++) sum[k] += values[i] / (10 * COPIES);
            }
        }
        for (int k = 0; k <= LEVELS && block >= 0; k++) mean[k] += sum[k] / BLOCKS, square[k] += sum[k] * sum[k] / BLOCKS;
    }
    for (int k = 0; k <= LEVELS; k++)
        EXPECT(fabs(mean[k] - exact[k % LEVELS]) < 5 * sqrt((square[k] - mean[k] * mean[k]) / (BLOCKS - 1)));
    EXPECT(fabs(mean[0] - exact[1]) > 5 * sqrt((square[0] - mean[0] * mean[0]) / (BLOCKS - 1))); /* the wrong twin */
    double swaps[LEVELS - 1];
    uint64_t trips;
    OK(tj_tempering_rates(tempering, LEVELS, swaps, &trips));
    EXPECT(swaps[0] > 0.1 && swaps[1] > 0.1 && trips > 0);
    tj_chains_free(walk), tj_tempering_free(tempering), tj_proposal_free(single);
}

int main(void) {
    srand(1);
    chains_and_tensors();
    lattices();
    diagonals();
    fredkin();
    noise_and_moves();
    large();
    region();
    chains();
    /* The number of threads is for the start, but for one thread, which may be said at any time. */
    REFUSED(TJ_INPUT, "threads", tj_set_threads(3));
    OK(tj_set_threads(1));
    REFUSED(TJ_INPUT, "threads", tj_set_threads(3));
    fredkin();
    remove("capi_test.safetensors");
    return done("exact.c");
}
