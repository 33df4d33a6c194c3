#include "simulate/day.h"

#include "base/clock.h"
#include "base/rng.h"
#include "verify/timeout.h"

#define STREAM UINT64_C(0x67616d6564617973)
#define PHASES_MOST 6
#define FAULTS_MOST 3
#define EXPECTATIONS 9
#define PER_S 3600 /* a rate of one a second, an hour */
#define TAGGED_MOST 60

struct day {
    struct plan *p;
    struct scenario *s;
    const struct edge_policy *edge;
    const char *edge_text;
    size_t phase_count;
    size_t deadly_until; /* an endpoint is dead up to the end of that phase, from 0 */
    bool keys, grpc;
    struct rng rng;
    struct rng rng_keys; /* apart: the days themselves are the same with keys and without */
};

static uint64_t below(struct day *d, uint64_t n)
{
    return rng_below(&d->rng, n);
}

static const char *pick(struct day *d, const char *const *of, size_t count)
{
    return of[below(d, count)];
}

/* What a timeout of the policy decides about, and what none does: from a few milliseconds to longer
 * than any request may take. */
static const char *draw_time(struct day *d)
{
    static const uint32_t usual_ms[] = {5, 30, 120, 400, 900, 2000, 5000},
                          percents[] = {50, 75, 90, 105, 125, 200};
    uint64_t marks[] = {timeout_try_ns(d->edge), timeout_request_ns(d->edge)};
    uint64_t mark = marks[below(d, COUNT_OF(marks))];
    uint64_t ms = mark != 0 && below(d, 2) == 0
                      ? mark / NS_PER_MS * percents[below(d, COUNT_OF(percents))] / 100
                      : usual_ms[below(d, COUNT_OF(usual_ms))];
    return arena_printf(&d->p->arena, "%llums", (unsigned long long)(ms == 0 ? 1 : ms));
}

static struct step step(struct day *d, enum step_kind kind, const char *word, const char *on,
                        const char *const *keys)
{
    return step_make(d->p, kind, word, on, d->s->source, keys);
}

/* One of the endpoints, or all. */
static const char *draw_place(struct day *d)
{
    if (below(d, 3) == 0)
        return d->edge->to;
    return arena_printf(&d->p->arena, "%s/%llu", d->edge->to,
                        (unsigned long long)below(d, d->edge->endpoints) + 1);
}

/* Some requests or tries alone. */
static struct step narrowed(struct day *d, struct step s, const char *tag)
{
    if (tag != NULL && below(d, 2) == 0)
        step_set_json(d->p, &s, "match", json_pack("{s:s}", "tag", tag));
    if (below(d, 3) == 0)
        step_set_json(d->p, &s, "first", json_integer((json_int_t)below(d, 2) + 1));
    return s;
}

/* The same for calls of gRPC, which know codes in heads and in trailers. */
static struct step draw_grpc_fault(struct day *d, const char *tag, bool deadly)
{
    static const char *const codes[] = {"CANCELLED",         "UNKNOWN",
                                        "INVALID_ARGUMENT",  "DEADLINE_EXCEEDED",
                                        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
                                        "INTERNAL",          "UNAVAILABLE",
                                        "UNAVAILABLE",       "DATA_LOSS"},
                             *const statuses[] = {"500", "503", "504", "429"},
                             *const whens[] = {"request_head", "response_head", "accept"},
                             *const ends[] = {"CANCEL", "INTERNAL_ERROR"},
                             *const wheres[] = {"headers", "headers", "trailers"};
    const char *on = draw_place(d);
    switch (below(d, deadly ? 8 : 7)) {
    case 0:
        return narrowed(
            d, step(d, STEP_FAULT, "latency", on, (const char *const[]){"add", draw_time(d), NULL}),
            tag);
    case 1:
        return narrowed(d, step(d, STEP_FAULT, "blackhole", on, NULL), tag);
    case 2: {
        const char *when = pick(d, whens, COUNT_OF(whens));
        struct step s = step(d, STEP_FAULT, "reset", on, (const char *const[]){"when", when, NULL});
        if (strcmp(when, "accept") == 0)
            return s;
        if (below(d, 2) == 0) /* the call alone, and not its connection */
            s = step(d, STEP_FAULT, "rst_stream", on,
                     (const char *const[]){"code", pick(d, ends, COUNT_OF(ends)), NULL});
        return narrowed(d, s, tag);
    }
    case 3:
        return narrowed(
            d,
            step(d, STEP_FAULT, "abort", on,
                 (const char *const[]){"status", pick(d, statuses, COUNT_OF(statuses)), NULL}),
            tag);
    case 7:
        return step(d, STEP_FAULT, "refuse", on, NULL);
    default:
        return narrowed(d,
                        step(d, STEP_FAULT, "abort", on,
                             (const char *const[]){"grpc", pick(d, codes, COUNT_OF(codes)), "where",
                                                   pick(d, wheres, COUNT_OF(wheres)), NULL}),
                        tag);
    }
}

/* ${deadly}: endpoints may be taken down: by one fault of a phase, for a dead one shows no other.
 */
static struct step draw_fault(struct day *d, const char *tag, bool deadly)
{
    static const char *const statuses[] = {"500", "502", "503", "503", "504", "400", "429"},
                             *const whens[] = {"request_head", "response_head", "accept"};
    if (d->grpc)
        return draw_grpc_fault(d, tag, deadly);
    const char *on = draw_place(d);
    struct step s;
    switch (below(d, deadly ? 8 : 7)) {
    case 0:
        s = step(d, STEP_FAULT, "latency", on, (const char *const[]){"add", draw_time(d), NULL});
        break;
    case 1:
        s = step(d, STEP_FAULT, "blackhole", on, NULL);
        break;
    case 2:
        s = step(d, STEP_FAULT, "malformed", on, (const char *const[]){"kind", "empty", NULL});
        break;
    case 3:
        s = step(d, STEP_FAULT, "reset", on,
                 (const char *const[]){"when", pick(d, whens, COUNT_OF(whens)), NULL});
        if (strcmp(json_string_value(json_object_get(s.keys, "when")), "accept") == 0)
            return s;
        break;
    case 4: /* the work is done, and the answer lost */
        s = step(d, STEP_FAULT, "abort", on,
                 (const char *const[]){"status", pick(d, statuses, COUNT_OF(statuses)), "reply",
                                       "after", NULL});
        break;
    case 5:
    case 6:
        s = step(d, STEP_FAULT, "abort", on,
                 (const char *const[]){"status", pick(d, statuses, COUNT_OF(statuses)), NULL});
        break;
    default:
        return step(d, STEP_FAULT, "refuse", on, NULL); /* a listener knows no requests */
    }
    return narrowed(d, s, tag);
}

static struct load_plan draw_load(struct day *d, const char *tag)
{
    static const uint32_t rates[] = {10, 40, 100, 100, 200, 400}, users[] = {1, 4, 20};
    struct load_plan load = {
        .source = d->s->source,
        .protocol = "http1",
        .method = "GET",
        .path = d->edge->path == NULL ? "/" : arena_strdup(&d->p->arena, d->edge->path),
        .timeout_ns = 30 * NS_PER_S,
        .tag_every_ns = 60 * NS_PER_MS,
        .connections = 8,
        .clients = 1,
    };
    if (d->grpc) {
        load.protocol = "grpc";
        load.call = "shop.Payments/Charge";
    }
    INVARIANT(place_parse(d->edge_text, &d->p->arena, &load.on, NULL));
    load.closed = below(d, 4) == 0;
    if (load.closed) {
        load.users = users[below(d, COUNT_OF(users))];
        load.think_ns = (5 + below(d, 100)) * NS_PER_MS;
    } else {
        load.rate_per_h = (uint64_t)rates[below(d, COUNT_OF(rates))] * PER_S;
    }
    if (tag != NULL) {
        load.tagged = ARENA_ARRAY(&d->p->arena, struct tagged, 1);
        load.tagged[load.tagged_count++] =
            (struct tagged){.tag = tag, .count = (uint32_t)below(d, TAGGED_MOST) + 1};
    }
    return load;
}

/* ${s} of the phase ${number} (from 0); ${whole}: it is in force in all of that. */
static void add_keys(struct day *d, struct step *s, size_t number, bool whole)
{
    static const char *const shares[] = {"10%", "30%", "50%", "90%"};
    static const int times[] = {1, 5, 20, 100};
    struct rng *rng = &d->rng_keys;
    const char *when = json_string_value(json_object_get(s->keys, "when"));
    bool listens = strcmp(s->word, "refuse") == 0 || (when != NULL && strcmp(when, "accept") == 0);
    if (!d->keys)
        return;
    if (!listens && rng_below(rng, 4) == 0)
        step_set_json(d->p, s, "share", json_string(shares[rng_below(rng, COUNT_OF(shares))]));
    if (!listens && rng_below(rng, 6) == 0)
        step_set_json(d->p, s, "times", json_integer(times[rng_below(rng, COUNT_OF(times))]));
    if (!listens && rng_below(rng, 8) == 0)
        step_set_json(d->p, s, "streak", json_integer((json_int_t)rng_below(rng, 6) + 2));
    if (whole && number + 1 < d->phase_count && rng_below(rng, 4) == 0) {
        uint64_t later = number + 1 + rng_below(rng, d->phase_count - number - 1);
        step_set_json(d->p, s, "to_end_of", json_sprintf("%llu", (unsigned long long)later + 1));
        d->deadly_until = listens && later > d->deadly_until ? later : d->deadly_until;
    }
}

/* In force all the time, from a moment on, or during a part. */
static struct step windowed(struct day *d, struct step fault, uint64_t lasting_ns)
{
    uint64_t from_ns = below(d, lasting_ns / NS_PER_MS) * NS_PER_MS;
    uint64_t room_ns = lasting_ns - from_ns;
    struct step s = {.kind = STEP_DURING, .source = d->s->source, .from_ns = from_ns};
    if (below(d, 2) == 0)
        return fault;
    s.to_ns = from_ns + room_ns / 10 + below(d, room_ns);
    s.to_ns = s.to_ns < lasting_ns ? s.to_ns : UINT64_MAX;
    s.steps = ARENA_ARRAY(&d->p->arena, struct step, 1);
    s.steps[0] = fault;
    s.step_count = 1;
    return s;
}

/* All that the policy alone decides, asked of a phase or of the whole scenario. */
static void ask(struct day *d, struct step *steps, size_t *step_count)
{
    static const char *const words[EXPECTATIONS] = {"retries", "timeout",       "ejection",
                                                    "breaker", "budget",        "rate_limit",
                                                    "metrics", "amplification", "status"};
    for (size_t i = 0; i < EXPECTATIONS; i++) {
        bool of_service = strcmp(words[i], "ejection") == 0;
        steps[(*step_count)++] =
            step(d, STEP_EXPECT, words[i], of_service ? d->edge->to : d->edge_text, NULL);
    }
}

static void add_phase(struct day *d, size_t number)
{
    struct phase *p = &d->s->phases[d->s->phase_count++];
    *p = (struct phase){.name = arena_printf(&d->p->arena, "%zu", number + 1),
                        .source = d->s->source,
                        .ends = PHASE_BY_CLOCK,
                        .lasting_ns = (1 + below(d, 12)) * NS_PER_S};
    const char *tag = below(d, 2) == 0 ? "t" : NULL;
    p->loads = ARENA_ARRAY(&d->p->arena, struct load_plan, 1);
    p->loads[p->load_count++] = draw_load(d, tag);
    p->steps = ARENA_ARRAY(&d->p->arena, struct step, FAULTS_MOST + EXPECTATIONS);
    size_t faults = number == 0 ? 0 : below(d, FAULTS_MOST + 1); /* the first is calm */
    for (size_t i = 0; i < faults; i++) {
        struct step *s = &p->steps[p->step_count++];
        bool deadly = i == 0 && number > d->deadly_until;
        *s = windowed(d, draw_fault(d, tag, deadly), p->lasting_ns);
        bool whole = s->kind == STEP_FAULT;
        add_keys(d, whole ? s : &s->steps[0], number, whole);
    }
    ask(d, p->steps, &p->step_count);
}

void day_phases(struct plan *p, struct scenario *s, const struct edge_policy *edge, uint64_t seed,
                bool keys)
{
    struct day d = {.p = p,
                    .s = s,
                    .edge = edge,
                    .edge_text = arena_printf(&p->arena, "%s -> %s", edge->from, edge->to),
                    .keys = keys,
                    .grpc = strcmp(s->lab.services[0].protocol, "grpc") == 0,
                    .rng = rng_for(seed, STREAM, 0, 0, 0),
                    .rng_keys = rng_for(seed, STREAM, 1, 0, 0)};
    d.phase_count = 2 + below(&d, PHASES_MOST - 1);
    s->phases = ARENA_ARRAY(&p->arena, struct phase, PHASES_MOST);
    for (size_t i = 0; i < d.phase_count; i++)
        add_phase(&d, i);
    if (keys && rng_below(&d.rng_keys, 2) == 0) {
        s->steps = ARENA_ARRAY(&p->arena, struct step, EXPECTATIONS);
        ask(&d, s->steps, &s->step_count);
    }
}
