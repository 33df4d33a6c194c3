#include "simulate/rig.h"
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
    for (uint64_t i = 1; i <= 13; i++) {
        /* the last: one fault that kills an endpoint outlives another that is carried on, too */
        uint64_t seed = i <= 12 ? i : 0xac1c734a5663dab2;
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

/* A fault with a share meets some requests, with all their tries; one with times stops. */
static void what_the_keys_say_is_played(void **state)
{
    struct rigs r = {.count = 1};
    struct step step = {.fault = 3};
    size_t drawn = 0;
    (void)state;
    r.at[0] = (struct rig){
        .kind = RIG_STATUS, .step = &step, .host = UINT32_MAX, .to_ns = 9, .share_ppm = 300000};
    for (uint64_t id = 0; id < 10000; id++) {
        size_t nth = 0, again = 0;
        struct rig_try first = {.id = id, .k = 1}, second = {.id = id, .host = 2, .k = 2};
        const struct rig *met = rigs_find(&r, &nth, &first, 5);
        assert_ptr_equal(met, rigs_find(&r, &again, &second, 5));
        drawn += met != NULL;
    }
    assert_true(drawn > 2800 && drawn < 3200); /* 3000, sigma 46; the ids are always the same */
    r.at[0].share_ppm = 1000000;
    r.at[0].times = 2;
    for (size_t i = 0; i < 3; i++) {
        size_t nth = 0;
        const struct rig *met = rigs_find(&r, &nth, &(struct rig_try){.k = 1}, 5);
        assert_true((met != NULL) == (i < 2));
        if (met != NULL)
            rigs_fire(&r, met);
    }
}

/* Over some days every fault that the simulator plays is drawn, on all endpoints and on one. */
static void the_days_have_all_the_faults(void **state)
{
    static const char *const words[] = {"latency", "blackhole", "malformed",
                                        "reset",   "abort",     "refuse"};
    static const char *const keys[] = {"share", "times", "streak", "to_end_of", "first", "match"};
    bool seen[COUNT_OF(words)] = {0}, with[COUNT_OF(keys)] = {0}, all = false, one = false;
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
                for (size_t n = 0; n < COUNT_OF(keys) && step->kind == STEP_FAULT; n++)
                    with[n] = with[n] || json_object_get(step->keys, keys[n]) != NULL;
                all = all || (step->kind == STEP_FAULT && step->on.to.endpoint == 0);
                one = one || (step->kind == STEP_FAULT && step->on.to.endpoint != 0);
            }
        gate_release(&g);
    }
    for (size_t n = 0; n < COUNT_OF(words); n++)
        if (!seen[n])
            fail_msg("no fault.%s in 60 days", words[n]);
    for (size_t n = 0; n < COUNT_OF(keys); n++)
        if (!with[n])
            fail_msg("no %s in 60 days", keys[n]);
    assert_true(all && one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_game_day_is_drawn_by_its_seed),
        cmocka_unit_test(what_the_keys_say_is_played),
        cmocka_unit_test(the_days_have_all_the_faults),
    };
    return cmocka_run_group_tests_name("simulate/day", tests, NULL, NULL);
}
