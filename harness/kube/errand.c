#include "kube/errand.h"

#include "base/clock.h"

#include <signal.h>
#include <stdlib.h>

#define PATIENCE 3 /* signals on the way back until we leave at once */

static volatile sig_atomic_t signals;
static struct sigaction before_int, before_term;

static void note_signal(int signo)
{
    (void)signo;
    signals++;
}

void errand_hold_signals(void)
{
    struct sigaction act = {.sa_handler = note_signal};
    sigemptyset(&act.sa_mask);
    signals = 0;
    sigaction(SIGINT, &act, &before_int);
    sigaction(SIGTERM, &act, &before_term);
}

void errand_let_signals(void)
{
    sigaction(SIGINT, &before_int, NULL);
    sigaction(SIGTERM, &before_term, NULL);
}

struct going {
    const struct errand *errand;
    struct loop *loop;
    struct api *api;
    struct chore_run *runs; /* the chore's, then the Leases' */
    int most;               /* signals until it ends */
    bool stopped, done;
};

static void on_over(void *cookie, struct chore *c)
{
    struct going *g = cookie;
    (void)c;
    g->done = true;
    loop_stop(g->loop);
}

static void on_lease_over(void *cookie, struct chore *c)
{
    struct going *g = cookie;
    (void)c;
    if (g->errand->hasty) {
        g->stopped = true;
        loop_stop(g->loop);
    }
}

static void on_signal(int signo, void *cookie)
{
    struct going *g = cookie;
    (void)signo;
    if (++signals >= g->most) {
        g->stopped = true;
        loop_stop(g->loop);
    }
}

static bool open_api(struct going *g, struct error *err)
{
    const struct errand *e = g->errand;
    struct api_options o = {.loop = g->loop,
                            .mode = e->mode,
                            .run = e->run,
                            .on_record = e->on_call,
                            .cookie = e->cookie,
                            .seed = clock_now_ns()};
    if (!credentials_open(e->credentials, &o.credentials, err))
        return false;
    if (api_open(&o, &g->api, err))
        return true;
    credentials_free(o.credentials);
    return false;
}

static bool take_signals(struct going *g, struct error *err)
{
    return loop_signal(g->loop, SIGINT, on_signal, g, err) &&
           loop_signal(g->loop, SIGTERM, on_signal, g, err);
}

enum errand_end errand_run(const struct errand *e, struct chore *chore, struct error *err)
{
    struct going g = {.errand = e};
    int so_far = (int)signals;
    g.most = e->hasty ? 1 : so_far + PATIENCE;
    if (e->hasty && so_far > 0)
        return ERRAND_STOPPED;
    g.runs = check_alloc_zero(e->lease_count + 1, sizeof(*g.runs));
    bool ok = loop_new(&g.loop, err) && open_api(&g, err) && (e->deaf || take_signals(&g, err));
    if (ok) {
        for (size_t i = 0; i < e->lease_count; i++)
            chore_start(&g.runs[i + 1], &e->leases[i].chore, g.api, g.loop, on_lease_over, &g);
        chore_start(&g.runs[0], chore, g.api, g.loop, on_over, &g);
        ok = g.done || g.stopped || loop_run(g.loop, err);
        for (size_t i = 0; i <= e->lease_count; i++)
            chore_stop(&g.runs[i]);
    }
    if (g.api != NULL)
        api_close(g.api);
    if (g.loop != NULL) {
        loop_settle(g.loop);
        loop_free(g.loop);
    }
    free(g.runs);
    return !ok ? ERRAND_FAILED : g.stopped ? ERRAND_STOPPED : ERRAND_DONE;
}
