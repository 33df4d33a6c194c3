/* tail[q] (spec/verifier.md 3.7): quantiles of latency against a baseline, by order statistics, and
 * by an exact permutation of blocks of time: requests of one block are not independent (measured,
 * limits-measured.md 10). */
#include "verify/claims.h"
#include "verify/window.h"

#include "base/clock.h"
#include "base/sort.h"
#include "journal/arm.h"
#include "base/units.h"
#include "stats/exact.h"
#include "stats/permute.h"

#include <math.h>
#include <stdlib.h>

#define BLOCK_NS NS_PER_S
#define BLOCKS_LEAST 10 /* a side: twenty in all reach 5e-6 */
#define AGREES 1e-5
#define PASS_ALPHA 1e-3 /* no alarm is spent by passing */
#define USUAL_RATIO 1.25
#define USUAL_ADD_NS (2 * NS_PER_MS)
#define QUANTILES 5
#define PASS_TIMES 10 /* as many as make the bounds exist, to pass (measured) */

static const struct {
    const char *key, *name;
    double q;
} quantiles[QUANTILES] = {{"p50", "p50", 0.5},
                          {"p90", "p90", 0.9},
                          {"p95", "p95", 0.95},
                          {"p99", "p99", 0.99},
                          {"p999", "p99.9", 0.999}};

/* One side: latencies in order of time, the same sorted, and where its blocks begin. */
struct side {
    uint64_t *took, *sorted;
    size_t count, room;
    size_t begins[PERMUTE_MOST + 1];
    size_t blocks;
    struct span span;
};
struct ask {
    double ratio;
    bool asked;
};
enum finding_kind { TAIL_PASS, TAIL_OPEN, TAIL_FAIL };
struct found {
    enum finding_kind kind;
    uint64_t test_ns, base_ns, needed;
};

static bool applies(const struct edge_policy *edge)
{
    (void)edge;
    return true;
}

struct stamped {
    uint64_t start_ns, took_ns;
};
static int by_start(const void *a, const void *b)
{
    const struct stamped *x = a, *y = b;
    return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

/* Any edge to the service, where none is asked. */
static bool is_edge(const struct window *w, uint32_t edge)
{
    if (w->edge != 0)
        return edge == w->edge;
    const char *name = journal_name(w->journal, edge), *arrow = strstr(name, " -> ");
    return arrow != NULL && strcmp(arrow + 4, w->track->service) == 0;
}

static bool is_evidence(const struct window *w, const struct request_row *row, const char *arm,
                        struct span span)
{
    const struct journal_proc *p = journal_proc_of(w->journal, row->proc);
    uint64_t start = row->r.due + row->r.start;
    if (p == NULL || strcmp(p->arm, arm) != 0 || (row->r.flags & REQUEST_WARMUP) != 0 ||
        row->r.done == 0 || start < span.from_ns || start >= span.to_ns ||
        !is_edge(w, row->r.edge) || !window_matches(w, &(struct request){.r = &row->r}))
        return false;
    /* The stall guard alone: by their own latency they would be left out of their own tail. */
    return !spans_hold(&w->track->stalls, start) &&
           !spans_hold(&w->track->stalls, row->r.due + row->r.done);
}

/* Of the arm's own time: while others have their turn it stands. */
static void cut_blocks(const struct window *w, const char *arm, struct side *s,
                       const struct stamped *at)
{
    struct spans gaps;
    track_turns(w->journal, arm, s->span.to_ns, &gaps);
    uint64_t from = s->span.from_ns,
             length = s->span.to_ns - from - spans_within(&gaps, from, s->span.to_ns),
             blocks = length / BLOCK_NS;
    blocks = blocks > PERMUTE_MOST ? PERMUTE_MOST : blocks;
    size_t next = 0;
    for (uint64_t b = 0; b < blocks; b++) {
        uint64_t until = length * (b + 1) / blocks;
        size_t begin = next;
        while (next < s->count &&
               at[next].start_ns - from - spans_within(&gaps, from, at[next].start_ns) < until)
            next++;
        if (next == begin)
            continue;
        s->begins[s->blocks++] = begin;
        s->begins[s->blocks] = next;
    }
    free(gaps.at);
}

static void collect(const struct window *w, const char *arm, struct span span, struct side *s)
{
    const struct journal *j = w->journal;
    struct stamped *at = check_alloc_zero(j->request_count + 1, sizeof(*at));
    *s = (struct side){.span = span};
    for (size_t i = 0; i < j->request_count; i++)
        if (is_evidence(w, &j->requests[i], arm, span))
            at[s->count++] = (struct stamped){j->requests[i].r.due + j->requests[i].r.start,
                                              j->requests[i].r.done - j->requests[i].r.start};
    if (s->count > 0)
        qsort(at, s->count, sizeof(*at), by_start);
    s->took = check_alloc_zero(s->count + 1, sizeof(*s->took));
    s->sorted = check_alloc_zero(s->count + 1, sizeof(*s->sorted));
    for (size_t i = 0; i < s->count; i++)
        s->took[i] = s->sorted[i] = at[i].took_ns;
    if (s->count > 0)
        qsort(s->sorted, s->count, sizeof(*s->sorted), sort_by_u64);
    cut_blocks(w, arm, s, at);
    free(at);
}

static void release(struct side *s)
{
    free(s->took);
    free(s->sorted);
}

/* The scenario of the track, by the phases that lie in its time. */
static uint32_t scenario_of(const struct window *w)
{
    for (size_t i = 0; i < w->journal->phase_count; i++) {
        const struct journal_phase *p = &w->journal->phases[i];
        if (strcmp(p->arm, w->track->arm) == 0 && p->t0_ns >= w->track->from_ns &&
            p->t0_ns < w->track->to_ns)
            return p->scenario;
    }
    return 0;
}

/* The run of a phase by an arm, in this scenario; NULL: from its first phase to its last. */
static bool find_span(const struct journal *j, uint32_t scenario, const char *arm,
                      const char *phase, struct span *ret)
{
    struct span all = {UINT64_MAX, 0};
    for (size_t i = 0; i < j->phase_count; i++) {
        const struct journal_phase *p = &j->phases[i];
        if (p->scenario != scenario || strcmp(p->arm, arm) != 0 || p->t1_ns == UINT64_MAX ||
            (phase != NULL && strcmp(p->name, phase) != 0))
            continue;
        all.from_ns = p->t0_ns < all.from_ns ? p->t0_ns : all.from_ns;
        all.to_ns = p->t1_ns > all.to_ns ? p->t1_ns : all.to_ns;
        if (phase != NULL)
            break;
    }
    *ret = all;
    return all.from_ns < all.to_ns;
}

/* 'phase "calm"' -> "phase", "calm". */
static const char *quoted(const char *against, const char *word, struct arena *arena)
{
    size_t len = strlen(word);
    const char *open = strchr(against, '"'), *close = open == NULL ? NULL : strchr(open + 1, '"');
    if (strncmp(against, word, len) != 0 || close == NULL)
        return NULL;
    return arena_printf(arena, "%.*s", (int)(close - open - 1), open + 1);
}

static const char *text_of(const json_t *run, const char *key)
{
    const char *text = json_string_value(json_object_get(run, key));
    return text == NULL ? "" : text;
}

/* The scenario of this name in another run; false: it has none. */
static bool find_scenario(const struct journal *j, const char *name, uint32_t *ret)
{
    const json_t *list = json_object_get(j->plan, "scenarios"), *each;
    size_t i;
    json_array_foreach(list, i, each)
    {
        if (strcmp(text_of(each, "name"), name) != 0)
            continue;
        *ret = (uint32_t)i;
        return true;
    }
    return false;
}

static bool no_base(const char *needs, struct verdict *ret)
{
    ret->needs = needs;
    return false;
}

/* Of another arm, or of another journal: by the stalls that were there. */
static void collect_other(const struct window *w, const char *arm, struct span span,
                          struct side *base)
{
    struct track_options options = {.arm = arm,
                                    .service = w->track->service,
                                    .flavour = w->track->flavour,
                                    .endpoints = w->track->host_count,
                                    .span = span,
                                    .baseline = span};
    struct window other = *w;
    struct track *track = track_new(w->journal, &options);
    other.track = track;
    collect(&other, arm, span, base);
    track_free(track);
}

/* Requests of the same scenario, phase, arm and edge in the other journal. */
static bool collect_run(const struct window *w, const struct journal *j, const char *name,
                        struct arena *arena, struct verdict *ret, struct side *base)
{
    uint32_t scenario = 0;
    struct span span;
    const char *phase = w->phase == NULL ? NULL : w->phase->name;
    struct window other = *w;
    other.journal = j;
    other.edge = w->edge == 0 ? 0 : journal_find_name(j, w->asked->on.text);
    if (w->scenario == NULL || !find_scenario(j, w->scenario->name, &scenario) ||
        !find_span(j, scenario, w->track->arm, phase, &span) || (w->edge != 0 && other.edge == 0)) {
        verdict_open(ret, WHY_CAPABILITY, arena, "run \"%s\" has nothing of %s%s%s%s on %s", name,
                     phase == NULL ? "scenario" : "phase", " \"",
                     phase != NULL         ? phase
                     : w->scenario != NULL ? w->scenario->name
                                           : "?",
                     "\"", w->asked->on.text);
        return no_base("a run of the same suite", ret);
    }
    collect_other(&other, w->track->arm, span, base);
    return true;
}

static bool find_run(const struct window *w, const char *name, struct arena *arena,
                     struct verdict *ret, struct side *base)
{
    const struct baseline *b = baseline_find(&w->baselines, name);
    const struct journal *j = b == NULL ? NULL : b->journal;
    const char *named = b != NULL && b->name == NULL && j->path != NULL ? j->path : name;
    if (j == NULL) {
        verdict_open(ret, WHY_CAPABILITY, arena, "the journal of run \"%s\" is not here%s%s", named,
                     b == NULL || b->why == NULL ? "" : ": ",
                     b == NULL || b->why == NULL ? "" : b->why);
        return no_base("meshproof verify RUN --against BASELINE", ret);
    }
    const char *id = text_of(w->journal->run, "run"), *host = text_of(w->journal->run, "host"),
               *then = text_of(j->run, "host");
    if (j == w->journal || (id[0] != '\0' && strcmp(id, text_of(j->run, "run")) == 0)) {
        verdict_open(ret, WHY_CAPABILITY, arena, "run \"%s\" is this run itself", named);
        return no_base("an earlier run of the same suite", ret);
    }
    if (strcmp(host, then) != 0) {
        verdict_open(
            ret, WHY_CAPABILITY, arena,
            "run \"%s\" was on another host, %.60s (this one on %.60s): its tails are only "
            "indicative",
            named, then, host);
        return no_base("both runs on one host", ret);
    }
    return collect_run(w, j, named, arena, ret, base);
}

/* The arms walk a phase in turn, and once more in turn: like is compared with like. */
static const char *own_run(const struct window *w, const char *phase)
{
    for (size_t i = 0; i < w->journal->phase_count; i++) {
        const struct journal_phase *p = &w->journal->phases[i];
        if (strcmp(p->arm, w->track->arm) == 0 && p->t0_ns <= w->span.from_ns &&
            w->span.from_ns < p->t1_ns)
            return p->name;
    }
    return phase;
}

/* The arm of that name beside this one: its scenario, and what the journal calls it. */
static const char *find_arm(const struct window *w, const char *name, struct arena *arena,
                            uint32_t *ret)
{
    const json_t *list = json_object_get(w->journal->plan, "scenarios"), *each;
    size_t i;
    if (w->scenario == NULL || w->scenario->arm == NULL)
        return name;
    json_array_foreach(list, i, each)
    {
        if (strcmp(text_of(each, "arms_of"), w->scenario->arms_of) != 0 ||
            strcmp(text_of(each, "arm"), name) != 0)
            continue;
        *ret = (uint32_t)i;
        return arena_printf(arena, ARM_PREFIX "%s", name);
    }
    return name;
}

/* The baseline that the suite names; false: the verdict says why there is none. */
static bool find_base(const struct window *w, struct arena *arena, struct verdict *ret,
                      struct side *base)
{
    char run[300];
    const char *against = window_key(w, "against");
    const char *phase = against == NULL ? NULL : quoted(against, "phase", arena);
    const char *arm = against == NULL ? NULL : quoted(against, "arm", arena);
    const char *of = phase != NULL || w->phase == NULL ? phase : w->phase->name;
    uint32_t scenario = scenario_of(w);
    struct span span;
    if (baseline_name(against, run, sizeof(run)))
        return find_run(w, run, arena, ret, base);
    if (arm != NULL && of != NULL)
        of = own_run(w, of);
    arm = arm == NULL ? w->track->arm : find_arm(w, arm, arena, &scenario);
    if ((phase == NULL && arm == w->track->arm) ||
        !find_span(w->journal, scenario, arm, of, &span)) {
        verdict_open(ret, WHY_NOT_ENDED, arena, "the baseline %s did not run",
                     against == NULL ? "" : against);
        return no_base("a run in which it does", ret);
    }
    if (arm == w->track->arm)
        collect(w, arm, span, base);
    else
        collect_other(w, arm, span, base);
    return true;
}

/* 'arm "none"' in the arm none. */
static bool is_itself(const struct window *w, const char *against, struct arena *arena)
{
    const char *arm = against == NULL ? NULL : quoted(against, "arm", arena);
    return arm != NULL && strcmp(arm, arm_shown(w->track->arm)) == 0;
}

static uint64_t block_quantile(const struct side *s, size_t block, double q, uint64_t *scratch)
{
    size_t from = s->begins[block], count = s->begins[block + 1] - from;
    memcpy(scratch, s->took + from, count * sizeof(*scratch));
    qsort(scratch, count, sizeof(*scratch), sort_by_u64);
    size_t rank = (size_t)ceil(q * (double)count);
    return scratch[rank == 0 ? 0 : rank - 1];
}

/* Blocks of the test above what the blocks of the baseline may be. */
static bool blocks_agree(const struct side *test, const struct side *base, double q, double ratio,
                         double add_ns)
{
    double a[PERMUTE_MOST], b[PERMUTE_MOST];
    size_t most = test->count > base->count ? test->count : base->count;
    uint64_t *scratch = check_alloc_zero(most + 1, sizeof(*scratch));
    for (size_t i = 0; i < base->blocks; i++)
        a[i] = ratio * (double)block_quantile(base, i, q, scratch) + add_ns;
    for (size_t i = 0; i < test->blocks; i++)
        b[i] = (double)block_quantile(test, i, q, scratch);
    free(scratch);
    return permute_above(a, base->blocks, b, test->blocks) <= AGREES;
}

static struct found compare(const struct side *test, const struct side *base, double q,
                            double ratio, double add_ns, double alpha)
{
    uint64_t low, high;
    struct found f = {.kind = TAIL_OPEN,
                      .needed = (uint64_t)ceil(PASS_TIMES * log(2 / alpha) / (1 - q))};
    size_t mid_test = (size_t)ceil(q * (double)test->count),
           mid_base = (size_t)ceil(q * (double)base->count);
    f.test_ns = test->sorted[mid_test == 0 ? 0 : mid_test - 1];
    f.base_ns = base->sorted[mid_base == 0 ? 0 : mid_base - 1];
    if (exact_quantile_lo(test->count, q, alpha, &low) &&
        exact_quantile_hi(base->count, q, alpha, &high) &&
        (double)test->sorted[low - 1] > ratio * (double)base->sorted[high - 1] + add_ns &&
        blocks_agree(test, base, q, ratio, add_ns))
        f.kind = TAIL_FAIL;
    else if (exact_quantile_hi(test->count, q, PASS_ALPHA, &high) &&
             exact_quantile_lo(base->count, q, PASS_ALPHA, &low) &&
             (double)test->sorted[high - 1] <= ratio * (double)base->sorted[low - 1] + add_ns)
        f.kind = TAIL_PASS;
    return f;
}

/* What the suite asks; nothing: each quantile that so many requests can bound. */
static size_t read_asks(const struct window *w, uint64_t count, struct ask *asks)
{
    size_t asked = 0;
    for (size_t i = 0; i < QUANTILES; i++) {
        const json_t *ratio =
            w->asked == NULL ? NULL : json_object_get(w->asked->keys, quantiles[i].key);
        asks[i] = (struct ask){json_number_value(ratio), json_is_number(ratio)};
        asked += asks[i].asked;
    }
    for (size_t i = 0; i < QUANTILES && asked == 0; i++) {
        uint64_t rank;
        bool allowed = i == 0 || (exact_quantile_hi(count, quantiles[i].q, w->alpha, &rank) &&
                                  exact_quantile_hi(count, quantiles[i].q, PASS_ALPHA, &rank));
        asks[i] = (struct ask){USUAL_RATIO, allowed};
    }
    for (size_t i = asked = 0; i < QUANTILES; i++)
        asked += asks[i].asked;
    return asked;
}

static void say(const struct window *w, size_t which, const struct found *f, const struct ask *ask,
                struct arena *arena, struct verdict *ret, const char **passed)
{
    char test[32], base[32];
    verdict_span(f->test_ns, test, sizeof(test));
    verdict_span(f->base_ns, base, sizeof(base));
    const char *text = arena_printf(arena, "%s %s against %s", quantiles[which].name, test, base);
    if (f->kind == TAIL_FAIL && ret->kind != VERDICT_FAIL) {
        verdict_fail(ret, arena, "%s: more than %g times as long", text, ask->ratio);
        ret->certain = arena_printf(
            arena, "by chance %.1g, and blocks of time say the same (class P)", w->alpha);
    } else if (f->kind == TAIL_OPEN && ret->kind == VERDICT_PASS) {
        verdict_open(ret, WHY_TOO_FEW, arena, "%s: between %g times and less", text, ask->ratio);
        ret->needed = f->needed;
        ret->needs =
            arena_printf(arena, "about %llu requests on each side", (unsigned long long)f->needed);
    }
    if (f->kind == TAIL_PASS)
        *passed = arena_printf(arena, "%s%s%s", *passed, **passed == '\0' ? "" : ", ", text);
}

static void judge_sides(const struct window *w, const struct side *test, const struct side *base,
                        struct arena *arena, struct verdict *ret)
{
    struct ask asks[QUANTILES];
    uint64_t least = test->count < base->count ? test->count : base->count, add = USUAL_ADD_NS;
    const char *text = window_key(w, "add"), *passed = "";
    struct error err = {0};
    if (text != NULL && !units_parse_duration(text, &add, &err))
        add = USUAL_ADD_NS;
    ret->seen = ret->eligible = least;
    if (test->blocks < BLOCKS_LEAST || base->blocks < BLOCKS_LEAST) {
        size_t fewer = test->blocks < base->blocks ? test->blocks : base->blocks;
        window_too_few(w, ret, arena, fewer, BLOCKS_LEAST, "blocks of a second on each side");
        return;
    }
    if (window_starved(w, ret, arena))
        return;
    if (least < window_floor(w, 0)) {
        window_too_few(w, ret, arena, least, window_floor(w, 0), "requests on each side");
        return;
    }
    size_t count = read_asks(w, least, asks);
    ret->kind = VERDICT_PASS;
    for (size_t i = 0; i < QUANTILES; i++) {
        if (!asks[i].asked)
            continue;
        struct found f = compare(test, base, quantiles[i].q, asks[i].ratio, (double)add,
                                 w->alpha / (double)count);
        say(w, i, &f, &asks[i], arena, ret, &passed);
    }
    if (ret->kind == VERDICT_PASS)
        verdict_pass(ret, arena, "%s", passed);
    ret->wrong = ret->kind == VERDICT_FAIL;
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct side test, base;
    (void)edge;
    const char *against = window_key(w, "against");
    verdict_policy(ret, NULL, arena, "latency as that of %s", against == NULL ? "?" : against);
    ret->unit = "requests on each side";
    if (is_itself(w, against, arena)) {
        ret->kind = VERDICT_NOT_APPLICABLE;
        ret->text = "this arm is the baseline";
        return;
    }
    if (!find_base(w, arena, ret, &base))
        return;
    collect(w, w->track->arm, w->span, &test);
    judge_sides(w, &test, &base, arena, ret);
    release(&test);
    release(&base);
}

const struct claim_type claim_tail = {
    .id = "tail",
    .word = "tail",
    .only = "tail",
    .help = "quantiles of latency are those of a baseline",
    .class = CLAIM_PROBABILISTIC,
    .applies = applies,
    .judge = judge,
};
