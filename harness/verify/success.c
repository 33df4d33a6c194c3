/* success (spec/scenario-language.md 1.7): a census of the window's answers, no inference. */
#include "verify/answers.h"
#include "verify/census.h"
#include "verify/claims.h"
#include "verify/flight.h"
#include "verify/window.h"

#include "base/units.h"

#include <math.h>

#define LEAST 100
#define LEAST_FOR_ALL 300

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

/* "99.98 %", never rounded up to all. */
static const char *share_text(uint64_t good, uint64_t total, struct arena *arena)
{
    double share = floor(10000.0 * (double)good / (double)total) / 100;
    return arena_printf(arena, "%.*f %%", share == floor(share) ? 0 : 2, share);
}

/* Of a generated plan: what the machine left no time, what was answered in the next phase and may
 * have met its faults, and what a declared limit refused, which is cb.*'s to judge. */
static bool is_excused(const struct window *w, const struct request *r)
{
    return !window_clean(w, r->start_ns, r->done_ns) || r->done_ns >= w->span.to_ns ||
           flight_is_drop(r);
}

static void conclude(const struct window *w, const struct census *c, struct arena *arena,
                     struct verdict *ret)
{
    unsigned long long total = c->total, good = c->good;
    char floor_text[32];
    units_print_share(c->atleast_ppm, floor_text, sizeof(floor_text));
    verdict_policy(ret, NULL, arena, "at least %s good answers", floor_text);
    if (total > 0 && !census_met(c)) {
        /* What a suite's author asks is counted, but for what our own standing still made; what a
         * generated plan asks is of the mesh, and not of a machine that left it no time. */
        if (window_is_generated(w) ? window_starved(w, ret, arena)
                                   : census_open(c, "that are not good", arena, ret))
            return;
        verdict_fail(ret, arena, "%llu of %llu good (%s); at least %s asked%s", good, total,
                     share_text(good, total, arena), floor_text, window_when(w, ret, arena));
        ret->certain = "a census of the phase, no inference";
    } else if (total < ret->needed)
        window_too_few(w, ret, arena, total, ret->needed, ret->unit);
    else if (good == total)
        verdict_pass(ret, arena, "%llu of %llu good; at least %s asked", good, total, floor_text);
    else
        verdict_pass(ret, arena, "%llu of %llu good (%s); at least %s asked", good, total,
                     share_text(good, total, arena), floor_text);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    (void)edge;
    struct census c = {.atleast_ppm = 1000000};
    const char *words = window_key(w, "good"), *asked = window_key(w, "atleast");
    struct error err = {0};
    if (asked != NULL && !units_parse_share(asked, &c.atleast_ppm, &err))
        c.atleast_ppm = 1000000;
    bool ours = window_is_generated(w);
    words = words == NULL ? "2xx,3xx,grpc:OK" : words;
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        bool is_fine = answers_hold(w, words, r);
        if (!window_has(w, r) || (ours && !is_fine && is_excused(w, r)))
            continue;
        census_add(&c, w, r, is_fine);
        if (!is_fine)
            window_witness(ret, r, r->start_ns);
    }
    uint64_t least = c.atleast_ppm >= 1000000
                         ? LEAST_FOR_ALL
                         : (uint64_t)ceil(3 / (1 - (double)c.atleast_ppm / 1e6) - 1e-9);
    ret->seen = ret->eligible = c.total;
    ret->wrong = c.total - c.good;
    ret->needed = window_floor(w, least > LEAST ? least : LEAST);
    ret->unit = "requests";
    conclude(w, &c, arena, ret);
}

const struct claim_type claim_success = {
    .id = "success",
    .word = "success",
    .only = "success",
    .help = "the share of good answers",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
