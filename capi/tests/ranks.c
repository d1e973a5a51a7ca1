/* Chains and tempering over ranks: those of one process, and errors that all ranks see. The ranks are threads here,
 * each with handles of its own; ranks.c 1: each computes on its own thread alone. */
#include <pthread.h>
#include "common.h"

enum { SIDE = 4, N = SIDE * SIDE, CHAINS = 7, LEVELS = 3, COPIES = 3, X = LEVELS * COPIES * N };
enum { MOST = 12, NUMBERS = 4096 }; /* ranks, numbers of a gather */

/* A communicator of threads. */
typedef struct {
    size_t size;
    pthread_barrier_t barrier;
    double numbers[MOST][NUMBERS];
    size_t counts[MOST];
    long gathers, unequal;
} world;
typedef struct {
    world *w;
    size_t rank;
    pthread_t thread; /* that calls the library, and is called back */
} member;

static int gather(void *context, const double *mine, size_t n, double *all) {
    member *me = context;
    world *w = me->w;
    if (n > NUMBERS || !pthread_equal(me->thread, pthread_self())) return 1;
    memcpy(w->numbers[me->rank], mine, n * sizeof *mine), w->counts[me->rank] = n;
    pthread_barrier_wait(&w->barrier);
    for (size_t r = 0; r < w->size; r++) {
        if (w->counts[r] != n) __sync_fetch_and_add(&w->unequal, 1);
        memcpy(all + r * n, w->numbers[r], n * sizeof *mine);
    }
    if (me->rank == 0) w->gathers++;
    pthread_barrier_wait(&w->barrier);
    return 0;
}

/* What one rank makes, and how it is to go wrong. */
enum mistake { NONE, OTHER_SEED, OTHER_UPDATES, OTHER_START, NO_PROPOSAL, NO_HANDLE, BAD_WEIGHT };
typedef struct {
    member me;
    enum mistake mistake; /* on the last rank */
    uint8_t x[X + CHAINS * N];
    double log_weight[CHAINS], swaps[LEVELS - 1];
    uint64_t trips;
    tj_report report;
    tj_status chains, tempering;
    char said[512];
} part;

static int attraction(void *context, size_t n, size_t sites, const uint8_t *x, double *out) {
    for (size_t i = 0; i < n; i++) {
        double m = 0;
        for (size_t j = 0; j < sites; j++) m += 2.0 * x[i * sites + j] - 1;
        out[i] = 0.05 * m * m;
    }
    return *(int *)context;
}

/* Two calls, so that the second goes on from what the first has gathered. */
static void *work(void *argument) {
    part *p = argument;
    int last = p->me.w && p->me.rank + 1 == p->me.w->size, status = 0;
    enum mistake mistake = last ? p->mistake : NONE;
    tj_ranks ranks = {&p->me, p->me.rank, p->me.w ? p->me.w->size : 1, gather};
    const tj_ranks *over = p->me.w ? &ranks : NULL;
    double betas[LEVELS] = {0.2, 0.4, 0.6};
    uint64_t seed = mistake == OTHER_SEED ? 6 : (uint64_t)1 << 63 | 5;
    size_t updates = mistake == OTHER_UPDATES ? 6 : 5;
    uint8_t x[X] = {0};
    p->me.thread = pthread_self();
    tj_target *own, *lattice[LEVELS];
    tj_proposal *single;
    tj_chains *chains;
    tj_tempering *tempering;
    if (mistake == OTHER_START) x[3] = 1;
    OK(tj_target_new(N, NULL, attraction, &status, &own));
    OK(tj_single_site(N, NULL, &single));
    const tj_proposal *moves[LEVELS] = {single, single, single};
    for (int k = 0; k < LEVELS; k++) OK(tj_ising(SIDE, SIDE, TJ_TORUS, betas[k], NULL, NULL, NULL, &lattice[k]));
    OK(tj_chains_new(own, CHAINS, x, seed, &chains));
    OK(tj_tempering_new(LEVELS, betas, (const tj_target *const *)lattice, moves, N, COPIES, x, seed, &tempering));
    if (mistake == BAD_WEIGHT) status = 7;
    const tj_proposal *proposal = mistake == NO_PROPOSAL ? NULL : single;
    tj_tempering *at = mistake == NO_HANDLE ? NULL : tempering;
    p->chains = tj_chains_advance_over(chains, over, proposal, updates, NULL);
    if (p->chains == TJ_OK) p->chains = tj_chains_advance_over(chains, over, proposal, 40, &p->report);
    if (p->chains != TJ_OK) strcpy(p->said, tj_error_message());
    p->tempering = tj_tempering_advance_over(at, over, updates);
    if (p->tempering == TJ_OK) p->tempering = tj_tempering_advance_over(at, over, 40);
    if (p->tempering != TJ_OK) strcpy(p->said, tj_error_message());
    OK(tj_chains_read(chains, CHAINS, p->x + X, p->log_weight));
    for (int k = 0; k < LEVELS; k++) OK(tj_tempering_read(tempering, k, COPIES, p->x + k * COPIES * N, NULL));
    OK(tj_tempering_rates(tempering, LEVELS, p->swaps, &p->trips));
    for (int k = 0; k < LEVELS; k++) tj_target_free(lattice[k]);
    tj_target_free(own), tj_proposal_free(single), tj_chains_free(chains), tj_tempering_free(tempering);
    return NULL;
}

static part parts[MOST];
static world w;

/* All ranks, each on a thread of its own. */
static void over(size_t size, enum mistake mistake) {
    pthread_t threads[MOST];
    memset(parts, 0, sizeof parts), memset(&w, 0, sizeof w);
    w.size = size;
    pthread_barrier_init(&w.barrier, NULL, (unsigned)size);
    for (size_t r = 0; r < size; r++) parts[r].me = (member){.w = &w, .rank = r}, parts[r].mistake = mistake;
    for (size_t r = 0; r < size; r++) pthread_create(&threads[r], NULL, work, &parts[r]);
    for (size_t r = 0; r < size; r++) pthread_join(threads[r], NULL);
    pthread_barrier_destroy(&w.barrier);
    EXPECT(w.unequal == 0);
}

static int same(const part *a, const part *b) {
    return !memcmp(a->x, b->x, sizeof a->x) && !memcmp(a->log_weight, b->log_weight, sizeof a->log_weight)
        && !memcmp(a->swaps, b->swaps, sizeof a->swaps) && a->trips == b->trips
        && !memcmp(&a->report, &b->report, sizeof a->report);
}

/* The last rank gets this, the others that; nothing has moved. */
static void fails(enum mistake mistake, int tempering, tj_status last, tj_status others, const char *said) {
    static uint8_t start[sizeof parts->x];
    over(3, mistake);
    for (size_t r = 0; r < 3; r++) {
        tj_status status = tempering ? parts[r].tempering : parts[r].chains;
        EXPECT(status == (r == 2 ? last : others));
        if (status == TJ_RANK) EXPECT(strstr(parts[r].said, "rank 2"));
        if (r == 2) EXPECT(strstr(parts[r].said, said));
        size_t first = tempering ? 0 : X, n = tempering ? X : CHAINS * N;
        start[3] = mistake == OTHER_START && r == 2, start[X + 3] = start[3];
        EXPECT(!memcmp(parts[r].x + first, start + first, n));
    }
}

/* Communicators that do not do what they should, on one rank. */
static int silent(void *context, const double *mine, size_t n, double *all) {
    (void)context, (void)mine, (void)n, (void)all;
    return 0;
}
static int late(void *calls_left, const double *mine, size_t n, double *all) {
    if ((*(int *)calls_left)-- == 0) return 5;
    memcpy(all, mine, n * sizeof *mine);
    return 0;
}
/* Rank 0 of two, of which the other says that. */
static int of_two(void *second, const double *mine, size_t n, double *all) {
    memcpy(all, mine, n * sizeof *mine);
    for (size_t i = 0; i < n; i++) all[n + i] = *(double *)second;
    return 0;
}

static void mistakes(void) {
    uint8_t x[2 * N] = {0}, y[2 * N];
    double betas[2] = {0.2, 0.4}, second = -1;
    tj_target *target;
    tj_proposal *single;
    tj_chains *chains;
    tj_tempering *tempering;
    OK(tj_ising(SIDE, SIDE, TJ_OPEN, 0.4, NULL, NULL, NULL, &target));
    OK(tj_single_site(N, NULL, &single));
    const tj_target *targets[2] = {target, target};
    const tj_proposal *moves[2] = {single, single};
    OK(tj_chains_new(target, 1, x, 1, &chains));
    OK(tj_tempering_new(2, betas, targets, moves, 1, 1, x, 1, &tempering));
    int left = 0;
    struct { tj_ranks ranks; tj_status status; const char *said; } bad[] = {
        {{NULL, 0, 1, NULL}, TJ_NULL, "all_gather"},
        {{NULL, 1, 1, silent}, TJ_INPUT, "rank = 1 of 1"},
        {{NULL, 0, 0, silent}, TJ_INPUT, "rank = 0 of 0"},
        {{NULL, SIZE_MAX, SIZE_MAX, silent}, TJ_INPUT, "rank"},
        {{NULL, 0, SIZE_MAX, silent}, TJ_TOO_LARGE, "all-gather"},
        {{NULL, 0, 1, silent}, TJ_CALLBACK, "what it sent"},
        {{&second, 0, 2, of_two}, TJ_CALLBACK, "rank 1 sends -1 numbers"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        REFUSED(bad[k].status, bad[k].said, tj_chains_advance_over(chains, &bad[k].ranks, single, 1, NULL));
        REFUSED(bad[k].status, bad[k].said, tj_tempering_advance_over(tempering, &bad[k].ranks, 1));
    }
    tj_ranks two = {&second, 0, 2, of_two};
    double numbers[] = {0.5, NAN, INFINITY, 1e300};
    for (size_t k = 0; k < 4; k++) {
        second = numbers[k];
        REFUSED(TJ_CALLBACK, "numbers", tj_chains_advance_over(chains, &two, single, 1, NULL));
    }
    second = 1e12; /* a count that is too large together with rank 0 */
    REFUSED(TJ_TOO_LARGE, "all-gather", tj_chains_advance_over(chains, &two, single, 1, NULL));
    second = 0; /* a rank that says it has failed */
    REFUSED(TJ_RANK, "rank 1", tj_chains_advance_over(chains, &two, single, 1, NULL));
    REFUSED(TJ_RANK, "rank 1", tj_tempering_advance_over(tempering, &two, 1));
    /* A function that fails at any of its calls: an error, and nothing has moved. */
    int ends = 0;
    for (int k = 0; k < 100; k++) {
        tj_ranks failing = {&left, 0, 1, late};
        left = k;
        tj_status of_chains = tj_chains_advance_over(chains, &failing, single, 4, NULL);
        if (of_chains != TJ_OK) EXPECT(of_chains == TJ_CALLBACK && strstr(tj_error_message(), "returned 5"));
        left = k;
        tj_status status = tj_tempering_advance_over(tempering, &failing, 4);
        if (status != TJ_OK) EXPECT(status == TJ_CALLBACK && strstr(tj_error_message(), "returned 5"));
        if (of_chains == TJ_OK && status == TJ_OK) { ends = k; break; }
        if (of_chains != TJ_OK) {
            OK(tj_chains_read(chains, 1, y, NULL));
            EXPECT(!memcmp(x, y, N));
        }
        if (status != TJ_OK) {
            OK(tj_tempering_read(tempering, 0, 1, y, NULL));
            EXPECT(!memcmp(x, y, N));
        }
    }
    EXPECT(ends > 6);
    REFUSED(TJ_NULL, "chains", tj_chains_advance_over(NULL, NULL, single, 1, NULL));
    REFUSED(TJ_NULL, "proposal", tj_chains_advance_over(chains, NULL, NULL, 1, NULL));
    REFUSED(TJ_NULL, "tempering", tj_tempering_advance_over(NULL, NULL, 1));
    tj_target_free(target), tj_proposal_free(single), tj_chains_free(chains), tj_tempering_free(tempering);
}

int main(int count, char **arguments) {
    if (count > 1) OK(tj_set_threads((size_t)atoi(arguments[1])));
    static part alone, other;
    work(&alone); /* no ranks: NULL */
    EXPECT(alone.chains == TJ_OK && alone.tempering == TJ_OK && alone.report.proposed == 40 * CHAINS);
    for (size_t size = 1; size <= CHAINS; size++) {
        over(size, NONE);
        for (size_t r = 0; r < size; r++) {
            EXPECT(parts[r].chains == TJ_OK && parts[r].tempering == TJ_OK);
            EXPECT(same(&alone, &parts[r]));
        }
        EXPECT(w.gathers > 2 * 45);
    }
    over(1, OTHER_SEED); /* the wrong twin: results of another seed are seen to differ */
    other = parts[0];
    EXPECT(other.chains == TJ_OK && !same(&alone, &other));
    over(MOST, NONE); /* more ranks than chains, and than configurations of the tempering */
    for (size_t r = 0; r < MOST; r++) {
        EXPECT(parts[r].chains == TJ_INPUT && parts[r].tempering == TJ_OK);
        EXPECT(!memcmp(parts[r].x, alone.x, X));
    }
    for (int tempering = 0; tempering < 2; tempering++) {
        fails(OTHER_SEED, tempering, TJ_INPUT, TJ_INPUT, "same on every rank");
        fails(OTHER_UPDATES, tempering, TJ_INPUT, TJ_INPUT, "same on every rank");
        fails(OTHER_START, tempering, TJ_INPUT, TJ_INPUT, "same on every rank");
    }
    fails(NO_PROPOSAL, 0, TJ_NULL, TJ_RANK, "proposal");
    fails(BAD_WEIGHT, 0, TJ_CALLBACK, TJ_RANK, "returned 7");
    fails(NO_HANDLE, 1, TJ_NULL, TJ_RANK, "tempering");
    mistakes();
    return done("ranks.c");
}
