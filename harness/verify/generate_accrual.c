/* The phases of Linkerd's failure accrual (spec/verifier.md 4.2, Linkerd (3); scenario-language.md
 * 1.8): all endpoints fail at once and equally fast, one request at a time, for two penalties. */
#include "verify/making.h"

#include "base/clock.h"

#define ALONE_NS (30 * NS_PER_MS) /* between one answer and the next request */
#define ANSWER_NS (15 * NS_PER_MS)
#define REQUEST_NS (60 * NS_PER_MS) /* one after the other, with room */
#define MORE_NS (200 * NS_PER_MS)
#define CLEAN_NS (500 * NS_PER_MS) /* each endpoint answers well before its run of failures */
#define RUNS_LEAST 2               /* accrual asks for two penalties */
#define PPM 1000000
#define PER_S 3600
/* Defaults of linkerd2-proxy (policy-semantics.md D5). */
#define FAILURES 7
#define PENALTY_NS NS_PER_S
#define PENALTY_MOST_NS (60 * NS_PER_S)
#define JITTER_PPM 500000

static uint64_t or_default(const struct value *v, uint64_t otherwise)
{
    return v->set ? v->number : otherwise;
}

/* The longest that the ${j}-th penalty in a row (from 0) may be. */
static uint64_t penalty_most_ns(const struct accrual_rule *a, uint64_t j)
{
    uint64_t base_ns = or_default(&a->min_penalty, PENALTY_NS),
             most_ns = or_default(&a->max_penalty, PENALTY_MOST_NS);
    for (uint64_t i = 0; i < j && base_ns < most_ns; i++)
        base_ns *= 2;
    double longest = (double)base_ns * (1 + (double)or_default(&a->jitter_ppm, JITTER_PPM) / PPM);
    return longest < (double)most_ns ? (uint64_t)longest : most_ns;
}

/* What fails and is not tried again, so that the host's next try is certainly another request's: a
 * status, or a close before the head. */
static struct step failure(const struct making *m)
{
    static const uint16_t statuses[] = {503, 500, 502, 504, 501};
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        const char *text = arena_printf(&m->p->arena, "%u", statuses[i]);
        if (m->edge->retry.attempts.number == 0 ||
            !retry_rule_covers(m->edge, CAUSE_STATUS, statuses[i]))
            return step_make(m->p, STEP_FAULT, "abort", m->to, m->options->source,
                             (const char *const[]){"status", text, NULL});
    }
    return step_make(m->p, STEP_FAULT, "malformed", m->to, m->options->source,
                     (const char *const[]){"kind", "empty", NULL});
}

/* The endpoints answer equally fast, failures too. */
static void answer_late(struct making *m)
{
    making_step(m, step_make(m->p, STEP_FAULT, "latency", m->to, m->options->source,
                             (const char *const[]){"add", making_ms(m, ANSWER_NS), "when",
                                                   "request", NULL}));
}

/* From ${from_ns} on, for ${lasting_ns}. */
static void fail_for(struct making *m, uint64_t from_ns, uint64_t lasting_ns)
{
    struct step during = step_make(m->p, STEP_DURING, "during", NULL, m->options->source, NULL);
    during.from_ns = from_ns;
    during.to_ns = from_ns + lasting_ns;
    during.steps = ARENA_ARRAY(&m->p->arena, struct step, 1);
    during.step_count = 1;
    during.steps[0] = failure(m);
    making_step(m, during);
}

void making_accrual(struct making *m)
{
    static const char *const parts[] = {"trips", NULL};
    const struct accrual_rule *a = &m->edge->accrual;
    /* A ServiceProfile's retries leave no failure that is certainly not tried again, and accrual is
     * not in force beside it. */
    if (!making_wants(m, "accrual") || m->edge->retry.by_budget ||
        making_most_per_h(m) < PER_S * NS_PER_S / ALONE_NS)
        return;
    uint64_t failing_ns = or_default(&a->max_failures, FAILURES) * m->n * REQUEST_NS +
                          penalty_most_ns(a, 0) + penalty_most_ns(a, 1) + MORE_NS;
    uint64_t round_ns = failing_ns + penalty_most_ns(a, 2) + CLEAN_NS, at_ns = CLEAN_NS;
    making_heal(m);
    making_begin(m);
    making_closed(m, 1, ALONE_NS);
    answer_late(m);
    /* Each endpoint is shut for the first time once a round. */
    for (uint32_t runs = 0; runs < RUNS_LEAST; runs += m->n, at_ns += round_ns)
        fail_for(m, at_ns, failing_ns);
    making_expect(m, "ejection", m->edge_text, parts);
    making_end(m, "trip",
               "every endpoint fails, one request at a time, until it has been shut twice", at_ns);
    making_heal(m);
}
