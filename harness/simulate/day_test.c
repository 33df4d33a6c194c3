#include "simulate/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The same seed is the same day; each is a plan that may be run. */
static void a_game_day_is_drawn_by_its_seed(void **state)
{
    struct gate g, again;
    struct error err = {0};
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct gate_options o = tally_options(seed);
        o.by_hand = true;
        if (!gate_run(&o, &g, &err) || !gate_run(&o, &again, &err))
            fail_msg("%llu: %s", (unsigned long long)seed, err.text);
        json_t *a = plan_to_json(g.plan), *b = plan_to_json(again.plan);
        assert_true(json_equal(a, b));
        assert_true(g.plan->scenarios[0].phase_count >= 2 && !g.plan->scenarios[0].from_policy);
        assert_int_equal(g.journal->attempt_count, again.journal->attempt_count);
        json_decref(a);
        json_decref(b);
        gate_release(&g);
        gate_release(&again);
    }
}

/* Over some days every fault that the simulator plays is drawn, on all endpoints and on one. */
static void the_days_have_all_the_faults(void **state)
{
    static const char *const words[] = {"latency", "blackhole", "malformed",
                                        "reset",   "abort",     "refuse"};
    bool seen[COUNT_OF(words)] = {0}, all = false, one = false;
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct gate g;
        struct error err = {0};
        struct gate_options o = tally_options(seed);
        o.by_hand = true;
        if (!gate_run(&o, &g, &err))
            fail_msg("%llu: %s", (unsigned long long)seed, err.text);
        const struct scenario *s = &g.plan->scenarios[0];
        for (size_t i = 0; i < s->phase_count; i++)
            for (size_t k = 0; k < s->phases[i].step_count; k++) {
                const struct step *step = &s->phases[i].steps[k];
                step = step->step_count > 0 ? &step->steps[0] : step;
                for (size_t n = 0; n < COUNT_OF(words) && step->kind == STEP_FAULT; n++)
                    seen[n] = seen[n] || strcmp(step->word, words[n]) == 0;
                all = all || (step->kind == STEP_FAULT && step->on.to.endpoint == 0);
                one = one || (step->kind == STEP_FAULT && step->on.to.endpoint != 0);
            }
        gate_release(&g);
    }
    for (size_t n = 0; n < COUNT_OF(words); n++)
        if (!seen[n])
            fail_msg("no fault.%s in 60 days", words[n]);
    assert_true(all && one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_game_day_is_drawn_by_its_seed),
        cmocka_unit_test(the_days_have_all_the_faults),
    };
    return cmocka_run_group_tests_name("simulate/day", tests, NULL, NULL);
}
