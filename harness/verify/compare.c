#include "verify/compare.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MOST_BYTES ((size_t)64 * 1024 * 1024)
#define FALSE_ALARMS 1e-6
#define ROWS_OF_A_PHASE 6 /* tries, and five quantiles */

void compare_say(struct comparison *c, bool open, const char *format, ...)
{
    char text[600];
    va_list arguments;
    if (c->said_count == COMPARE_SAID_MOST) { /* the answer must not depend on which came first */
        c->said[COMPARE_SAID_MOST - 1].open = c->said[COMPARE_SAID_MOST - 1].open || open;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    c->said[c->said_count++] = (struct compare_said){compare_clean(&c->arena, text), open};
}

const char *compare_clean(struct arena *arena, const char *text)
{
    char *copy = arena_strdup(arena, text == NULL ? "" : text);
    for (char *p = copy; *p != '\0'; p++)
        *p = isprint((unsigned char)*p) ? *p : '?';
    return copy;
}

static const char *text_of(const json_t *of, const char *key)
{
    const char *text = json_string_value(json_object_get(of, key));
    return text == NULL ? "?" : text;
}

/* What keeps a run from being compared at all. */
static void check_run(struct comparison *c, const struct journal *j)
{
    const char *run = text_of(j->run, "run");
    if (j->end_how == NULL || strncmp(j->end_how, "complete", 8) != 0)
        compare_say(c, true, "run %.16s: %.200s", run,
                    j->end_how == NULL ? "it did not end" : j->end_how);
    if (!journal_checksum_good(j))
        compare_say(c, true, "run %.16s: its rows are not those that the run wrote", run);
}

static const struct arm_edge *find_edge(const struct hearing *h, const char *scenario,
                                        const struct edge_policy *edge)
{
    for (size_t i = 0; i < h->edge_count; i++) {
        const struct arm_edge *e = &h->edges[i];
        if (arm_is_subject(e->arm) && e->scenario < h->plan->scenario_count &&
            strcmp(h->plan->scenarios[e->scenario].name, scenario) == 0 &&
            strcmp(e->edge.from, edge->from) == 0 && strcmp(e->edge.to, edge->to) == 0)
            return e;
    }
    return NULL;
}

/* The policies of the edges that both runs have. */
static void compare_policies(struct comparing *g)
{
    g->c->same_policy = true;
    for (size_t i = 0; i < g->before.edge_count; i++) {
        const struct arm_edge *e = &g->before.edges[i];
        if (!arm_is_subject(e->arm) || e->scenario >= g->before.plan->scenario_count)
            continue;
        const char *scenario = g->before.plan->scenarios[e->scenario].name;
        const struct arm_edge *other = find_edge(&g->after, scenario, &e->edge);
        if (other == NULL)
            continue;
        json_t *a = edge_policy_to_json(&e->edge), *b = edge_policy_to_json(&other->edge);
        if (!compare_same_json(a, b)) {
            g->c->same_policy = false;
            compare_say(g->c, false,
                        "%.60s -> %.60s is under another policy: each verdict is by its own",
                        e->edge.from, e->edge.to);
        }
        json_decref(a);
        json_decref(b);
    }
}

static void compare_places(struct comparing *g)
{
    const struct journal *a = g->before.journal, *b = g->after.journal;
    const char *x = text_of(a->policy, "target"), *y = text_of(b->policy, "target");
    if (strcmp(x, y) != 0) {
        g->c->same_policy = false;
        compare_say(g->c, false, "different targets: %.60s, %.60s", x, y);
    }
    x = text_of(a->policy, "driver");
    y = text_of(b->policy, "driver");
    if (strcmp(x, y) != 0)
        compare_say(g->c, false, "different drivers: %.60s, %.60s", x, y);
    x = text_of(a->run, "host");
    y = text_of(b->run, "host");
    g->c->same_host = strcmp(x, y) == 0;
    if (!g->c->same_host)
        compare_say(g->c, false, "different hosts: %.60s, %.60s (tails are only indicative)", x, y);
}

/* Fixed by the first run's plan, whatever is found later. */
static double alpha_of(const struct hearing *h)
{
    size_t rows = 0;
    for (size_t i = 0; i < h->edge_count; i++)
        if (h->edges[i].scenario < h->plan->scenario_count && arm_is_subject(h->edges[i].arm))
            rows += ROWS_OF_A_PHASE * h->plan->scenarios[h->edges[i].scenario].phase_count;
    return FALSE_ALARMS / (double)(rows == 0 ? 1 : rows);
}

static bool has_common(const struct comparing *g)
{
    for (size_t i = 0; i < g->before.plan->scenario_count; i++)
        for (size_t k = 0; k < g->after.plan->scenario_count; k++)
            if (strcmp(g->before.plan->scenarios[i].name, g->after.plan->scenarios[k].name) == 0)
                return true;
    return false;
}

static void walk(struct comparing *g, const struct compare_side *before,
                 const struct compare_side *after)
{
    check_run(g->c, before->journal);
    check_run(g->c, after->journal);
    compare_places(g);
    compare_policies(g);
    if (!has_common(g)) {
        compare_say(g->c, true, "the runs have no scenario in common");
        return;
    }
    g->alpha = alpha_of(&g->before);
    compare_claims(g, before->judgement, after->judgement);
    if (g->options->claim == NULL || g->options->quantile > 0)
        compare_numbers(g);
}

bool compare_runs(const struct compare_side *before, const struct compare_side *after,
                  const struct compare_options *options, struct comparison *ret, struct error *err)
{
    static const struct judge_options usual = {.partial = true};
    struct judgement none[2] = {{0}, {0}};
    struct comparing g = {.c = ret, .options = options};
    *ret = (struct comparison){0};
    arena_init(&ret->arena, ARENA_MOST_BYTES);
    for (size_t i = 0; i < COUNT_OF(none); i++)
        arena_init(&none[i].arena, ARENA_MOST_BYTES);
    bool ok = hearing_init(&g.before, before->journal, &usual, &none[0], err) &&
              hearing_init(&g.after, after->journal, &usual, &none[1], err);
    if (ok)
        walk(&g, before, after);
    hearing_release(&g.before);
    hearing_release(&g.after);
    for (size_t i = 0; i < COUNT_OF(none); i++)
        arena_release(&none[i].arena);
    if (!ok)
        comparison_release(ret);
    return ok;
}

void comparison_release(struct comparison *c)
{
    free(c->numbers);
    free(c->claims);
    arena_release(&c->arena);
    *c = (struct comparison){0};
}

enum verdict_kind comparison_outcome(const struct comparison *c)
{
    bool open = false;
    for (size_t i = 0; i < c->claim_count; i++) {
        if (c->claims[i].state == COMPARE_WORSE)
            return VERDICT_FAIL;
        open = open || c->claims[i].state == COMPARE_OPEN;
    }
    for (size_t i = 0; i < c->number_count; i++) {
        if (c->numbers[i].state == COMPARE_WORSE)
            return VERDICT_FAIL;
        open = open || c->numbers[i].state == COMPARE_OPEN;
    }
    for (size_t i = 0; i < c->said_count; i++)
        open = open || c->said[i].open;
    return open ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
}
