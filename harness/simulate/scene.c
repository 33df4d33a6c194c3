#include "simulate/scene.h"

#include <stdlib.h>

#define SCRAPE_EVERY_NS (250 * NS_PER_MS)
#define LOSS_EVERY_NS (20 * NS_PER_S)
#define BEFORE_NS (2 * NS_PER_MS)

/* Whose loop must have its turn before the event is handled. */
static const enum noise_who whose[EVENT_KINDS] = {
    [EVENT_OPEN] = NOISE_WHO,    [EVENT_TAGGED] = NOISE_WHO,   [EVENT_USER] = NOISE_LOAD,
    [EVENT_SEND] = NOISE_LOAD,   [EVENT_ARRIVE] = NOISE_MESH,  [EVENT_TRY] = NOISE_MESH,
    [EVENT_DONE] = NOISE_LOAD,   [EVENT_GIVE_UP] = NOISE_LOAD, [EVENT_EXPIRE] = NOISE_MESH,
    [EVENT_ANSWER] = NOISE_MESH, [EVENT_BREAK] = NOISE_MESH,   [EVENT_REFUSED] = NOISE_MESH,
    [EVENT_CUT] = NOISE_MESH,    [EVENT_HEAD] = NOISE_PROXY,   [EVENT_OUT] = NOISE_PROXY,
    [EVENT_LEFT] = NOISE_PROXY,  [EVENT_SCRAPE] = NOISE_MESH,  [EVENT_DOWN] = NOISE_WHO,
};

static void on_stall(void *cookie, enum noise_who who, uint64_t due_ns, uint64_t late_ns)
{
    struct scene *s = cookie;
    struct stall_record r = {.at = due_ns, .fired = late_ns};
    journal_add(s->journal, who == NOISE_LOAD ? SCENE_PROC_LOAD : SCENE_PROC_PROXY, RECORD_STALL,
                &r);
}

static void init_models(struct scene *s, const struct scene_options *o)
{
    s->model = model_config_of(o->edge);
    if (o->edge->balance.set && o->edge->flavour == FLAVOUR_ENVOY) {
        if (o->edge->balance.number == LB_ROUND_ROBIN)
            s->model.balance.kind = BALANCE_ROUND_ROBIN;
        if (o->edge->balance.number == LB_RANDOM)
            s->model.balance.kind = BALANCE_RANDOM;
    }
    if (o->change != NULL)
        o->change(o->cookie, &s->model);
    /* The sweep has a phase of its own: the mesh was started long before the run. */
    outlier_init(&s->outlier, &s->model.outlier, s->host_count,
                 SCENE_T0_NS + rng_below(&s->rng, s->model.outlier.interval_ns + 1));
    balance_init(&s->balance, &s->model.balance, s->host_count, rng_of(rng_next(&s->rng)));
    breaker_init(&s->breaker, &s->model.breaker, s->now_ns);
    budget_init(&s->budget, &s->model.budget, s->now_ns);
    for (uint32_t i = 0; i < s->host_count; i++) {
        accrual_init(&s->accrual[i], &s->model.accrual, rng_of(rng_next(&s->rng)));
        rate_init(&s->rate[i], &s->model.rate, s->now_ns);
    }
}

/* By the names of the builtin mesh's own scrape, in the order of scene_scrape. */
static const char *const metrics[SCENE_METRICS] = {
    "server.concurrency",
    "upstream_rq_total",
    "upstream_rq_retry",
    "upstream_rq_retry_overflow",
    "upstream_rq_active",
    "upstream_rq_active_overflow",
    "upstream_rq_pending_overflow",
    "upstream_rq_per_try_timeout",
    "upstream_rq_timeout",
    "upstream_rq_2xx",
    "upstream_rq_3xx",
    "upstream_rq_4xx",
    "upstream_rq_5xx",
    "upstream_cx_connect_fail",
    "outlier_detection.ejections_active",
    "outlier_detection.ejections_enforced_total",
    "outlier_detection.ejections_overflow",
};

static void name_metrics(struct scene *s)
{
    for (size_t i = 0; i < SCENE_METRICS; i++)
        s->metric_names[i] = journal_add_name(s->journal, metrics[i]);
}

void scene_init(struct scene *s, struct journal *j, const struct scene_options *o)
{
    *s = (struct scene){.journal = j,
                        .scenario = o->scenario,
                        .edge = o->edge,
                        .arm = o->arm,
                        .rng = rng_of(o->seed),
                        .host_count = o->edge->endpoints,
                        .now_ns = SCENE_T0_NS,
                        .edge_patience_ns = 30 * NS_PER_S,
                        .lose_from_ns = UINT64_MAX,
                        .lose_to_ns = UINT64_MAX};
    INVARIANT(s->host_count > 0 && s->host_count <= SCENE_HOSTS_MOST);
    noise_init(&s->noise, o->noise, rng_of(rng_next(&s->rng)), SCENE_T0_NS);
    s->noise.on_stall = on_stall;
    s->noise.cookie = s;
    init_models(s, o);
    if (o->loses) {
        s->lose_from_ns = SCENE_T0_NS + rng_below(&s->rng, LOSS_EVERY_NS);
        s->lose_to_ns = s->lose_from_ns + rng_below(&s->rng, NS_PER_S);
    }
    char edge[256];
    snprintf(edge, sizeof(edge), "%s -> %s", o->edge->from, o->edge->to);
    s->edge_name = journal_add_name(j, edge);
    s->proxy_name = s->edge_name;
    name_metrics(s);
    journal_add_proc(j, SCENE_PROC_LOAD, "load", s->arm, "client");
    journal_add_proc(j, SCENE_PROC_PROXY, "proxy", s->arm, o->edge->to);
    journal_add_proc(j, SCENE_PROC_MESH, "mesh", s->arm, "");
    /* Once before anything is under way. */
    s->now_ns = SCENE_T0_NS - BEFORE_NS;
    scene_scrape(s);
    s->now_ns = SCENE_T0_NS;
    scene_add(s, EVENT_SCRAPE, 0, 0, SCENE_T0_NS);
}

void scene_release(struct scene *s)
{
    for (uint32_t i = 0; i < s->load_count; i++)
        free(s->loads[i].tags);
    events_release(&s->events);
    free(s->errands);
    free(s->errands_free);
    free(s->visits);
    free(s->visits_free);
}

void scene_add(struct scene *s, enum scene_event kind, uint32_t index, uint32_t epoch,
               uint64_t t_ns)
{
    events_add(&s->events, t_ns, kind, index, epoch);
}

void scene_scrape(struct scene *s)
{
    const struct outlier_stats *o = &s->outlier.stats;
    bool shown = !s->model.hide_ejections;
    outlier_advance(&s->outlier, s->now_ns);
    const uint64_t values[SCENE_METRICS] = {
        1,
        s->counted.total,
        s->model.hide_retries ? 0 : s->counted.retry,
        s->breaker.retry_overflow,
        s->breaker.requests,
        s->breaker.overflow,
        s->counted.pending_overflow,
        s->counted.try_timeout,
        s->counted.timeout,
        s->counted.by_class[2],
        s->counted.by_class[3],
        s->counted.by_class[4],
        s->counted.by_class[5],
        s->counted.connect_fail,
        shown ? o->active : 0,
        shown ? o->enforced_total : 0,
        o->overflow,
    };
    for (size_t i = 0; i < SCENE_METRICS; i++) {
        struct metric_record m = {.at = s->now_ns,
                                  .answer = NS_PER_MS,
                                  .value = (double)values[i],
                                  .proxy = s->proxy_name,
                                  .name = s->metric_names[i]};
        journal_add(s->journal, SCENE_PROC_MESH, RECORD_METRIC, &m);
    }
}

static void handle(struct scene *s, const struct event *e)
{
    switch (e->kind) {
    case EVENT_OPEN:
    case EVENT_TAGGED:
    case EVENT_USER:
        scene_load_event(s, e);
        return;
    case EVENT_HEAD:
    case EVENT_OUT:
    case EVENT_LEFT:
        visit_event(s, e);
        return;
    case EVENT_DOWN:
        stream_cut(s, e->index, 0);
        return;
    case EVENT_SCRAPE:
        if (s->phase == NULL && s->phase_id > 0)
            return; /* the walk is over */
        scene_scrape(s);
        scene_add(s, EVENT_SCRAPE, 0, 0, s->now_ns + SCRAPE_EVERY_NS);
        return;
    case EVENT_SEND:
    case EVENT_ARRIVE:
    case EVENT_TRY:
    case EVENT_DONE:
    case EVENT_GIVE_UP:
    case EVENT_EXPIRE:
    case EVENT_ANSWER:
    case EVENT_BREAK:
    case EVENT_REFUSED:
    case EVENT_CUT:
        errand_event(s, e);
        return;
    case EVENT_KINDS:
        break;
    }
    UNREACHABLE();
}

bool scene_step(struct scene *s)
{
    struct event e;
    if (!events_take(&s->events, &e))
        return false;
    s->now_ns = e.t_ns > s->now_ns ? e.t_ns : s->now_ns;
    enum noise_who who = whose[e.kind];
    uint64_t turn_ns = who == NOISE_WHO ? e.t_ns : noise_turn_ns(&s->noise, who, s->now_ns);
    if (turn_ns > s->now_ns)
        scene_add(s, (enum scene_event)e.kind, e.index, e.epoch, turn_ns);
    else
        handle(s, &e);
    return true;
}

void scene_run_until(struct scene *s, uint64_t t_ns)
{
    while (events_next_ns(&s->events) < t_ns)
        (void)scene_step(s);
    if (s->now_ns < t_ns)
        s->now_ns = t_ns;
}
