/* What turns a verdict around after it was found: couplings (spec/verifier.md 8.5), and controls
 * (6). */
#include "verify/claims.h"
#include "verify/hearing.h"

static const struct couple {
    const char *first, *then;
    const char *why;
} couples[] = {
    {"retry.max", "amplify", "repeats retry.max"},
    {"retry.must", "timeout.request", "too few tries end before the timeout, see retry.must"},
    {"timeout.request", "timeout.try",
     "a shorter whole timeout cuts tries early, see timeout.request"},
    {"timeout.request", "timeout.try.restart",
     "a shorter whole timeout cuts tries early, see timeout.request"},
    {"timeout.try", "timeout.try.restart", "the same timer, see timeout.try"},
    {"timeout.try", "timeout.try.kept", "the same timer, see timeout.try"},
    {"timeout.try.restart", "timeout.request",
     "tries cut early are used up early, see timeout.try"},
    {"backoff.max", "backoff.law", "the same gaps, see backoff.max"},
    {"eject.trip", "eject.panic", "nothing was out, see eject.trip"},
    {"eject.trip", "eject.cap", "nothing was out, see eject.trip"},
    {"eject.trip", "eject.length", "nothing was out, see eject.trip"},
    {"eject.early", "eject.trip", "the count is wrong, see eject.early"},
    {"eject.panic", "eject.length", "a panic sends to those that are out, see eject.panic"},
};

static bool is_beside(const struct judged *a, const struct judged *b)
{
    return a->scenario == b->scenario && strcmp(a->arm, b->arm) == 0;
}

/* The first of a couple is reported; the other stands, and says whose shadow it is. */
void hearing_couple(struct hearing *h)
{
    struct judgement *g = h->g;
    for (size_t i = 0; i < g->verdict_count; i++) {
        struct judged *d = &g->verdicts[i];
        for (size_t c = 0; c < COUNT_OF(couples) && d->verdict.kind == VERDICT_FAIL; c++) {
            if (strcmp(couples[c].then, d->claim->id) != 0)
                continue;
            bool led = false;
            for (size_t k = 0; k < g->verdict_count && !led; k++)
                led = is_beside(&g->verdicts[k], d) &&
                      g->verdicts[k].verdict.kind == VERDICT_FAIL &&
                      strcmp(g->verdicts[k].claim->id, couples[c].first) == 0;
            if (led) {
                d->verdict.certain = arena_printf(&g->arena, "coupled: %s", couples[c].why);
                break;
            }
        }
    }
}

/* The worst verdict of a claim in an arm; not applicable where it was not judged. */
static const struct verdict *worst_of(const struct judgement *g, uint32_t scenario, const char *arm,
                                      const struct claim_type *claim)
{
    const struct verdict *worst = NULL;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (d->scenario != scenario || d->claim != claim || strcmp(d->arm, arm) != 0 ||
            d->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        if (worst == NULL || verdict_worse(worst->kind, d->verdict.kind) != worst->kind)
            worst = &d->verdict;
    }
    return worst;
}

/* The instrument is in doubt for this claim: what it found of the subject is not believed. */
static void doubt(struct hearing *h, uint32_t scenario, const struct claim_type *claim,
                  bool spare_fail, const char *why)
{
    if (h->options->partial) /* those beside it go on: whom to doubt is not known */
        return;
    struct judgement *g = h->g;
    for (size_t i = 0; i < g->verdict_count; i++) {
        struct judged *d = &g->verdicts[i];
        if (d->scenario != scenario || d->claim != claim || !arm_is_subject(d->arm) ||
            d->verdict.kind == VERDICT_INCONCLUSIVE || d->verdict.kind == VERDICT_NOT_APPLICABLE ||
            (spare_fail && d->verdict.kind == VERDICT_FAIL))
            continue;
        const char *was = d->verdict.text;
        verdict_open(&d->verdict, WHY_INSTRUMENT, &g->arena, "instrument: %s (else: %s)", why,
                     was == NULL ? "" : was);
        d->verdict.needs = "another run; if it stays so, this machine cannot judge this claim";
    }
}

/* {"controls": [{"arm", "defect", "claim"}]} of the policy row; NULL: the row does not say. */
static const char *claim_of_defect(const struct hearing *h, const char *arm)
{
    const json_t *list = json_object_get(h->journal->policy, "controls"), *row;
    size_t i;
    json_array_foreach(list, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "arm"));
        if (name != NULL && strcmp(name, arm) == 0)
            return json_string_value(json_object_get(row, "claim"));
    }
    return NULL;
}

static void judge_right(struct hearing *h, uint32_t scenario, const char *arm,
                        struct judged_control *c)
{
    struct judgement *g = h->g;
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    *c = (struct judged_control){.name = RIGHT, .kind = VERDICT_PASS, .as_it_must = true};
    for (size_t i = 0; i < count; i++) {
        const struct verdict *v = worst_of(g, scenario, arm, types[i]);
        if (v == NULL || v->kind == VERDICT_PASS)
            continue;
        c->kind = verdict_worse(c->kind, v->kind);
        c->as_it_must = false;
        if (c->text == NULL)
            c->text = arena_printf(&g->arena, "%s: %s", types[i]->id, v->text);
        /* What is undecided for the right mesh is no reason to doubt a witness against the subject.
         */
        doubt(h, scenario, types[i], v->kind == VERDICT_INCONCLUSIVE,
              arena_printf(&g->arena, "the right mesh beside it did not pass: %s", v->text));
    }
    if (c->text == NULL)
        c->text = "passes all claims";
}

static void judge_broken(struct hearing *h, uint32_t scenario, const char *arm,
                         struct judged_control *c)
{
    struct judgement *g = h->g;
    const char *id = claim_of_defect(h, arm);
    *c = (struct judged_control){.name = arm, .claim = id, .kind = VERDICT_PASS};
    const struct claim_type *type = id == NULL ? NULL : claim_type_find(id);
    if (type == NULL) {
        /* The row does not say which claim must catch it: any one that does. */
        for (size_t i = 0; i < g->verdict_count && c->claim == NULL; i++)
            if (g->verdicts[i].scenario == scenario && strcmp(g->verdicts[i].arm, arm) == 0 &&
                g->verdicts[i].verdict.kind == VERDICT_FAIL) {
                c->claim = g->verdicts[i].claim->id;
                c->text = g->verdicts[i].verdict.text;
            }
        c->as_it_must = c->claim != NULL;
        c->kind = c->as_it_must ? VERDICT_FAIL : VERDICT_INCONCLUSIVE;
        return;
    }
    const struct verdict *v = worst_of(g, scenario, arm, type);
    c->kind = v == NULL ? VERDICT_INCONCLUSIVE : v->kind;
    c->text = v == NULL ? "not judged" : v->text;
    c->as_it_must = c->kind == VERDICT_FAIL;
    if (!c->as_it_must)
        doubt(h, scenario, type, true,
              arena_printf(&g->arena, "a mesh with the defect %s beside it was not caught: %s", arm,
                           c->text));
}

void hearing_controls(struct hearing *h)
{
    struct judgement *g = h->g;
    size_t most = h->plan->scenario_count * 64;
    g->controls = ARENA_ARRAY(&g->arena, struct judged_control, most + 1);
    for (uint32_t i = 0; i < h->plan->scenario_count; i++) {
        const char *arms[64];
        size_t count = hearing_arms(h, i, arms, COUNT_OF(arms));
        for (size_t k = 1; k < count; k++) {
            struct judged_control *c = &g->controls[g->control_count++];
            if (strcmp(arms[k], RIGHT) == 0)
                judge_right(h, i, arms[k], c);
            else
                judge_broken(h, i, arms[k], c);
        }
    }
}

/* The faults of a verdict's phase: how many, and whether any fired. */
static const struct judged_fault *silent_fault(const struct judgement *g, const struct judged *d)
{
    const struct judged_fault *found = NULL;
    for (size_t i = 0; i < g->fault_count; i++) {
        const struct judged_fault *f = &g->faults[i];
        if (f->scenario != d->scenario || f->ordinal != d->ordinal || f->again)
            continue;
        if (f->fired > 0)
            return NULL;
        found = f;
    }
    return found;
}

void hearing_explain(struct hearing *h)
{
    struct judgement *g = h->g;
    for (size_t i = 0; i < g->verdict_count; i++) {
        struct judged *d = &g->verdicts[i];
        bool nothing = d->verdict.why == WHY_TOO_FEW || d->verdict.why == WHY_NEVER_FIRED;
        if (d->verdict.kind != VERDICT_INCONCLUSIVE || !nothing || d->verdict.eligible > 0 ||
            !arm_is_subject(d->arm))
            continue;
        const struct judged_fault *f = silent_fault(g, d);
        if (f == NULL)
            continue;
        d->verdict.why = WHY_NEVER_FIRED;
        d->verdict.text =
            f->guarded > 0
                ? arena_printf(&g->arena,
                               "the fault %s on %s never fired: the streak guard withheld it %llu "
                               "times",
                               f->text, f->on, (unsigned long long)f->guarded)
                : arena_printf(&g->arena,
                               "the fault %s on %s never fired: no request matched it, or "
                               "none that did gave it anything to do",
                               f->text, f->on);
        d->verdict.needs = "requests that the fault matches";
    }
}
