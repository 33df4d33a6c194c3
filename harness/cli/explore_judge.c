#include "cli/explore_lab.h"

#include "verify/hearing.h"

static struct explore_claim *claim_of(struct explore_lab *lab, const char *claim, const char *on)
{
    for (size_t i = 0; i < lab->claim_count; i++)
        if (strcmp(lab->claims[i].claim, claim) == 0 && strcmp(lab->claims[i].on, on) == 0)
            return &lab->claims[i];
    if (lab->claim_count == EXPLORE_CLAIMS_MOST)
        return NULL;
    struct explore_claim *made = &lab->claims[lab->claim_count++];
    *made = (struct explore_claim){0};
    snprintf(made->claim, sizeof(made->claim), "%s", claim);
    snprintf(made->on, sizeof(made->on), "%s", on);
    return made;
}

static const char *on_of(const struct judged *d)
{
    return d->on == NULL ? "" : d->on;
}

static bool is_failure(const struct judged *d)
{
    return d->gates && d->verdict.kind == VERDICT_FAIL &&
           (d->accepted == NULL || !d->accepted->stands);
}

static bool is_it(const struct judged *d, const struct trial *t)
{
    return strcmp(d->claim->id, t->claim) == 0 && strcmp(on_of(d), t->on) == 0;
}

static bool is_coupled(const struct judged *d)
{
    const char *certain = d->verdict.certain;
    return certain != NULL && strncmp(certain, "coupled:", 8) == 0;
}

/* The failure that is wanted again; of a drawn trial the plainest: no other's shadow, and where
 * there are several, one that a single witness proves. */
static const struct judged *failure_of(const struct judgement *g, const struct trial *t)
{
    const struct judged *best = NULL;
    int best_rank = -1;
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (!is_failure(d) || (t->claim != NULL && !is_it(d, t)))
            continue;
        int rank = 2 * !is_coupled(d) + (d->claim->class == CLAIM_DETERMINISTIC);
        if (rank > best_rank) {
            best = d;
            best_rank = rank;
        }
    }
    return best;
}

static void count_claims(struct explore_lab *lab, const struct judgement *g)
{
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (!d->gates || d->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        struct explore_claim *claim = claim_of(lab, d->claim->id, on_of(d));
        if (claim == NULL)
            continue;
        claim->passed += d->verdict.kind == VERDICT_PASS;
        claim->failed += d->verdict.kind == VERDICT_FAIL;
    }
}

static void show(const struct judged *d, struct explore_evidence *to)
{
    snprintf(to->policy, sizeof(to->policy), "%s",
             d->verdict.policy == NULL ? "" : d->verdict.policy);
    snprintf(to->seen, sizeof(to->seen), "%s", d->verdict.text == NULL ? "" : d->verdict.text);
    source_format(d->verdict.policy_line, false, to->mark, sizeof(to->mark));
}

static bool right_failed(const struct judgement *g, const struct judged *failure)
{
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (strcmp(d->arm, RIGHT) == 0 && d->claim == failure->claim &&
            strcmp(on_of(d), on_of(failure)) == 0 && d->verdict.kind == VERDICT_FAIL)
            return true;
    }
    return false;
}

static bool is_decided(const struct judgement *g)
{
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (d->gates && (d->verdict.kind == VERDICT_PASS || d->verdict.kind == VERDICT_FAIL))
            return true;
    }
    return false;
}

static void conclude(struct explore_lab *lab, const struct trial *t, const struct judgement *g,
                     struct trial_result *ret, struct explore_evidence *ret_evidence)
{
    const struct judged *failure = failure_of(g, t);
    ret->end = failure != NULL ? TRIAL_FAIL : is_decided(g) ? TRIAL_PASS : TRIAL_INCONCLUSIVE;
    if (t->stage == TRIAL_DRAWN)
        count_claims(lab, g);
    if (failure == NULL)
        return;
    snprintf(ret->claim, sizeof(ret->claim), "%s", failure->claim->id);
    snprintf(ret->word, sizeof(ret->word), "%s", failure->claim->word);
    snprintf(ret->on, sizeof(ret->on), "%s", on_of(failure));
    ret->right_fails = right_failed(g, failure);
    ret->doubted = ret->right_fails &&
                   !space_is_wish(&lab->spaces[t->space], failure->claim->word, failure->on);
    show(failure, ret_evidence);
}

/* As a run that still goes on: what the right mesh shows does not touch the subject's verdicts
 * then, and both can be looked at. */
bool explore_judge(struct explore_lab *lab, const struct trial *t, const char *path,
                   const struct plan *plan, struct trial_result *ret,
                   struct explore_evidence *ret_evidence, struct error *err)
{
    struct journal *journal = NULL;
    struct judgement *g = NULL;
    const struct judge_options options = {.partial = true,
                                          .strict = arguments_has(lab->args, "strict")};
    bool ok = journal_open_sliced(path, JOURNAL_KEEP_BYTES, &journal, err) &&
              judge_sliced(journal, &options, &g, err) &&
              exception_file_apply(lab->exceptions, plan, g, err);
    if (ok)
        conclude(lab, t, g, ret, ret_evidence);
    judgement_free(g);
    journal_free(journal);
    return ok;
}
