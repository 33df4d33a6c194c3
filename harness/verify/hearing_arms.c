/* What is asked of which arm of a scenario (scenario-language.md 1.2), and what of it gates. */
#include "verify/hearing.h"

#include "base/clock.h"
#include "policy/exception_entry.h"

/* Told by people and by probes, which know of no arms. */
static bool is_common(const struct step *s)
{
    return strcmp(s->word, "human") == 0 || strcmp(s->word, "probe") == 0;
}

bool hearing_asks(const struct hearing *h, uint32_t scenario, const struct step *s)
{
    static const char *const plain[] = {"success", "tail", "recovery", "idempotency", "fallback"};
    const struct scenario *of = &h->plan->scenarios[scenario];
    bool first = scenario == 0 || !plan_same_arms(&h->plan->scenarios[scenario - 1], of);
    bool asked = !plan_is_control_arm(of);
    if (s->kind != STEP_EXPECT)
        return true;
    if (is_common(s))
        return first;
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        asked = asked || strcmp(s->word, plain[i]) == 0;
    return asked;
}

bool hearing_in_quarantine(const struct journal *j, const struct scenario *s)
{
    uint32_t until;
    uint64_t wall_ns = (uint64_t)json_integer_value(json_object_get(j->run, "wall_ns"));
    return s->quarantine_until != NULL && exception_date_parse(s->quarantine_until, &until) &&
           exception_date_of(wall_ns / NS_PER_S) <= until;
}

bool hearing_gates(const struct hearing *h, uint32_t scenario, const char *arm,
                   const struct step *s)
{
    const char *gates = json_string_value(json_object_get(s->keys, "gates"));
    const struct scenario *of = &h->plan->scenarios[scenario];
    bool compared = plan_is_control_arm(of) && !is_common(s);
    return arm_is_subject(arm) && !compared && !hearing_in_quarantine(h->journal, of) &&
           (gates == NULL || strcmp(gates, "no") != 0);
}
