#include "live/live_model.h"

#include <stdlib.h>

/* What the judge says so far: worst first, each FAIL told once. */

#define RECORDS_LATE_NS (800 * NS_PER_MS)

static void show(const struct judged *j, struct live_verdict *to)
{
    char mark[200] = "";
    struct source source = j->verdict.policy_line;
    *to = (struct live_verdict){.kind = j->verdict.kind};
    if (source.file != NULL && strrchr(source.file, '/') != NULL)
        source.file = strrchr(source.file, '/') + 1;
    if (source.file != NULL)
        source_format(source, false, mark, sizeof(mark));
    live_clean(to->mark, sizeof(to->mark), mark);
    live_clean(to->claim, sizeof(to->claim), j->claim->id);
    const char *text = j->verdict.text == NULL ? j->verdict.needs : j->verdict.text;
    live_clean(to->text, sizeof(to->text), text);
    if (to->kind == VERDICT_INCONCLUSIVE)
        live_clean(to->needs, sizeof(to->needs), j->verdict.needs);
}

size_t live_judged_of(const struct judgement *so_far, struct live_judged *ret, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < so_far->verdict_count && count < most; i++) {
        const struct judged *j = &so_far->verdicts[i];
        if (!j->gates || j->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        show(j, &ret[count].shown);
        ret[count].witness_ns = j->verdict.witness_ns;
        ret[count].scenario = j->scenario;
        ret[count].ordinal = j->ordinal;
        count++;
    }
    return count;
}

/* The same claim: it has been told. */
static bool was_failed(const struct live *l, const char *claim)
{
    for (size_t i = 0; i < l->head.verdict_count; i++)
        if (l->head.verdicts[i].kind == VERDICT_FAIL &&
            strcmp(l->head.verdicts[i].claim, claim) == 0)
            return true;
    return false;
}

/* Its phase is not over, or was just now: the records of one process are there and those of another
 * are not, and that looks like a FAIL. What spans the scenario waits for all of its phases. */
static bool is_early(const struct live *l, const struct live_judged *j, uint64_t as_of_ns)
{
    bool whole = true;
    if (j->scenario >= l->plan->scenario_count ||
        !plan_same_arms(&l->plan->scenarios[j->scenario], l->scenario))
        return j->scenario > l->scenario_index;
    for (size_t i = 0; i < l->phase_count; i++)
        whole = whole && l->phases[i].ordinal != j->ordinal;
    for (size_t i = 0; i < l->phase_count; i++) {
        const struct phase_seen *p = &l->phases[i];
        bool over = p->to_ns != 0 && as_of_ns >= p->to_ns + RECORDS_LATE_NS;
        if ((whole || p->ordinal == j->ordinal) && !over)
            return true;
    }
    return false;
}

static void tell(struct live *l, const struct live_judged *j, uint64_t now_ns)
{
    char first[64] = "", clock[32];
    if (j->shown.kind != VERDICT_FAIL || was_failed(l, j->shown.claim))
        return;
    if (j->witness_ns != 0)
        snprintf(first, sizeof(first), " (at %s)",
                 live_clock(live_since(l, j->witness_ns), true, clock, sizeof(clock)));
    live_tell(l, now_ns, LIVE_EVENT_CLAIM, "claim.verdict", j->shown.claim, "%s FAIL%s: %s",
              j->shown.claim, first, j->shown.text);
}

static bool is_before(const struct live_judged *rows, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (rows[i].shown.kind == VERDICT_FAIL &&
            strcmp(rows[i].shown.claim, rows[at].shown.claim) == 0)
            return true;
    return false;
}

void live_judged(struct live *l, const struct live_judged *rows, size_t count, uint64_t as_of_ns)
{
    static const enum verdict_kind order[] = {VERDICT_FAIL, VERDICT_INCONCLUSIVE, VERDICT_PASS};
    struct live_snapshot *h = &l->head;
    size_t *counts[] = {&h->fail, &h->inconclusive, &h->pass};
    for (size_t i = 0; i < count; i++)
        if (!is_early(l, &rows[i], as_of_ns) && !is_before(rows, i))
            tell(l, &rows[i], as_of_ns);
    h->judged_ns = live_since(l, as_of_ns);
    h->verdict_count = 0;
    for (size_t k = 0; k < COUNT_OF(order); k++) {
        *counts[k] = 0;
        for (size_t i = 0; i < count; i++) {
            if (rows[i].shown.kind != order[k] || is_early(l, &rows[i], as_of_ns))
                continue;
            ++*counts[k];
            if (h->verdict_count < LIVE_VERDICTS)
                h->verdicts[h->verdict_count++] = rows[i].shown;
        }
    }
}
