/* What of the journal is in memory while a walk is judged. */
#include "verify/hearing.h"

/* A tail against another arm has that arm's requests beside its own. */
static bool asks_for_arms(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *against = json_string_value(json_object_get(steps[i].keys, "against"));
        if ((against != NULL && strncmp(against, "arm", 3) == 0) ||
            asks_for_arms(steps[i].steps, steps[i].step_count))
            return true;
    }
    return false;
}

static bool looks_at_arms(const struct scenario *s)
{
    bool asks = asks_for_arms(s->steps, s->step_count);
    for (size_t i = 0; i < s->phase_count && !asks; i++)
        asks = asks_for_arms(s->phases[i].steps, s->phases[i].step_count);
    return asks;
}

/* What all arms of the scenario did, and of those that it is one of. */
static struct span span_of_arms(const struct hearing *h, uint32_t scenario)
{
    struct span all = {UINT64_MAX, 0};
    const struct journal *j = h->journal;
    for (size_t i = 0; i < j->phase_count; i++) {
        const struct journal_phase *p = &j->phases[i];
        bool beside = p->scenario == scenario || (p->scenario < h->plan->scenario_count &&
                                                  plan_same_arms(&h->plan->scenarios[p->scenario],
                                                                 &h->plan->scenarios[scenario]));
        if (!beside)
            continue;
        struct span reach = hearing_reach(h, p->scenario, p->arm);
        all.from_ns = reach.from_ns < all.from_ns ? reach.from_ns : all.from_ns;
        all.to_ns = reach.to_ns > all.to_ns ? reach.to_ns : all.to_ns;
    }
    return all;
}

bool hearing_visit(struct hearing *h, uint32_t scenario, const char *arm, struct error *err)
{
    hearing_leave(h);
    if (h->sliced == NULL)
        return true;
    bool arms = looks_at_arms(&h->plan->scenarios[scenario]);
    struct span span = arms ? span_of_arms(h, scenario) : hearing_reach(h, scenario, arm);
    struct journal_slice slice = {arms ? NULL : arm, span.from_ns, span.to_ns};
    return journal_load(h->sliced, &slice, err);
}

void hearing_leave(struct hearing *h)
{
    for (size_t i = 0; i < h->track_count; i++)
        track_free(h->tracks[i].track);
    h->track_count = 0;
    h->metrics = (struct metrics_memo){0}; /* it knows a track by where it was */
}
