#include "engine/walk.h"

#include "base/clock.h"
#include "base/map.h"

/* scenario-language.md 2, rule 1: when all else holds, and before the first fault, one request on
 * each edge that the loads of the scenario send on must be answered well. It is the load's own
 * (method, path, headers, deadline), on a connection of its own; it is flagged as warm-up and lies
 * in no phase, so it is no evidence. A mesh that has just begun may refuse the first ones: one that
 * was not answered well is sent again for a while. */

#define CALM_WITHIN_NS (10 * NS_PER_S)
#define CALM_PROGRAM_NS (60 * NS_PER_S) /* a user's program that calls begins no earlier */
#define CALM_AGAIN_NS (250 * NS_PER_MS)

#define WALK_OF(hold_, field) ((struct walk *)((char *)(hold_)-offsetof(struct walk, field)))

struct calm_edge {
    const struct load_plan *load;
    uint32_t ordinal, at; /* which it is: of the phase, or CALM_SCENARIO */
    char name[160];
    uint64_t hash;
    uint16_t declared; /* what the lab's service answers by itself; 0: not known */
    bool asked, good;
    uint32_t tries;
};
struct walk_calm {
    struct calm_edge *edges;
    size_t count;
    uint64_t begun_ns;
    struct error why; /* of the edge that was not answered well last */
};

#define CALM_SCENARIO UINT32_MAX

static void add_edge(struct walk *w, const struct load_plan *load, uint32_t ordinal, uint32_t at)
{
    struct walk_calm *c = w->calm;
    struct calm_edge e = {.load = load, .ordinal = ordinal, .at = at};
    const char *to = load->on.to.service;
    snprintf(e.name, sizeof(e.name), "%s -> %s",
             load->on.from.service == NULL ? "client" : load->on.from.service, to);
    e.hash = map_hash(e.name, strlen(e.name));
    for (size_t i = 0; i < c->count; i++)
        if (c->edges[i].hash == e.hash)
            return;
    size_t service = walk_find_service(w, to);
    e.declared = service == SIZE_MAX ? 0 : w->services[service].plan->status;
    c->edges[c->count++] = e;
}

/* Each edge by the first load on it; of the phases only those that will be run. */
static void collect(struct walk *w)
{
    const struct scenario *s = w->scenario;
    size_t most = s->load_count;
    for (size_t i = 0; i < w->run_count; i++)
        most += s->phases[w->runs[i].ordinal].load_count;
    w->calm->edges = ARENA_ARRAY(&w->arena, struct calm_edge, most + 1);
    for (size_t i = 0; i < s->load_count; i++)
        add_edge(w, &s->loads[i], CALM_SCENARIO, (uint32_t)i);
    for (size_t i = 0; i < w->run_count; i++) {
        const struct phase *phase = &s->phases[w->runs[i].ordinal];
        for (size_t k = 0; k < phase->load_count; k++)
            add_edge(w, &phase->loads[k], w->runs[i].ordinal, (uint32_t)k);
    }
}

/* "was answered 503 (no healthy upstream)" */
static struct error say_end(const struct calm_edge *e, const struct request_record *r)
{
    static const char *const ends[] = {
        [END_COMPLETE] = "",           [END_TRUNCATED] = "was cut off within its answer",
        [END_RESET] = "was reset",     [END_EOF] = "was closed without an answer",
        [END_REFUSED] = "was refused", [END_CLIENT_TIMEOUT] = "had no answer",
    };
    static const char *const bodies[] = {
        [BODY_NO_HEALTHY] = " (no healthy upstream)",
        [BODY_UPSTREAM_TIMEOUT] = " (upstream request timeout)",
        [BODY_CONNECT_FAILURE] = " (connection failure)",
        [BODY_CONNECT_TERMINATED] = " (connection termination)",
        [BODY_OVERFLOW] = " (overflow)",
        [BODY_OTHER_PROXY] = "",
    };
    char got[80] = "ended in no known way", tries[40] = "";
    const char *body = r->body_class < COUNT_OF(bodies) ? bodies[r->body_class] : NULL;
    if (r->end == END_COMPLETE && r->grpc_status > 1)
        snprintf(got, sizeof(got), "was answered gRPC %u", r->grpc_status - 1U);
    else if (r->end == END_COMPLETE)
        snprintf(got, sizeof(got), "was answered %u%s", r->status, body == NULL ? "" : body);
    else if (r->end < COUNT_OF(ends))
        snprintf(got, sizeof(got), "%s", ends[r->end]);
    if (e->tries > 1)
        snprintf(tries, sizeof(tries), ", %u times one after the other", e->tries);
    struct error why = {0};
    error_at(&why, e->load->source, ERROR_SYSTEM,
             "the calm request on %s %s%s before the first fault: nothing was done", e->name, got,
             tries);
    return why;
}

static bool ask(struct walk *w, struct error *err)
{
    struct walk_calm *c = w->calm;
    json_t *loads = json_array();
    for (size_t i = 0; i < c->count; i++) {
        struct calm_edge *e = &c->edges[i];
        if (e->good)
            continue;
        e->asked = true;
        e->tries++;
        json_t *one = json_pack("{sI}", "load", (json_int_t)e->at);
        if (e->ordinal != CALM_SCENARIO)
            json_object_set_new(one, "phase", json_integer((json_int_t)e->ordinal));
        json_array_append_new(loads, one);
    }
    return actor_send(w->loads[0], CONTROL_START,
                      json_pack("{sI sI sI so}", "phase", (json_int_t)0, "ordinal", (json_int_t)0,
                                "seed", (json_int_t)w->context->options->seed, "calm", loads),
                      err);
}

static bool is_over(const struct walk_calm *c, bool *ret_good)
{
    *ret_good = true;
    for (size_t i = 0; i < c->count; i++) {
        if (c->edges[i].asked)
            return false;
        *ret_good = *ret_good && c->edges[i].good;
    }
    return true;
}

static void on_again(struct hold *h, uint64_t now_ns)
{
    struct walk *w = WALK_OF(h, stage_hold);
    struct error err = {0};
    (void)now_ns;
    if (!ask(w, &err))
        walk_break(w, &err);
}

static void finish(struct walk *w)
{
    w->state = WALK_READY;
    w->context->on_change(w->context->cookie, w);
}

static uint64_t calm_within_ns(const struct walk *w)
{
    if (w->context->options->calm_ns != 0)
        return w->context->options->calm_ns;
    for (size_t i = 0; i < w->service_count; i++)
        if (w->services[i].plan->run != NULL && w->services[i].plan->call_count > 0)
            return CALM_PROGRAM_NS;
    return CALM_WITHIN_NS;
}

/* One that was asked has answered. */
static void look(struct walk *w)
{
    struct walk_calm *c = w->calm;
    struct loop *loop = w->context->loop;
    struct error err = {0};
    bool good;
    if (!is_over(c, &good))
        return;
    if (!good && loop_now_ns(loop) - c->begun_ns >= calm_within_ns(w))
        walk_break(w, &c->why);
    else if (!actor_send(w->loads[0], CONTROL_STOP, json_object(), &err))
        walk_break(w, &err);
    else if (good)
        finish(w);
    else
        loop_hold_add(loop, &w->stage_hold, loop_now_ns(loop) + CALM_AGAIN_NS, on_again);
}

void walk_calm(struct walk *w)
{
    struct error err = {0};
    INVARIANT(w->state == WALK_READY && w->calm == NULL);
    w->calm = ARENA_ARRAY(&w->arena, struct walk_calm, 1);
    w->calm->begun_ns = loop_now_ns(w->context->loop);
    w->state = WALK_CALMING;
    /* From here on the mesh counts what is sent: the judge reads its counters by this. */
    walk_event(w, "calm",
               json_pack("{ss sI}", "arm", w->plan->arm, "scenario", (json_int_t)w->plan->scenario),
               w->calm->begun_ns);
    collect(w);
    if (w->calm->count == 0)
        finish(w);
    else if (!ask(w, &err))
        walk_break(w, &err);
}

/* What it had under way went with its connection. */
void walk_calm_on_back(struct walk *w, const struct actor *load)
{
    struct error err = {0};
    if (w->state == WALK_CALMING && load == w->loads[0] && hold_is_idle(&w->stage_hold) &&
        !ask(w, &err))
        walk_break(w, &err);
}

void walk_calm_on_request(struct walk *w, const struct actor *from, const struct request_record *r)
{
    struct walk_calm *c = w->calm;
    for (size_t i = 0; i < c->count; i++) {
        struct calm_edge *e = &c->edges[i];
        if (from != w->loads[0] || !e->asked || !actor_name_is(from, r->edge, e->hash))
            continue;
        e->asked = false;
        e->good = record_request_is_good(r) || (r->end == END_COMPLETE && e->declared != 0 &&
                                                r->status == e->declared && r->grpc_status <= 1);
        if (!e->good && c->why.kind == ERROR_NONE)
            walk_tell(w, "calm", "%s is not answered well yet; waiting for it", e->name);
        if (!e->good)
            c->why = say_end(e, r);
        look(w);
        return;
    }
}
