#include "live/live_model.h"

/* What the judge says so far: worst first, each FAIL told once. */

static void show(const struct judged *j, struct live_verdict *to)
{
    char mark[200] = "";
    const char *base = j->verdict.policy_line.file;
    *to = (struct live_verdict){.kind = j->verdict.kind};
    struct source source = j->verdict.policy_line;
    if (base != NULL && strrchr(base, '/') != NULL)
        source.file = strrchr(base, '/') + 1;
    if (base != NULL)
        source_format(source, false, mark, sizeof(mark));
    live_clean(to->mark, sizeof(to->mark), mark);
    live_clean(to->claim, sizeof(to->claim), j->claim->id);
    const char *text = j->verdict.text == NULL ? j->verdict.needs : j->verdict.text;
    live_clean(to->text, sizeof(to->text), text);
    if (to->kind == VERDICT_INCONCLUSIVE)
        live_clean(to->needs, sizeof(to->needs), j->verdict.needs);
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

static void tell(struct live *l, const struct judged *j, uint64_t now_ns)
{
    struct live_verdict v;
    char first[64] = "", clock[32];
    show(j, &v);
    if (j->verdict.kind != VERDICT_FAIL || was_failed(l, v.claim))
        return;
    if (j->verdict.witness_ns != 0)
        snprintf(first, sizeof(first), " (at %s)",
                 live_clock(live_since(l, j->verdict.witness_ns), true, clock, sizeof(clock)));
    live_tell(l, now_ns, LIVE_EVENT_CLAIM, "claim.verdict", v.claim, "%s FAIL%s: %s", v.claim,
              first, v.text);
}

void live_verdicts(struct live *l, const struct judgement *so_far, uint64_t now_ns)
{
    static const enum verdict_kind order[] = {VERDICT_FAIL, VERDICT_INCONCLUSIVE, VERDICT_PASS};
    size_t *counts[] = {&l->head.fail, &l->head.inconclusive, &l->head.pass};
    struct live_snapshot *h = &l->head;
    for (size_t i = 0; i < so_far->verdict_count; i++)
        if (so_far->verdicts[i].gates)
            tell(l, &so_far->verdicts[i], now_ns);
    h->judged_ns = live_since(l, now_ns);
    h->verdict_count = 0;
    for (size_t k = 0; k < COUNT_OF(order); k++) {
        *counts[k] = 0;
        for (size_t i = 0; i < so_far->verdict_count; i++) {
            const struct judged *j = &so_far->verdicts[i];
            if (!j->gates || j->verdict.kind != order[k])
                continue;
            ++*counts[k];
            if (h->verdict_count < LIVE_VERDICTS)
                show(j, &h->verdicts[h->verdict_count++]);
        }
    }
}
