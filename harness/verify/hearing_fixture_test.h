#ifndef VERIFY_HEARING_FIXTURE_TEST_H
#define VERIFY_HEARING_FIXTURE_TEST_H

/* For the tests of hearings: a simulated run, judged, and what a claim's verdict must be. */

#include "verify/simulator_run_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline struct judgement *judged_with(const struct sim *s,
                                            const struct judge_options *options)
{
    struct judgement *g = NULL;
    struct error err = {0};
    if (!judge_run(s->j, options, &g, &err))
        fail_msg("%s", err.text);
    return g;
}

static inline struct judgement *judged(const struct sim *s)
{
    return judged_with(s, NULL);
}

static inline void is(const struct judgement *g, const char *id, enum verdict_kind kind,
                      enum why why, const char *text)
{
    const struct judged *d = sim_verdict(g, id);
    if (d == NULL)
        fail_msg("%s was not judged", id);
    if (d->verdict.kind != kind || d->verdict.why != why || strstr(d->verdict.text, text) == NULL)
        fail_msg("%s is %d, why %d: %s", id, d->verdict.kind, d->verdict.why, d->verdict.text);
    if (kind == VERDICT_INCONCLUSIVE && d->verdict.needs == NULL)
        fail_msg("%s does not say what it needs", id);
}

static inline void right(struct sim *s, uint64_t seed)
{
    struct edge_policy edge = sim_policy();
    sim_open(s, &edge, DEPTH_QUICK, seed);
}

static inline uint32_t ordinal_of(const struct sim *s, const char *name)
{
    for (uint32_t i = 0; i < s->s->phase_count; i++)
        if (strcmp(s->s->phases[i].name, name) == 0)
            return i;
    fail();
    return 0;
}

#endif
