/* retry.only (spec/verifier.md 3.1): what is not listed is not retried, and reaches the client as
 * it is. */
#include "verify/claims.h"
#include "verify/retry_limit.h"

#define ALL_LEAST 20
#define CAUSE_LEAST 5
#define CAUSES_MOST 64

struct tally {
    char cause[16];
    uint64_t eligible, wrong;
};
struct tallies {
    struct tally at[CAUSES_MOST];
    size_t count;
    uint64_t eligible, retried, swapped;
    struct retry_limit limit;
};

static bool applies(const struct edge_policy *edge)
{
    return edge->retry.attempts.set && edge->flavour != FLAVOUR_L4;
}

static struct tally *tally_of(struct tallies *t, const struct failure *f)
{
    char cause[16];
    failure_print(f, cause, sizeof(cause));
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->at[i].cause, cause) == 0)
            return &t->at[i];
    if (t->count == CAUSES_MOST)
        return NULL;
    struct tally *made = &t->at[t->count++];
    *made = (struct tally){0};
    memcpy(made->cause, cause, sizeof(cause));
    return made;
}

/* An unlisted failure that we answered, whole and untouched. */
static bool is_unlisted(const struct window *w, const struct try *x, struct failure *ret)
{
    *ret = window_ended(w, x);
    if (ret->kind != FAILURE_CAUSE || x->out_ns == 0 || x->left_ns != 0)
        return false;
    if (ret->cause != CAUSE_STATUS && ret->cause != CAUSE_FIN && ret->stream == STREAM_WHOLE)
        return false;
    /* Too early: legal to retry in any mesh (RFC 8470). */
    if (ret->cause == CAUSE_STATUS && ret->status == 425)
        return false;
    return !window_covers(w, ret);
}

static void look_at(const struct window *w, const struct request *r, struct tallies *t,
                    struct verdict *ret)
{
    for (const struct try *x = window_first(w, r); x != NULL; x = window_after(w, x)) {
        struct failure f;
        if (!is_unlisted(w, x, &f))
            continue;
        bool again = x->next != TRACK_NONE;
        if (again && window_other_cause(w, r, x))
            continue;
        struct tally *tally = tally_of(t, &f);
        if (tally == NULL)
            continue;
        bool swapped = !again && f.cause == CAUSE_STATUS && r->r->end == END_COMPLETE &&
                       !window_same_answer(r, x) && r->n_mesh <= r->seen &&
                       !window_timer_ended(w, r, true);
        /* A retry that was wrongly made may have been refused, where there was no room for one. */
        if (!again && !swapped && retry_limit_may_refuse(&t->limit, w, r, x->lo_ns))
            continue;
        tally->eligible++;
        t->eligible++;
        if (!again && !swapped)
            continue;
        tally->wrong++;
        t->retried += again;
        t->swapped += swapped;
        window_witness(ret, r, x->out_ns);
    }
}

static void print_causes(const struct tallies *t, bool wrong, struct text *to)
{
    for (size_t i = 0; i < t->count; i++)
        if (!wrong || t->at[i].wrong > 0)
            text_add(to, "%s%s", to->len == 0 ? "" : " ", t->at[i].cause);
}

static void conclude(const struct window *w, const struct tallies *t, struct text *causes,
                     struct arena *arena, struct verdict *ret)
{
    if (ret->wrong > 0) {
        print_causes(t, true, causes);
        if (t->retried > 0)
            verdict_fail(ret, arena, "%llu of %llu were retried (%s)%s",
                         (unsigned long long)t->retried, (unsigned long long)t->eligible,
                         text_get(causes), window_when(w, ret, arena));
        else
            verdict_fail(ret, arena, "%llu of %llu reached the client with another status (%s)%s",
                         (unsigned long long)t->swapped, (unsigned long long)t->eligible,
                         text_get(causes), window_when(w, ret, arena));
        ret->certain = "one witness is enough (class D); no timer explains the second try";
        return;
    }
    const struct tally *fewest = NULL;
    for (size_t i = 0; window_tags(w) > 0 && i < t->count; i++)
        if (window_sends(w, t->at[i].cause) &&
            (fewest == NULL || t->at[i].eligible < fewest->eligible))
            fewest = &t->at[i];
    if (t->eligible < ret->needed) {
        window_too_few(w, ret, arena, t->eligible, ret->needed, "answers that no condition lists");
        return;
    }
    if (fewest != NULL && fewest->eligible < CAUSE_LEAST) {
        window_too_few(w, ret, arena, fewest->eligible, CAUSE_LEAST,
                       arena_printf(arena, "answers of %s", fewest->cause));
        return;
    }
    print_causes(t, false, causes);
    verdict_pass(ret, arena, "none of %llu retried (%s)", (unsigned long long)t->eligible,
                 text_get(causes));
    ret->certain = verdict_excludes(t->eligible, arena);
}

static void judge(const struct edge_policy *edge, const struct window *w, struct arena *arena,
                  struct verdict *ret)
{
    struct tallies t = {.limit = retry_limit_of(edge, w)};
    for (uint32_t i = w->from; i < w->to; i++)
        if (window_has(w, &w->track->requests[i]))
            look_at(w, &w->track->requests[i], &t, ret);
    ret->seen = ret->eligible = t.eligible;
    ret->wrong = t.retried + t.swapped;
    ret->needed = window_floor(w, ALL_LEAST);
    ret->unit = "answers";
    verdict_policy(ret, &edge->retry.conditions, arena, "retries only on the listed conditions");
    struct text causes;
    text_init(&causes, 256);
    conclude(w, &t, &causes, arena, ret);
    text_release(&causes);
}

const struct claim_type claim_retry_only = {
    .id = "retry.only",
    .word = "retries",
    .only = "conditions",
    .help = "only failures that the policy lists are retried",
    .class = CLAIM_DETERMINISTIC,
    .applies = applies,
    .judge = judge,
};
