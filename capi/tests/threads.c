/* Eight threads on shared handles: results and messages as alone. threads.c 1: without threads of the library. Then a
 * forked child, which has the thread that forked and no other. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common.h"

enum { SIDE = 8, N = SIDE * SIDE, B = 256, THREADS = 8 };
static tj_model *model;
static tj_proposal *proposal;
static tj_draws *shared;
static uint8_t drawn[B * N], moved[B * N];
static long busy, differ;

static void count(long *what) { __sync_fetch_and_add(what, 1); }

static void same(int id) {
    static __thread uint8_t x[B * N];
    double lp[B];
    char said[32];
    if (tj_sample(model, B, 7, 0, x, lp) || memcmp(x, drawn, sizeof x)) count(&differ);
    if (tj_propose(proposal, B, x, 8, 1, x, lp) || memcmp(x, moved, sizeof x)) count(&differ);
    snprintf(said, sizeof said, "= %d is", 2 * id + 3); /* a message of one's own */
    if (tj_fredkin(2 * id + 3, 0.5, 0, (tj_model *[1]){NULL}) != TJ_INPUT || !strstr(tj_error_message(), said)) count(&differ);
    for (int k = 0; k < 2000; k++) { /* draws are for one thread: another may be told so, and both stay alive */
        tj_status status = tj_draws_next(shared, x, lp);
        if (status == TJ_BUSY) count(&busy);
        else if (status != TJ_OK) count(&differ);
    }
}
static void *work(void *id) {
    for (int k = 0; k < 25; k++) same((int)(size_t)id);
    return NULL;
}

int main(int arguments, char **argument) {
    pthread_t threads[THREADS];
    double lp[B];
    if (arguments > 1) OK(tj_set_threads(atoi(argument[1])));
    OK(tj_boundary_ising(SIDE, SIDE, TJ_OPEN, 0.44, NULL, NULL, NULL, 8, &model));
    OK(tj_disconnected(model, &proposal));
    OK(tj_draws_new(model, 1, 0, 64, &shared));
    OK(tj_sample(model, B, 7, 0, drawn, lp));
    OK(tj_propose(proposal, B, drawn, 8, 1, moved, lp));
    for (size_t id = 0; id < THREADS; id++) pthread_create(&threads[id], NULL, work, (void *)id);
    for (size_t id = 0; id < THREADS; id++) pthread_join(threads[id], NULL);
    EXPECT(differ == 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        same(0);
        _exit(differ != 0 || failures);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tj_draws_free(shared), tj_proposal_free(proposal), tj_model_free(model);
    printf("%ld of %d draws were told that another thread draws\n", busy, THREADS * 25 * 2000);
    return done("threads.c");
}
