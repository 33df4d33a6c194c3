/* What became of each claim, place by place. */
#include "verify/compare.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool is_meant(const struct judged *d)
{
    return d->gates && arm_is_subject(d->arm);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The length of a place without the number of its endpoint: which one was drawn is the seed's. */
static size_t service_length(const char *on)
{
    size_t end = strlen(on), len = end;
    while (end > 0 && isdigit((unsigned char)on[end - 1]))
        end--;
    return end < len && end > 1 && on[end - 1] == '/' ? end - 1 : len;
}

static bool same_on(const char *a, const char *b, bool drawn)
{
    if (a == NULL || b == NULL || !drawn)
        return same_text(a, b);
    size_t len = service_length(a);
    return len == service_length(b) && strncmp(a, b, len) == 0;
}

static bool same_place(const struct judged *a, const struct judged *b, bool drawn)
{
    return a->claim == b->claim && same_text(a->scenario_name, b->scenario_name) &&
           same_text(a->phase_name, b->phase_name) && same_on(a->on, b->on, drawn);
}

/* For each of ${a} its counterpart in ${b} that none before it has taken (a phase may ask the same
 * twice), the very same place first; ${ret} is b's count where it has none. */
static void match(const struct judgement *a, const struct judgement *b, size_t *ret, bool *taken)
{
    for (size_t i = 0; i < a->verdict_count; i++)
        ret[i] = b->verdict_count;
    for (int drawn = 0; drawn <= 1; drawn++) {
        for (size_t i = 0; i < a->verdict_count; i++) {
            for (size_t k = 0; k < b->verdict_count && ret[i] == b->verdict_count; k++) {
                if (!is_meant(&a->verdicts[i]) || taken[k] || !is_meant(&b->verdicts[k]) ||
                    !same_place(&a->verdicts[i], &b->verdicts[k], drawn != 0))
                    continue;
                ret[i] = k;
                taken[k] = true;
            }
        }
    }
}

/* Worse is what was proven right, and is proven wrong now: what was undecided may have been wrong
 * before. */
static enum compare_state state_of(enum verdict_kind before, enum verdict_kind after)
{
    switch (after) {
    case VERDICT_PASS:
        return before == VERDICT_FAIL ? COMPARE_BETTER : COMPARE_SAME;
    case VERDICT_FAIL:
        return before == VERDICT_PASS ? COMPARE_WORSE
                                      : (before == VERDICT_FAIL ? COMPARE_SAME : COMPARE_OPEN);
    case VERDICT_INCONCLUSIVE:
        return COMPARE_OPEN;
    case VERDICT_NOT_APPLICABLE:
        return before == VERDICT_NOT_APPLICABLE ? COMPARE_SAME : COMPARE_SHOWN;
    }
    UNREACHABLE();
}

static enum compare_state alone(const struct comparing *g, const struct judged *d, bool before)
{
    enum verdict_kind kind = d->verdict.kind;
    if (kind == VERDICT_NOT_APPLICABLE || (!before && kind == VERDICT_PASS))
        return COMPARE_SHOWN;
    /* Another policy asks other things; under the same one something was left out. */
    return before && !g->c->same_policy ? COMPARE_SHOWN : COMPARE_OPEN;
}

static void count(struct comparison *c, size_t side, const struct judged *d)
{
    if (d == NULL)
        return;
    c->pass[side] += d->verdict.kind == VERDICT_PASS;
    c->fail[side] += d->verdict.kind == VERDICT_FAIL;
    c->inconclusive[side] += d->verdict.kind == VERDICT_INCONCLUSIVE;
}

static void add(struct comparing *g, const struct judged *before, const struct judged *after)
{
    enum compare_state state = before == NULL ? alone(g, after, false)
                               : after == NULL
                                   ? alone(g, before, true)
                                   : state_of(before->verdict.kind, after->verdict.kind);
    g->c->claims[g->c->claim_count++] = (struct compared_claim){before, after, state};
    count(g->c, 0, before);
    count(g->c, 1, after);
}

void compare_claims(struct comparing *g, const struct judgement *before,
                    const struct judgement *after)
{
    bool *taken = check_alloc_zero(after->verdict_count + 1, sizeof(*taken));
    size_t *other = check_alloc_zero(before->verdict_count + 1, sizeof(*other));
    g->c->claims =
        check_alloc_zero(before->verdict_count + after->verdict_count + 1, sizeof(*g->c->claims));
    match(before, after, other, taken);
    for (size_t i = 0; i < before->verdict_count; i++)
        if (is_meant(&before->verdicts[i]))
            add(g, &before->verdicts[i],
                other[i] == after->verdict_count ? NULL : &after->verdicts[other[i]]);
    for (size_t k = 0; k < after->verdict_count; k++)
        if (!taken[k] && is_meant(&after->verdicts[k]))
            add(g, NULL, &after->verdicts[k]);
    free(taken);
    free(other);
    if (g->c->claim_count == 0 && g->options->claim != NULL)
        compare_say(g->c, true, "neither run asks for %.60s", g->options->claim);
}
