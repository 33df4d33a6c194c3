/* Tries a request and quantiles of latency, phase by phase, of two runs. Bounds are exact: shares
 * by Clopper-Pearson, quantiles by order statistics (spec/verifier.md 5.1), and where a latency is
 * to be worse, blocks of time must say the same (3.7, tail). */
#include "verify/compare.h"

#include "base/clock.h"
#include "base/sort.h"
#include "stats/exact.h"
#include "stats/permute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MOST 64
#define ADD_NS (2.0 * NS_PER_MS) /* a smaller difference of latencies is none */
#define BLOCK_NS NS_PER_S
#define BLOCKS_LEAST 10
#define BLOCKS_AGREE 1e-5
#define PASS_ALPHA 1e-3 /* no alarm is spent by finding nothing */

static const double quantiles[] = {0.5, 0.9, 0.95, 0.99, 0.999};

/* One run's requests of one phase and edge. */
struct sample {
    uint64_t *took, *sorted; /* ns; by start, and by size */
    size_t count;
    uint64_t requests, at_least[TRIES_MOST + 1]; /* [k]: requests that took k tries or more */
    size_t begins[PERMUTE_MOST + 1], blocks;
    bool lost, starved;
};
struct bounds {
    double low, high;
};
/* What is compared: one phase on one edge, in both runs. */
struct spot {
    const char *scenario, *phase, *on;
    const struct edge_policy *edge;
    bool faulty;
    struct sample before, after;
};

/* So narrow that a difference which decides could be seen: one run against itself would be no
 * worse. Where it is not, there are too few requests for their spread, and nothing is to be said.
 */
static bool is_narrow(struct bounds b, double add)
{
    return b.high <= b.low * (1 + (COMPARE_RATIO - 1) / 2) + add;
}

static void count_tries(struct sample *s, uint32_t tries)
{
    s->requests++;
    for (uint32_t k = 1; k <= tries && k <= TRIES_MOST; k++)
        s->at_least[k]++;
}

/* By the stall guard alone: by their own latency they would be left out of their own tail. */
static bool is_stalled(const struct track *t, const struct request *r)
{
    return spans_hold(&t->stalls, r->start_ns) || spans_hold(&t->stalls, r->done_ns);
}

static void take(struct sample *s, const struct window *w)
{
    uint64_t length = w->span.to_ns - w->span.from_ns;
    size_t blocks = length / BLOCK_NS > PERMUTE_MOST ? PERMUTE_MOST : (size_t)(length / BLOCK_NS);
    size_t block = 0;
    s->took = check_alloc_zero((size_t)(w->to - w->from) + 1, sizeof(*s->took));
    for (uint32_t i = w->from; i < w->to; i++) {
        const struct request *r = &w->track->requests[i];
        if (!window_has(w, r))
            continue;
        count_tries(s, window_tries(r));
        if (r->done_ns == 0 || is_stalled(w->track, r))
            continue;
        size_t in = blocks == 0 ? 0 : (size_t)((r->start_ns - w->span.from_ns) / (length / blocks));
        if (blocks > 0 && (s->blocks == 0 || in > block) && s->blocks < PERMUTE_MOST) {
            block = in;
            s->begins[s->blocks++] = s->count;
        }
        s->took[s->count++] = r->done_ns - r->start_ns;
        s->begins[s->blocks] = s->count;
    }
    s->sorted = check_alloc_zero(s->count + 1, sizeof(*s->sorted));
    memcpy(s->sorted, s->took, s->count * sizeof(*s->sorted));
    if (s->count > 0)
        qsort(s->sorted, s->count, sizeof(*s->sorted), sort_by_u64);
    s->lost = w->lost > 0;
    s->starved = w->tainted_ppm > 500000 || w->lagged_ppm > 50000;
}

static bool collect(struct hearing *h, uint32_t scenario, const struct phase *phase,
                    const struct edge_policy *edge, const char *on, struct sample *ret)
{
    const char *subject = hearing_subject(h, scenario);
    const struct journal_phase *run = hearing_phase(h, scenario, subject, phase, 0);
    uint32_t name = journal_find_name(h->journal, on);
    if (run == NULL || run->t1_ns == UINT64_MAX || run->t1_ns <= run->t0_ns || name == 0)
        return false;
    struct span span = {run->t0_ns, run->t1_ns};
    struct window w = {.journal = h->journal,
                       .track = hearing_track(h, scenario, subject, edge->to, edge),
                       .scenario = &h->plan->scenarios[scenario],
                       .phase = phase,
                       .policy = edge,
                       .span = span,
                       .wide = span,
                       .edge = name};
    window_cut(&w);
    take(ret, &w);
    return true;
}

static void release(struct sample *s)
{
    free(s->took);
    free(s->sorted);
    *s = (struct sample){0};
}

/* Valid until the next one is added. */
static struct compared_number *add(struct comparison *c, const struct spot *p, double quantile)
{
    if (c->number_count == c->number_room) {
        c->number_room = c->number_room == 0 ? 16 : c->number_room * 2;
        c->numbers = check_realloc(c->numbers, c->number_room * sizeof(*c->numbers));
    }
    c->numbers[c->number_count] = (struct compared_number){.quantile = quantile,
                                                           .scenario = p->scenario,
                                                           .phase = p->phase,
                                                           .on = p->on,
                                                           .state = COMPARE_SHOWN};
    return &c->numbers[c->number_count++];
}

/* What was asked for by name must have its answer; else it is one of those that n does not allow.
 */
static void decide(const struct comparing *g, struct compared_number *n, enum compare_state state)
{
    bool asked = n->quantile > 0 && g->options->quantile > 0;
    n->state = state == COMPARE_SHOWN && asked ? COMPARE_OPEN : state;
    if (state == COMPARE_SHOWN)
        n->why = "too few requests for their spread";
    else if (state == COMPARE_OPEN)
        n->why = "between 1.25 times and less";
}

/* ---- tries ---- */

static uint64_t tries_most(const struct spot *p)
{
    uint64_t most = p->edge->retry.attempts.set ? 1 + p->edge->retry.attempts.number : 1;
    for (uint64_t k = 1; k <= TRIES_MOST; k++)
        if (p->before.at_least[k] + p->after.at_least[k] > 0 && k > most)
            most = k;
    return most < TRIES_MOST ? most : TRIES_MOST;
}

static double mean_tries(const struct sample *s)
{
    uint64_t sum = 0;
    for (size_t k = 1; k <= TRIES_MOST; k++)
        sum += s->at_least[k];
    return s->requests == 0 ? 0 : (double)sum / (double)s->requests;
}

/* The mean is the sum of the shares of k tries or more, each bounded at its part of ${a}. */
static struct bounds bound_tries(const struct sample *s, uint64_t most, double a)
{
    struct bounds b = {0, 0};
    for (uint64_t k = 1; k <= most; k++) {
        b.low += exact_share_lo(s->at_least[k], s->requests, a / (double)most);
        b.high += exact_share_hi(s->at_least[k], s->requests, a / (double)most);
    }
    return b;
}

/* So many requests without a single retry would show that it is no worse. */
static uint64_t tries_needed(uint64_t most)
{
    double a = PASS_ALPHA / (double)most;
    return 1 + (uint64_t)ceil(-log(a) * ((double)most - 1 + COMPARE_RATIO) / (COMPARE_RATIO - 1));
}

static void band_tries(struct compared_number *n, const struct spot *p, uint64_t most)
{
    struct bounds a = bound_tries(&p->before, most, COMPARE_BAND / 4),
                  b = bound_tries(&p->after, most, COMPARE_BAND / 4);
    n->n_before = p->before.requests;
    n->n_after = p->after.requests;
    n->before = mean_tries(&p->before);
    n->after = mean_tries(&p->after);
    n->low = b.low - a.high;
    n->high = b.high - a.low;
    n->told = p->before.requests > 0 && p->after.requests > 0;
}

static enum compare_state judge_tries(const struct spot *p, uint64_t most, double alpha)
{
    struct bounds a = bound_tries(&p->before, most, alpha / 2),
                  b = bound_tries(&p->after, most, alpha / 2);
    if (b.low > COMPARE_RATIO * a.high)
        return COMPARE_WORSE;
    a = bound_tries(&p->before, most, PASS_ALPHA);
    b = bound_tries(&p->after, most, PASS_ALPHA);
    if (b.high <= COMPARE_RATIO * a.low)
        return COMPARE_SAME;
    return is_narrow(a, 0) && is_narrow(b, 0) ? COMPARE_OPEN : COMPARE_SHOWN;
}

static const char *no_evidence(const struct spot *p)
{
    if (p->before.lost || p->after.lost)
        return "a journal lost records of it";
    return p->before.starved || p->after.starved ? "the machine was starved" : NULL;
}

static void compare_tries(struct comparing *g, const struct spot *p)
{
    struct compared_number *n = add(g->c, p, 0);
    uint64_t most = tries_most(p);
    band_tries(n, p, most);
    n->needed = tries_needed(most);
    if (p->faulty && (p->edge->outlier.present || p->edge->accrual.present)) {
        n->why = "ejection decides how many";
    } else if (n->n_before < n->needed || n->n_after < n->needed) {
        decide(g, n, COMPARE_SHOWN);
    } else if (no_evidence(p) != NULL) {
        n->state = COMPARE_OPEN;
        n->why = no_evidence(p);
    } else {
        decide(g, n, judge_tries(p, most, g->alpha));
    }
}

/* ---- latency ---- */

static double at(const struct sample *s, double q)
{
    size_t rank = (size_t)ceil(q * (double)s->count);
    return (double)s->sorted[rank == 0 ? 0 : rank - 1];
}

static bool bound_quantile(const struct sample *s, double q, double a, struct bounds *ret)
{
    uint64_t low, high;
    if (!exact_quantile_lo(s->count, q, a, &low) || !exact_quantile_hi(s->count, q, a, &high))
        return false;
    *ret = (struct bounds){(double)s->sorted[low - 1], (double)s->sorted[high - 1]};
    return true;
}

static void block_quantiles(const struct sample *s, double q, double ratio, double add_ns,
                            double *ret)
{
    uint64_t *scratch = check_alloc_zero(s->count + 1, sizeof(*scratch));
    for (size_t i = 0; i < s->blocks; i++) {
        size_t count = s->begins[i + 1] - s->begins[i];
        memcpy(scratch, s->took + s->begins[i], count * sizeof(*scratch));
        qsort(scratch, count, sizeof(*scratch), sort_by_u64);
        size_t rank = (size_t)ceil(q * (double)count);
        ret[i] = ratio * (double)scratch[rank == 0 ? 0 : rank - 1] + add_ns;
    }
    free(scratch);
}

static bool blocks_agree(const struct spot *p, double q)
{
    double a[PERMUTE_MOST], b[PERMUTE_MOST];
    block_quantiles(&p->before, q, COMPARE_RATIO, ADD_NS, a);
    block_quantiles(&p->after, q, 1, 0, b);
    return permute_above(a, p->before.blocks, b, p->after.blocks) <= BLOCKS_AGREE;
}

static enum compare_state judge_latency(const struct spot *p, double q, double alpha)
{
    struct bounds a, b;
    if (bound_quantile(&p->before, q, alpha / 2, &a) &&
        bound_quantile(&p->after, q, alpha / 2, &b) && b.low > COMPARE_RATIO * a.high + ADD_NS &&
        blocks_agree(p, q))
        return COMPARE_WORSE;
    bool bounded = bound_quantile(&p->before, q, PASS_ALPHA, &a) &&
                   bound_quantile(&p->after, q, PASS_ALPHA, &b);
    if (bounded && b.high <= COMPARE_RATIO * a.low + ADD_NS)
        return COMPARE_SAME;
    return bounded && is_narrow(a, ADD_NS) && is_narrow(b, ADD_NS) ? COMPARE_OPEN : COMPARE_SHOWN;
}

/* The bounds of the decision need more requests than those of the band. */
static uint64_t latency_needed(double q, double alpha)
{
    double tail = q > 0.5 ? q : 1 - q;
    return (uint64_t)ceil(log(alpha / 2) / log(tail));
}

static void compare_quantile(struct comparing *g, const struct spot *p, double q)
{
    struct compared_number *n = add(g->c, p, q);
    struct bounds a, b;
    uint64_t least = p->before.count < p->after.count ? p->before.count : p->after.count;
    n->n_before = p->before.count;
    n->n_after = p->after.count;
    n->needed = latency_needed(q, g->alpha);
    n->told = bound_quantile(&p->before, q, COMPARE_BAND / 4, &a) &&
              bound_quantile(&p->after, q, COMPARE_BAND / 4, &b) && a.low > 0;
    if (n->told) {
        n->before = at(&p->before, q);
        n->after = at(&p->after, q);
        n->low = b.low / a.high;
        n->high = b.high / a.low;
    }
    if (p->faulty) {
        n->why = "a fault was on";
    } else if (!g->c->same_host) {
        n->why = "indicative: different hosts";
    } else if (p->before.blocks < BLOCKS_LEAST || p->after.blocks < BLOCKS_LEAST) {
        n->why = "indicative: less than 10 s of it";
    } else if (!n->told || least < n->needed) {
        decide(g, n, COMPARE_SHOWN);
    } else if (no_evidence(p) != NULL) {
        n->state = COMPARE_OPEN;
        n->why = no_evidence(p);
    } else {
        decide(g, n, judge_latency(p, q, g->alpha));
    }
}

/* ---- the walk over both ---- */

/* The phase of the same name in the other run that did the same to its mesh. */
static const struct phase *counterpart(struct comparing *g, const char *name, uint32_t before,
                                       size_t phase, uint32_t after)
{
    const struct scenario *other = &g->after.plan->scenarios[after];
    size_t i = 0;
    while (i < other->phase_count && strcmp(other->phases[i].name, name) != 0)
        i++;
    if (i == other->phase_count) {
        compare_say(g->c, g->c->same_policy, "phase \"%.60s\": the second run has none", name);
        return NULL;
    }
    json_t *a = compare_offer(g->before.journal->plan, before, phase),
           *b = compare_offer(g->after.journal->plan, after, i);
    bool same = compare_same_json(a, b);
    json_decref(a);
    json_decref(b);
    if (!same)
        compare_say(g->c, g->c->same_policy, "phase \"%.60s\": another load, or other faults",
                    name);
    return same ? &other->phases[i] : NULL;
}

static void add_up(struct sample *to, const struct sample *from)
{
    to->requests += from->requests;
    for (size_t k = 1; k <= TRIES_MOST; k++)
        to->at_least[k] += from->at_least[k];
}

static void compare_place(struct comparing *g, const struct spot *p)
{
    compare_tries(g, p);
    for (size_t i = 0; i < COUNT_OF(quantiles); i++)
        if (g->options->quantile <= 0 || fabs(g->options->quantile - quantiles[i]) < 1e-9)
            compare_quantile(g, p, quantiles[i]);
}

static void compare_edge(struct comparing *g, const struct arm_edge *e, uint32_t after)
{
    const struct scenario *s = &g->before.plan->scenarios[e->scenario];
    struct arena *arena = &g->c->arena;
    const char *on = arena_printf(arena, "%s -> %s", e->edge.from, e->edge.to);
    struct spot all = {.scenario = compare_clean(arena, s->name),
                       .on = compare_clean(arena, on),
                       .edge = &e->edge};
    size_t sum = g->c->number_count;
    (void)add(g->c, &all, 0); /* filled when its parts are known */
    for (size_t i = 0; i < s->phase_count; i++) {
        const struct phase *other = counterpart(g, s->phases[i].name, e->scenario, i, after);
        struct spot p = all;
        p.phase = compare_clean(arena, s->phases[i].name);
        p.faulty = compare_is_faulty(s, i);
        p.before = p.after = (struct sample){0};
        if (other != NULL &&
            collect(&g->before, e->scenario, &s->phases[i], &e->edge, on, &p.before) &&
            collect(&g->after, after, other, &e->edge, on, &p.after)) {
            compare_place(g, &p);
            add_up(&all.before, &p.before);
            add_up(&all.after, &p.after);
        }
        release(&p.before);
        release(&p.after);
    }
    band_tries(&g->c->numbers[sum], &all, tries_most(&all));
}

void compare_numbers(struct comparing *g)
{
    for (size_t i = 0; i < g->before.edge_count; i++) {
        const struct arm_edge *e = &g->before.edges[i];
        if (!arm_is_subject(e->arm) || e->scenario >= g->before.plan->scenario_count)
            continue;
        for (uint32_t k = 0; k < g->after.plan->scenario_count; k++) {
            if (strcmp(g->after.plan->scenarios[k].name,
                       g->before.plan->scenarios[e->scenario].name) != 0)
                continue;
            compare_edge(g, e, k);
            break;
        }
    }
}
