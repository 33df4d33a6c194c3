/* effects (spec/verifier.md 3.7): how often the work of one request that is not idempotent was
 * done. More than once is wrong where the policy retries only what was not processed; where it
 * retries more it is what was asked for: a warning, and a failure only when the suite asks. */
#include "verify/claims.h"
#include "verify/window.h"

#include "base/map.h"

#define LEAST 100         /* a census (scenario-language.md 1.7) */
#define STRESSED_LEAST 10 /* requests whose work was done, and which failed then */
#define OWN_KEY "x-meshproof-id"
/* Causes that prove that nothing was processed. */
#define SAFE (RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM | RETRY_RESET_BEFORE_REQUEST)
/* Of gRPC's answers alone. */
#define OF_GRPC \
    (RETRY_GRPC_CANCELLED | RETRY_GRPC_DEADLINE_EXCEEDED | RETRY_GRPC_INTERNAL | \
     RETRY_GRPC_RESOURCE_EXHAUSTED | RETRY_GRPC_UNAVAILABLE)

struct effects {
    const char *key; /* header that names the effect; NULL: the request's own id */
    uint64_t atmost;
    uint64_t requests, stressed, named, over, most;
    uint64_t unnamed; /* effects without that header */
    uint64_t unasked; /* repeated after an end that no condition of the policy lists */
};

static bool applies(const struct edge_policy *edge)
{
    return edge->flavour != FLAVOUR_L4;
}

/* RFC 9110 9.2.2; gRPC has only POST, and says of no method that it may be repeated. */
static bool may_not_repeat(const struct request *r)
{
    return r->r->verb == VERB_POST || r->r->verb == VERB_PATCH;
}

static void add_effect(const struct window *w, const struct request *r, const struct try *x,
                       struct map *names, struct effects *e, struct verdict *ret)
{
    struct map_key key = {r->r->id_hi, r->r->id_lo};
    bool made;
    (void)w;
    if (e->key != NULL && x->r->key == 0) {
        e->unnamed++;
        return;
    }
    if (e->key != NULL)
        key = (struct map_key){1, x->r->key};
    uint64_t *count = map_at(names, key, &made);
    if (count == NULL)
        return;
    e->named += made;
    *count += 1;
    e->most = *count > e->most ? *count : e->most;
    if (*count == e->atmost + 1) {
        e->over++;
        window_witness(ret, r, x->head_ns);
    }
}

/* The try did its work and was repeated, and neither its answer nor a timer is a reason that the
 * policy has (as retry.only has it). */
static bool is_unasked(const struct window *w, const struct request *r, const struct try *x)
{
    struct failure f = window_ended(w, x);
    return x->next != TRACK_NONE && f.kind == FAILURE_CAUSE && f.cause == CAUSE_STATUS &&
           x->out_ns != 0 && x->left_ns == 0 && !window_covers(w, &f) &&
           !window_other_cause(w, r, x);
}

static void collect(const struct window *w, struct effects *e, struct verdict *ret)
{
    const struct track *t = w->track;
    struct map names;
    map_init(&names, (size_t)t->try_count + 1);
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &t->requests[i];
        bool tried = false;
        if (!window_has(w, r) || !may_not_repeat(r))
            continue;
        e->requests++;
        for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
            if ((x->r->flags & ATTEMPT_EFFECT) == 0)
                continue;
            add_effect(w, r, x, &names, e, ret);
            tried = tried || window_ended(w, x).kind != FAILURE_NONE;
            e->unasked += is_unasked(w, r, x);
        }
        e->stressed += tried;
    }
    map_release(&names);
}

/* "5xx, reset": what is retried after the work may have been done. */
static const char *unsafe_words(const struct edge_policy *edge, bool grpc, struct arena *arena)
{
    static const struct {
        uint32_t on;
        const char *word;
    } words[] = {
        {RETRY_5XX, "5xx"},
        {RETRY_GATEWAY_ERROR, "gateway-error"},
        {RETRY_RESET, "reset"},
        {RETRY_RETRIABLE_4XX, "retriable-4xx"},
        {RETRY_STATUS_CODES, "listed status codes"},
        {RETRY_ENVOY_RATELIMITED, "envoy-ratelimited"},
        {RETRY_GRPC_CANCELLED, "cancelled"},
        {RETRY_GRPC_DEADLINE_EXCEEDED, "deadline-exceeded"},
        {RETRY_GRPC_INTERNAL, "internal"},
        {RETRY_GRPC_RESOURCE_EXHAUSTED, "resource-exhausted"},
        {RETRY_GRPC_UNAVAILABLE, "unavailable"},
        {RETRY_LINKERD_TIMEOUT, "a try's timeout"},
    };
    const char *text = NULL;
    uint32_t on = edge->retry.on & ~(uint32_t)SAFE;
    if (!grpc)
        on &= ~(uint32_t)OF_GRPC;
    if (!status_set_any(&edge->retry.codes))
        on &= ~(uint32_t)RETRY_STATUS_CODES;
    if (edge->retry.attempts.number == 0 && !edge->retry.by_budget)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if ((on & words[i].on) != 0)
            text =
                text == NULL ? words[i].word : arena_printf(arena, "%s, %s", text, words[i].word);
    return text;
}

static void say_policy(const struct edge_policy *edge, const char *unsafe, struct arena *arena,
                       struct verdict *ret)
{
    if (unsafe != NULL)
        verdict_policy(ret, &edge->retry.conditions, arena, "retried are %s, POST too", unsafe);
    else
        verdict_policy(ret, &edge->retry.conditions, arena,
                       "only what was not processed is retried");
}

/* The header is known only where the lab's service names it. */
static bool key_is_read(const struct window *w, const char *key)
{
    for (size_t i = 0; w->scenario != NULL && i < w->scenario->lab.service_count; i++) {
        const struct service_plan *s = &w->scenario->lab.services[i];
        if (strcmp(s->name, w->track->service) == 0)
            return s->effects != NULL && strcasecmp(s->effects, key) == 0;
    }
    return false;
}

static void conclude(const struct window *w, const struct effects *e, const char *unsafe,
                     struct arena *arena, struct verdict *ret)
{
    const char *header = e->key == NULL ? "" : arena_printf(arena, " (header %s)", e->key);
    bool generated = window_is_generated(w);
    if (e->over > 0 && (unsafe == NULL || e->unasked > 0 || !generated)) {
        verdict_fail(ret, arena, "%llu effects%s on %llu of %llu %s%s", (unsigned long long)e->most,
                     header, (unsigned long long)e->over, (unsigned long long)e->named,
                     e->key == NULL ? "requests" : "keys", window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D): the backend had the whole request, and "
                       "had begun its answer, each time";
    } else if (e->key != NULL && e->unnamed > 0) {
        verdict_open(ret, WHY_CAPABILITY, arena, "%llu effects came without the header %s",
                     (unsigned long long)e->unnamed, e->key);
        ret->needs = "requests that carry it";
    } else if (e->requests < ret->needed && !generated)
        window_too_few(w, ret, arena, e->requests, ret->needed, "POST or PATCH requests");
    else if (e->stressed < STRESSED_LEAST)
        window_too_few(w, ret, arena, e->stressed, STRESSED_LEAST,
                       "POST or PATCH requests whose work was done before they failed");
    else if (e->over > 0)
        verdict_pass(ret, arena, "warning: %llu effects%s on %llu of %llu requests: %s is retried",
                     (unsigned long long)e->most, header, (unsigned long long)e->over,
                     (unsigned long long)e->named, unsafe);
    else
        verdict_pass(ret, arena, "at most %llu effect%s%s of %llu requests; %llu failed after it",
                     (unsigned long long)e->most, e->most == 1 ? "" : "s", header,
                     (unsigned long long)e->requests, (unsigned long long)e->stressed);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct effects e = {.key = window_key(w, "key"), .atmost = 1};
    const json_t *atmost = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "atmost");
    if (json_is_integer(atmost) && json_integer_value(atmost) >= 0)
        e.atmost = (uint64_t)json_integer_value(atmost);
    if (e.key != NULL && strcasecmp(e.key, OWN_KEY) == 0)
        e.key = NULL;
    const char *unsafe = unsafe_words(edge, w->grpc, arena);
    say_policy(edge, unsafe, arena, ret);
    ret->unit = "requests";
    ret->needed = window_floor(w, LEAST);
    if (e.key != NULL && !key_is_read(w, e.key)) {
        verdict_open(ret, WHY_CAPABILITY, arena, "nobody reads the header %s at %s", e.key,
                     w->track->service);
        ret->needs =
            arena_printf(arena, "effects = \"%s\" at the service %s", e.key, w->track->service);
        return;
    }
    collect(w, &e, ret);
    ret->seen = e.requests;
    ret->eligible = e.named;
    ret->wrong = e.over;
    conclude(w, &e, unsafe, arena, ret);
}

const struct claim_type claim_effects = {
    .id = "effects",
    .word = "idempotency",
    .only = "idempotency",
    .help = "the work of a request that is not idempotent is done once",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
