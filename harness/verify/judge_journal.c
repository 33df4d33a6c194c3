#include "verify/judge_journal.h"

#include "journal/arm.h"
#include "verify/claims.h"

/* An agent was missing: the mesh met a dead endpoint or a cut load of ours, so not even a witness
 * tells of the mesh (kubernetes.md section 2: the window is not evidence). */
static bool mind_agents(const struct window *w, struct arena *arena, struct verdict *v)
{
    if (!w->agent_lost || v->kind == VERDICT_INCONCLUSIVE)
        return w->agent_lost;
    const char *was = v->text;
    verdict_open(v, WHY_LOST, arena, "an agent of the run was lost in this phase (else: %s)",
                 was == NULL ? "" : was);
    v->needs = "agents that last";
    return true;
}

static void mind_lost(const struct claim_type *type, const struct window *w, struct arena *arena,
                      struct verdict *v)
{
    if (mind_agents(w, arena, v))
        return;
    /* How often an endpoint has been out is counted from the first phase on. */
    bool counts_on = strncmp(type->id, "eject.", 6) == 0;
    uint64_t lost = w->lost;
    if (lost == 0 && counts_on)
        lost = window_lost_between(w, w->track->from_ns, w->wide.to_ns);
    if (lost == 0 || v->kind == VERDICT_INCONCLUSIVE ||
        (v->kind == VERDICT_FAIL && claim_type_fails_by_witness(type)))
        return;
    const char *was = v->text;
    verdict_open(v, WHY_LOST, arena, "the journal lost %llu records of %s (else: %s)",
                 (unsigned long long)lost, w->lost == 0 ? "a phase before" : "this phase", was);
    v->needs = "a faster disk, or a lower rate";
}

/* A hook that failed was switched off: from then on the fault that the claim counts on was not
 * there (scenario-language.md 4). Errors are rare: one look at each is no cost. */
static void mind_hooks(const struct window *w, const char *arm, struct arena *arena,
                       struct verdict *v)
{
    const struct journal *j = w->journal;
    for (size_t i = 0; i < j->hook_count; i++) {
        const struct hook_row *row = &j->hooks[i];
        const struct journal_proc *proc = journal_proc_of(j, row->proc);
        if (row->r.level != HOOK_ERROR || row->r.at < w->span.from_ns ||
            row->r.at >= w->span.to_ns || proc == NULL || strcmp(proc->arm, arm) != 0)
            continue;
        verdict_open(v, WHY_INSTRUMENT, arena, "hook error at %s: %s",
                     journal_name(j, row->r.source), journal_name(j, row->r.text));
        v->needs = "a hook that works";
        return;
    }
}

/* Times of two endpoints are subtracted on one clock only (kubernetes.md section 7): a claim that
 * lives by the spans between a request's tries cannot be judged by them here. */
static void mind_clocks(const struct claim_type *type, const struct window *w, struct arena *arena,
                        struct verdict *v)
{
    bool spaces = type->class == CLAIM_TIMING || strncmp(type->id, "backoff.", 8) == 0;
    if (!spaces || w->track->same_endpoint_clock || v->kind == VERDICT_INCONCLUSIVE)
        return;
    const char *was = v->text;
    verdict_open(v, WHY_CAPABILITY, arena,
                 "the endpoints of %s are on several clocks, and times of two are not subtracted "
                 "(else: %s)",
                 w->track->service, was == NULL ? "" : was);
    v->needs = "the endpoints of a service on one node";
}

/* What the load sees, or people and probes say, is whole wherever the endpoints are. */
static bool is_of_the_client(const struct claim_type *type)
{
    static const char *const ids[] = {
        "success", "tail",         "recovery",    "fallback",    "probe",       "human",
        "lint",    "await.steady", "await.probe", "await.human", "await.fired", "await.requests"};
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        if (strcmp(type->id, ids[i]) == 0)
            return true;
    return false;
}

/* What counts all that comes to an endpoint, or to a proxy that callers share. */
static bool is_of_all_callers(const struct claim_type *type)
{
    static const char *const begins[] = {
        "eject.",   "cb.",     "budget.",       "rate.limit", "lb.",
        "metrics.", "accrual", "await.ejected", "effects",    "await.readmitted"};
    for (size_t i = 0; i < COUNT_OF(begins); i++)
        if (strncmp(type->id, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

/* --mode interpose: our endpoints are some of a Service's, beside real ones and for real callers
 * (scenario-language.md 3). Tries at the others are not seen: a witness of too many stands, and
 * nothing that was not there is proved by its absence. */
static void mind_interposed(const struct claim_type *type, const struct window *w, const char *arm,
                            struct arena *arena, struct verdict *v)
{
    const json_t *row =
        json_object_get(json_object_get(w->journal->policy, "interposed"), w->track->service);
    bool whole = json_is_true(json_object_get(row, "whole"));
    if (row == NULL || !arm_is_subject(arm) || is_of_the_client(type))
        return; /* what is open for another reason is open for this one before all */
    const char *was = v->text == NULL ? "" : v->text;
    if (is_of_all_callers(type)) {
        verdict_open(v, WHY_CAPABILITY, arena,
                     "%s has other callers than us, whose requests count too (else: %s)",
                     w->track->service, was);
        v->needs = "--mode canary";
    } else if (!whole && (v->kind != VERDICT_FAIL || !claim_type_fails_by_witness(type))) {
        json_int_t ours = json_integer_value(json_object_get(row, "ours"));
        verdict_open(v, WHY_CAPABILITY, arena,
                     "%lld of %lld endpoints of %s are ours, and tries at the others are not seen "
                     "(else: %s)",
                     (long long)ours,
                     (long long)(ours + json_integer_value(json_object_get(row, "others"))),
                     w->track->service, was);
        v->needs = "--swap, or --mode canary";
    }
}

void judge_mind_journal(const struct claim_type *type, const struct window *w, const char *arm,
                        struct arena *arena, struct verdict *v)
{
    if (v->kind == VERDICT_NOT_APPLICABLE)
        return;
    mind_lost(type, w, arena, v);
    mind_hooks(w, arm, arena, v);
    mind_clocks(type, w, arena, v);
    mind_interposed(type, w, arm, arena, v);
}
