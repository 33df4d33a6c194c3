/* Bounds of probes carry the unit of what is probed; limits fall back, tighten and widen. */

#include "plan/probe.h"

#include "base/clock.h"
#include "plan/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void a_bound_has_the_unit_of_its_probe(void **state)
{
    static const struct {
        const char *value, *text;
        double bound; /* below 0: refused */
    } rows[] = {
        {"errors", "25%", 0.25}, {"errors", "5", -1}, {"p99", "950ms", 950e6}, {"p99", "25%", -1},
        {"rate", "20/s", 20},    {"rate", "20", -1},  {NULL, "4.5", 4.5},      {NULL, "5%", -1},
        {NULL, "nan", -1},       {NULL, "-1", -1},    {NULL, "inf", -1},       {NULL, "", -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = {0};
        double bound = 0;
        struct probe_plan p = {.kind = rows[i].value != NULL ? PROBE_CLIENT : PROBE_HTTP,
                               .value = rows[i].value};
        assert_int_equal(probe_bound(&p, rows[i].text, &bound, &err), rows[i].bound >= 0);
        if (rows[i].bound >= 0)
            assert_true(bound == rows[i].bound);
        else
            assert_non_null(strstr(err.text, "it must be a"));
    }
}

/* In an expectation and an await they say what is wanted: strictly. */
static void above_and_below_say_what_is_wanted(void **state)
{
    struct probe_plan p = {.kind = PROBE_HTTP};
    (void)state;
    json_t *keys = json_pack("{si ss}", "above", 5, "below", "7.5");
    assert_true(probe_check_bounds(&p, keys, NULL));
    assert_true(probe_wanted(&p, keys, 6) && probe_wanted(&p, keys, 7.4));
    assert_false(probe_wanted(&p, keys, 5) || probe_wanted(&p, keys, 7.5));
    json_decref(keys);
    struct error err = {0};
    keys = json_object();
    assert_false(probe_check_bounds(&p, keys, &err));
    assert_string_equal(err.text, "needs above or below");
    json_decref(keys);
}

static void of_several_limits_the_tightest_holds(void **state)
{
    struct guard_plan guards[] = {
        {.kind = GUARD_LIMITS, .endpoints = "50%", .ttl_ns = 60 * NS_PER_S, .keep = 1},
        {.kind = GUARD_LIMITS, .endpoints = "34%", .ttl_ns = 90 * NS_PER_S}};
    struct scenario s = {.guards = guards, .guard_count = 2};
    struct limits l;
    (void)state;
    limits_of(&s, &l);
    assert_string_equal(l.endpoints, "34%");
    assert_int_equal(l.ttl_ns, 60 * NS_PER_S);
    assert_int_equal(l.delay_ns, 30 * NS_PER_S);
    assert_int_equal(l.share_ppm, 1000000);
    assert_int_equal(limits_endpoints(&l, 9), 3);
    assert_int_equal(limits_endpoints(&l, 2), 1);
    assert_int_equal(limits_endpoints(&l, 1), 0); /* keep 1 */
    s.guard_count = 0;
    limits_of(&s, &l);
    assert_int_equal(limits_endpoints(&l, 9), 9);
}

/* The author of a policy wrote none of the generated rows; one who writes guard.limits is obeyed.
 */
static void a_generated_scenario_has_what_its_rows_need(void **state)
{
    struct plan *p = plan_new();
    struct source nowhere = {0};
    const char *keys[] = {"add", "45s", NULL};
    struct step slow = step_make(p, STEP_FAULT, "latency", "b", nowhere, keys);
    struct phase phase = {
        .name = "p", .atmost_ns = 20 * 60 * NS_PER_S, .steps = &slow, .step_count = 1};
    struct guard_plan guard = {.kind = GUARD_LIMITS, .keep = 1};
    struct scenario s = {.phases = &phase, .phase_count = 1, .from_policy = true};
    struct limits l;
    struct text raised;
    (void)state;
    text_init(&raised, 1024);
    limits_of(&s, &l);
    assert_int_equal(l.delay_ns, 45 * NS_PER_S);
    assert_int_equal(l.ttl_ns, phase.atmost_ns);
    limits_print_raised(&s, &raised);
    assert_string_equal(text_get(&raised), "  RAISED delay 45s (default 30s)\n"
                                           "  RAISED ttl 20m (default 15m)\n");
    s.guards = &guard;
    s.guard_count = 1;
    limits_of(&s, &l);
    assert_int_equal(l.delay_ns, 30 * NS_PER_S);
    text_release(&raised);
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bound_has_the_unit_of_its_probe),
        cmocka_unit_test(above_and_below_say_what_is_wanted),
        cmocka_unit_test(of_several_limits_the_tightest_holds),
        cmocka_unit_test(a_generated_scenario_has_what_its_rows_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
