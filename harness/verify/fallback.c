/* fallback (spec/verifier.md 3.7): with the mesh dead or deaf, the application's own defences hold:
 * each request ends in time with an answer that the suite allows, and the application tries no more
 * often than it says. */
#include "verify/answers.h"
#include "verify/census.h"
#include "verify/claims.h"
#include "verify/window.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/units.h"

#include <math.h>

#define LEAST 100 /* a census (scenario-language.md 1.7) */
#define LEAST_FOR_ALL 300

struct fallback {
    uint64_t within_ns;
    struct census census;
    uint64_t late, other;
    uint32_t other_status;
    uint64_t calls_most, calls_over; /* of the application, for one request */
    const char *over_to;
    uint64_t over_bound;
};

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

/* One of the words of `answers`, which is {"2xx"} where it is not set: on gRPC that is OK. */
static bool allows(const struct window *w, const char *words, const struct request *r)
{
    return answers_hold(w, words, r) ||
           (w->grpc && strcmp(words, "2xx") == 0 && answers_hold(w, "grpc:OK", r));
}

static bool is_allowed(const struct window *w, const struct request *r)
{
    const json_t *words = w->asked == NULL ? NULL : json_object_get(w->asked->keys, "answers"),
                 *word;
    size_t i;
    if (words == NULL)
        return allows(w, "2xx", r);
    if (json_is_string(words))
        return allows(w, json_string_value(words), r);
    json_array_foreach(words, i, word)
    {
        if (json_is_string(word) && allows(w, json_string_value(word), r))
            return true;
    }
    return false;
}

static uint64_t late_from_ns(uint64_t within_ns)
{
    uint64_t more = within_ns / 20;
    return within_ns + (more > 50 * NS_PER_MS ? more : 50 * NS_PER_MS);
}

static void count_answers(const struct window *w, struct fallback *f, struct verdict *ret)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r) || r->done_ns == 0)
            continue;
        bool allowed = is_allowed(w, r);
        bool late = r->done_ns - r->start_ns > late_from_ns(f->within_ns);
        /* Late by the machine is not late by the application; another answer is one all the same.
         */
        if (late && allowed && !window_clean(w, r->start_ns, r->done_ns))
            continue;
        census_add(&f->census, w, r, allowed && !late);
        f->late += late;
        f->other += !allowed;
        if (!allowed && f->other_status == 0)
            f->other_status = r->r->status;
        if (!allowed || late)
            window_witness(ret, r, r->start_ns);
    }
}

static const struct service_plan *service_of(const struct window *w, const char *name)
{
    for (size_t i = 0; w->scenario != NULL && i < w->scenario->lab.service_count; i++)
        if (strcmp(w->scenario->lab.services[i].name, name) == 0)
            return &w->scenario->lab.services[i];
    return NULL;
}

/* Calls that the service makes for one request of ours, by the id that its stub passes on (D). */
static void count_calls(const struct window *w, const struct call_plan *call, struct fallback *f,
                        struct arena *arena, struct verdict *ret)
{
    const struct journal *j = w->journal;
    const char *text = arena_printf(arena, "%s -> %s", w->track->service, call->to);
    uint32_t edge = journal_find_name(j, text);
    uint64_t bound = 1 + (uint64_t)call->retries;
    struct map calls;
    if (edge == 0)
        return;
    map_init(&calls, j->request_count + 1);
    for (size_t i = 0; i < j->request_count; i++) {
        const struct request_record *r = &j->requests[i].r;
        const struct journal_proc *p = journal_proc_of(j, j->requests[i].proc);
        uint64_t start = r->due + r->start;
        if (r->edge != edge || p == NULL || strcmp(p->arm, w->track->arm) != 0 ||
            start < w->span.from_ns || start >= w->span.to_ns)
            continue;
        uint64_t *count = map_at(&calls, (struct map_key){r->root_hi, r->root_lo}, NULL);
        if (count == NULL || ++*count <= bound)
            continue;
        f->calls_over += *count == bound + 1;
        f->calls_most = *count > f->calls_most ? *count : f->calls_most;
        f->over_to = text;
        f->over_bound = bound;
        window_witness(ret, NULL, start);
        ret->witness_hi = ret->witness_hi == 0 ? r->root_hi : ret->witness_hi;
        ret->witness_lo = ret->witness_lo == 0 ? r->root_lo : ret->witness_lo;
    }
    map_release(&calls);
}

static void conclude(const struct window *w, const struct fallback *f, struct arena *arena,
                     struct verdict *ret)
{
    const struct census *c = &f->census;
    char within[32], share[32];
    verdict_span(f->within_ns, within, sizeof(within));
    units_print_share(c->atleast_ppm, share, sizeof(share));
    bool missed = c->total > 0 && !census_met(c);
    if (f->calls_over > 0) {
        verdict_fail(ret, arena, "%llu calls %s for one request, %llu declared, on %llu requests%s",
                     (unsigned long long)f->calls_most, f->over_to,
                     (unsigned long long)f->over_bound, (unsigned long long)f->calls_over,
                     window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D)";
    } else if (missed && (census_open(c, "late or with another answer", arena, ret) ||
                          (f->late > 0 && window_starved(w, ret, arena)))) {
        return;
    } else if (missed) {
        verdict_fail(ret, arena,
                     "%llu of %llu in time and as allowed (at least %s): %llu later than %s, %llu "
                     "with another answer (%u)%s",
                     (unsigned long long)c->good, (unsigned long long)c->total, share,
                     (unsigned long long)f->late, within, (unsigned long long)f->other,
                     f->other_status, window_when(w, ret, arena));
        ret->certain = "a census of the phase, no inference";
    } else if (c->total < ret->needed)
        window_too_few(w, ret, arena, c->total, ret->needed, ret->unit);
    else
        verdict_pass(ret, arena, "%llu of %llu in time (%s) and as allowed; at least %s asked",
                     (unsigned long long)c->good, (unsigned long long)c->total, within, share);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct fallback f = {.census.atleast_ppm = 1000000};
    struct error err = {0};
    const char *within = window_key(w, "within"), *atleast = window_key(w, "atleast");
    (void)edge;
    ret->unit = "requests";
    if (within == NULL || !units_parse_duration(within, &f.within_ns, &err)) {
        verdict_open(ret, WHY_CAPABILITY, arena, "no time is asked for");
        ret->needs = "within";
        return;
    }
    if (atleast != NULL && !units_parse_share(atleast, &f.census.atleast_ppm, &err))
        f.census.atleast_ppm = 1000000;
    count_answers(w, &f, ret);
    const struct service_plan *service = service_of(w, w->track->service);
    for (size_t i = 0; service != NULL && i < service->call_count; i++)
        count_calls(w, &service->calls[i], &f, arena, ret);
    uint64_t least = f.census.atleast_ppm >= 1000000
                         ? LEAST_FOR_ALL
                         : (uint64_t)ceil(3 / (1 - (double)f.census.atleast_ppm / 1e6) - 1e-9);
    ret->seen = ret->eligible = f.census.total;
    ret->wrong = f.census.total - f.census.good + f.calls_over;
    ret->needed = window_floor(w, least > LEAST ? least : LEAST);
    verdict_policy(ret, NULL, arena, "without the mesh each answer within %s", within);
    conclude(w, &f, arena, ret);
}

const struct claim_type claim_fallback = {
    .id = "fallback",
    .word = "fallback",
    .only = "fallback",
    .help = "without the mesh the application's own defences hold",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
