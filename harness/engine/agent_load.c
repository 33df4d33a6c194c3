#include "base/clock.h"
#include "base/rng.h"
#include "engine/agent.h"
#include "load/load.h"

#include <stdlib.h>

/* The load role: each START begins the loads of a phase; those before it send nothing more, and
 * what they have under way ends by itself. Warm-up and ramp are of a load's first START alone. One
 * that is calm sends a single request of each load that it names. */

#define LOADS_MOST 4096 /* that have not ended */
#define START_IN_MOST_NS (60 * NS_PER_S)
#define DONE_TICK_NS (20 * NS_PER_MS)
#define CALM_WARMUP_NS (3600 * NS_PER_S)
/* Loads of this process share one range of ids: each has its own upper half. Calm requests lie
 * above all others, so that what a seed draws does not depend on how many were needed. */
#define SEQ_SHIFT 32
#define CALM_NUMBER 0x10000u
#define NUMBERS_MOST CALM_NUMBER /* of others, in one run */

struct running {
    struct load_agent *owner;
    const struct load_plan *plan;
    struct load_plan changed; /* ${plan}, where the suite's is not what is sent */
    struct load *load;
    char *edge;
    bool stopping, done;
};
struct load_agent {
    struct agent *agent;
    struct plan *plan;
    const struct scenario *scenario;
    const json_t *addresses, *hosts; /* hosts: by service; of a canary, whose name is another */
    struct running *loads[LOADS_MOST];
    size_t count, current;        /* current: the first of the last START */
    uint32_t numbered, calmed;    /* how many of each kind were opened: ids */
    uint64_t phase, tags_sent_ns; /* sent: when the last tag of the phase was, 0: not yet */
    bool draining, begun;         /* begun: the scenario's own load was, in some phase */
    uint32_t inflight_most, shard, shards;
    enum load_pace pace;
    struct hold done_hold, drain_hold;
};

static bool setup(struct agent *a, const json_t *body, struct error *err)
{
    struct load_agent *l = check_alloc_zero(1, sizeof(*l));
    a->own = l;
    l->agent = a;
    if (!plan_from_json(json_object_get(body, "plan"), &l->plan, err))
        return false;
    if (l->plan->scenario_count != 1)
        return error_set(err, ERROR_PEER, "SETUP: the plan has %zu scenarios; it must have one",
                         l->plan->scenario_count);
    l->scenario = &l->plan->scenarios[0];
    l->addresses = json_object_get(body, "addresses");
    l->hosts = json_object_get(body, "hosts");
    l->inflight_most = (uint32_t)control_number(body, "inflight_most");
    l->pace = control_flag(body, "pace_sleep") ? LOAD_SLEEP : LOAD_SPIN;
    uint64_t shards = control_number(body, "shards"), shard = control_number(body, "shard");
    if (shards > UINT32_MAX || (shards != 0 && shard >= shards))
        return error_set(err, ERROR_PEER, "SETUP: shard %llu of %llu", (unsigned long long)shard,
                         (unsigned long long)shards);
    l->shards = (uint32_t)shards;
    l->shard = (uint32_t)shard;
    agent_in_service(a);
    agent_ready(a, json_array());
    return true;
}

static void running_free(struct running *r)
{
    if (r->load != NULL)
        load_free(r->load);
    free(r->edge);
    free(r);
}

/* Loads that have ended go. */
static void sweep(struct load_agent *l)
{
    size_t left = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (l->loads[i]->done)
            running_free(l->loads[i]);
        else
            l->loads[left++] = l->loads[i];
    }
    l->count = left;
}

static bool all_ended(const struct load_agent *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->loads[i]->done)
            return false;
    return true;
}

static void on_load_done(void *cookie)
{
    struct running *r = cookie;
    r->done = true; /* freed later: its own code is still on the stack */
    if (r->owner->draining && all_ended(r->owner))
        agent_drained(r->owner->agent);
}

static void stop_all(struct load_agent *l, uint64_t most_ns)
{
    for (size_t i = 0; i < l->count; i++) {
        struct running *r = l->loads[i];
        if (r->stopping)
            continue;
        uint64_t drain_ns = r->plan->timeout_ns + NS_PER_S;
        r->stopping = true;
        load_stop(r->load, drain_ns < most_ns ? drain_ns : most_ns, on_load_done, r);
    }
}

/* One request at once, as the load would send it, and the next in an hour. It is warm-up, so no
 * claim reads it. */
static struct load_plan calm_load(const struct load_plan *plan)
{
    struct load_plan calm = *plan;
    calm.closed = calm.poisson = calm.enough = false;
    calm.rate_per_h = 1;
    calm.ramp_ns = 0;
    calm.warmup_ns = CALM_WARMUP_NS;
    calm.connections = calm.clients = 1;
    calm.reuse = REUSE_EACH;
    calm.tagged_count = 0;
    return calm;
}

/* One that went on, for its author: neither warm-up nor ramp comes again. */
static struct load_plan continued_load(const struct load_plan *plan)
{
    struct load_plan continued = *plan;
    continued.warmup_ns = 0;
    continued.ramp_ns = 0;
    return continued;
}

enum opening { OPEN_FRESH, OPEN_CONTINUED, OPEN_CALM };

static bool open_load(struct load_agent *l, const struct load_plan *plan, enum opening how,
                      uint64_t seed, struct error *err)
{
    bool calm = how == OPEN_CALM;
    struct agent *a = l->agent;
    const char *from = plan->on.from.service == NULL ? "client" : plan->on.from.service;
    char edge[160];
    snprintf(edge, sizeof(edge), "%s -> %s", from,
             plan->on.to.service == NULL ? "" : plan->on.to.service);
    const char *address = agent_need_text(json_object_get(l->addresses, edge), edge, err);
    if (address == NULL)
        return false;
    if (l->count == LOADS_MOST)
        return error_set(err, ERROR_LIMIT, "more than %d loads are under way", LOADS_MOST);
    if (!calm && l->numbered == NUMBERS_MOST)
        return error_set(err, ERROR_LIMIT, "more than %u loads were started in one run",
                         NUMBERS_MOST);
    struct running *r = check_alloc_zero(1, sizeof(*r));
    r->owner = l;
    r->plan = plan;
    if (how != OPEN_FRESH) {
        r->changed = calm ? calm_load(plan) : continued_load(plan);
        r->plan = &r->changed;
    }
    r->edge = check_strdup(edge);
    struct load_config config = {
        .plan = r->plan,
        .address = address,
        .edge = r->edge,
        .authority = json_string_value(json_object_get(l->hosts, plan->on.to.service)),
        .run = a->run,
        .proc = (uint16_t)a->proc,
        .first_seq = (uint64_t)(calm ? CALM_NUMBER + l->calmed++ : l->numbered++) << SEQ_SHIFT,
        .seed = seed,
        .inflight_most = l->inflight_most,
        .pace = l->pace,
        .shard = calm ? 0 : l->shard, /* calm ones are asked of one agent */
        .shards = calm ? 1 : l->shards,
    };
    if (!load_open(a->loop, a->recorder, &config, &r->load, err)) {
        running_free(r);
        return false;
    }
    l->loads[l->count++] = r;
    return true;
}

/* The finite part of the phase's loads is over: no tag is left, and nothing is under way, or
 * (beside a busy background) nothing tagged can be under way any more. */
static bool are_tags_over(struct load_agent *l, uint64_t now_ns)
{
    bool any = false, left = false;
    uint64_t longest_ns = 0, in_flight = 0;
    for (size_t i = l->current; i < l->count; i++) {
        const struct running *r = l->loads[i];
        if (r->plan->tagged_count == 0)
            continue;
        struct load_progress progress = load_progress(r->load);
        any = true;
        left = left || progress.tags_left > 0;
        in_flight += progress.in_flight;
        longest_ns = r->plan->timeout_ns > longest_ns ? r->plan->timeout_ns : longest_ns;
    }
    if (!any || left)
        return false;
    if (l->tags_sent_ns == 0)
        l->tags_sent_ns = now_ns;
    return in_flight == 0 || now_ns - l->tags_sent_ns > longest_ns;
}

static void on_done_tick(struct hold *h, uint64_t now_ns)
{
    struct load_agent *l =
        (struct load_agent *)((char *)h - offsetof(struct load_agent, done_hold));
    if (!are_tags_over(l, now_ns)) {
        loop_hold_add(l->agent->loop, h, now_ns + DONE_TICK_NS, on_done_tick);
        return;
    }
    agent_send(l->agent, CONTROL_DONE, json_pack("{sI}", "phase", (json_int_t)l->phase));
}

static const struct load_plan *load_at(const struct load_agent *l, const json_t *one)
{
    const struct scenario *s = l->scenario;
    bool own = json_object_get(one, "phase") != NULL;
    uint64_t ordinal = control_number(one, "phase"), at = control_number(one, "load");
    if (!json_is_integer(json_object_get(one, "load")))
        return NULL;
    if (!own)
        return at < s->load_count ? &s->loads[at] : NULL;
    return ordinal < s->phase_count && at < s->phases[ordinal].load_count
               ? &s->phases[ordinal].loads[at]
               : NULL;
}

static bool take_calm(struct load_agent *l, const json_t *body, struct error *err)
{
    const json_t *wanted = json_object_get(body, "calm");
    uint64_t seed = control_number(body, "seed"), now_ns = loop_now_ns(l->agent->loop);
    size_t first = l->count;
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const struct load_plan *plan = load_at(l, json_array_get(wanted, i));
        if (plan == NULL)
            return error_set(err, ERROR_PEER, "START: calm names a load that the plan has not");
        if (!open_load(l, plan, OPEN_CALM, seed, err))
            return false;
    }
    for (size_t i = first; i < l->count; i++)
        load_start(l->loads[i]->load, now_ns);
    return true;
}

static bool take_start(struct load_agent *l, const json_t *body, struct error *err)
{
    sweep(l);
    if (json_object_get(body, "calm") != NULL) /* before the first phase */
        return take_calm(l, body, err);
    uint64_t ordinal = control_number(body, "ordinal"), seed = control_number(body, "seed");
    if (ordinal >= l->scenario->phase_count)
        return error_set(err, ERROR_PEER, "START: phase %llu; the plan has %zu",
                         (unsigned long long)ordinal, l->scenario->phase_count);
    const struct phase *phase = &l->scenario->phases[ordinal];
    bool own = phase->load_count > 0;
    const struct load_plan *plans = own ? phase->loads : l->scenario->loads;
    size_t count = own ? phase->load_count : l->scenario->load_count;
    /* The scenario's own load is one over all its phases, a phase's over all its blocks. */
    bool goes_on = own ? l->phase == control_number(body, "phase") : l->begun;
    l->begun = l->begun || !own;
    l->phase = control_number(body, "phase");
    l->current = l->count;
    l->tags_sent_ns = 0;
    for (size_t i = 0; i < count; i++)
        if (!open_load(l, &plans[i], goes_on ? OPEN_CONTINUED : OPEN_FRESH,
                       rng_mix(seed ^ rng_mix((ordinal << 16) + i)), err))
            return false;
    uint64_t now_ns = loop_now_ns(l->agent->loop), in_ns = control_number(body, "in_ns");
    if (in_ns > START_IN_MOST_NS)
        return error_set(err, ERROR_PEER, "START in %llu ns; at most %llu are allowed",
                         (unsigned long long)in_ns, (unsigned long long)START_IN_MOST_NS);
    for (size_t i = l->current; i < l->count; i++)
        load_start(l->loads[i]->load, now_ns + in_ns);
    loop_hold_remove(l->agent->loop, &l->done_hold);
    loop_hold_add(l->agent->loop, &l->done_hold, now_ns + DONE_TICK_NS, on_done_tick);
    return true;
}

static bool control(struct agent *a, uint8_t kind, const json_t *body, struct error *err)
{
    struct load_agent *l = a->own;
    if (kind == CONTROL_START)
        return take_start(l, body, err);
    if (kind != CONTROL_STOP)
        return error_set(err, ERROR_PEER, "%s is not for a load agent", control_name(kind));
    loop_hold_remove(a->loop, &l->done_hold);
    stop_all(l, UINT64_MAX);
    uint64_t number = control_number(body, "number");
    if (number != 0)
        agent_send(
            a, CONTROL_DONE,
            json_pack("{sI sI}", "phase", (json_int_t)l->phase, "stopped", (json_int_t)number));
    return true;
}

/* Nobody writes down what the load sees any more; or, where it has another connection soon, what is
 * cut off now is our doing and no answer of the mesh. */
static void orphan(struct agent *a)
{
    struct load_agent *l = a->own;
    for (size_t i = 0; l != NULL && i < l->count; i++) {
        struct running *r = l->loads[i];
        if (r->stopping)
            continue;
        r->stopping = true;
        load_abandon(r->load, on_load_done, r);
    }
    if (l != NULL)
        loop_hold_remove(a->loop, &l->done_hold);
}

static void on_drain_over(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    agent_drained(
        ((struct load_agent *)((char *)h - offsetof(struct load_agent, drain_hold)))->agent);
}

static void drain(struct agent *a, uint64_t deadline_ns)
{
    struct load_agent *l = a->own;
    uint64_t now_ns = loop_now_ns(a->loop);
    if (l == NULL) {
        agent_drained(a);
        return;
    }
    loop_hold_remove(a->loop, &l->done_hold);
    l->draining = true;
    stop_all(l, deadline_ns > now_ns ? deadline_ns - now_ns : 0);
    if (all_ended(l))
        agent_drained(a);
    else /* a little after what the loads themselves were given */
        loop_hold_add(a->loop, &l->drain_hold, deadline_ns + NS_PER_S, on_drain_over);
}

static void release(struct agent *a)
{
    struct load_agent *l = a->own;
    if (l == NULL)
        return;
    loop_hold_remove(a->loop, &l->done_hold);
    loop_hold_remove(a->loop, &l->drain_hold);
    for (size_t i = 0; i < l->count; i++)
        running_free(l->loads[i]);
    loop_settle(a->loop);
    plan_free(l->plan);
    free(l);
}

const struct agent_role agent_load = {
    .name = "load",
    .setup = setup,
    .control = control,
    .orphan = orphan,
    .drain = drain,
    .release = release,
};
