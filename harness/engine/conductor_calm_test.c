/* The calm request: each edge of a load must answer one before the first fault, or nothing is done
 * (scenario-language.md 2, rule 1). */

#include "engine/conductor_rig_test.h"

static void rig_storm(struct rig *r, const char *fake)
{
    rig_init(r);
    setenv("FAKE", fake, 1);
    r->options.calm_ns = 600 * NS_PER_MS;
    add_step(r, add_phase(r, "storm", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_FAULT, "abort",
             "payments/2", abort_keys);
}

static void assert_begins(const struct rig *r, const char *with)
{
    if (strncmp(r->lines, with, strlen(with)) != 0)
        fail_msg("%s", r->lines);
}

static void no_phase_begins_where_it_is_not_answered_well(void **state)
{
    struct rig r;
    (void)state;
    rig_storm(&r, "restless");
    r.plan->scenarios[0].loads[0].source = (struct source){.file = "s.lua", .line = 7};
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_BROKEN);
    assert_int_equal(r.read->phase_count, 0);
    assert_int_equal(count_events(&r, "fault_armed"), 0);
    assert_null(strstr(r.lines, "ARM"));
    assert_null(strstr(r.lines, "START"));
    assert_int_equal(r.err.source.line, 7);
    assert_non_null(
        strstr(r.err.text, "the calm request on client -> payments was answered 503, "));
    assert_non_null(strstr(r.err.text, " times one after the other before the first fault: nothing "
                                       "was done"));
    assert_non_null(strstr(r.told, "calm: client -> payments is not answered well yet"));
    rig_release(&r);
}

static void it_is_sent_again_while_a_mesh_comes_up(void **state)
{
    struct rig r;
    (void)state;
    rig_storm(&r, "wakes");
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_begins(&r, "load CALM\nload CALM\nload CALM\nproxy ARM 1\n");
    assert_int_equal(r.read->phase_count, 1);
    rig_release(&r);
}

/* A service that is declared to answer so is calm. */
static void a_declared_status_is_an_answer(void **state)
{
    struct rig r;
    (void)state;
    rig_storm(&r, "restless");
    r.plan->scenarios[0].lab.services[0].status = 503;
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_begins(&r, "load CALM\nproxy ARM 1\n");
    rig_release(&r);
}

static void a_control_is_not_asked(void **state)
{
    struct rig r;
    (void)state;
    rig_storm(&r, "restless");
    r.walk.arm = "right";
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_null(strstr(r.lines, "CALM"));
    rig_release(&r);
}

static void a_mesh_that_is_wrong_on_purpose_is_not_asked(void **state)
{
    struct rig r;
    (void)state;
    rig_storm(&r, "restless");
    r.walk.uncalm = true;
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_null(strstr(r.lines, "CALM"));
    assert_int_equal(r.read->phase_count, 1);
    rig_release(&r);
}

static void an_abort_meanwhile_is_heard(void **state)
{
    struct rig r;
    (void)state;
    rig_storm(&r, "restless");
    r.options.calm_ns = 600 * NS_PER_S;
    r.options.deadline_ns = 500 * NS_PER_MS;
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_null(strstr(r.lines, "ARM"));
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_phase_begins_where_it_is_not_answered_well),
        cmocka_unit_test(it_is_sent_again_while_a_mesh_comes_up),
        cmocka_unit_test(a_declared_status_is_an_answer),
        cmocka_unit_test(a_control_is_not_asked),
        cmocka_unit_test(a_mesh_that_is_wrong_on_purpose_is_not_asked),
        cmocka_unit_test(an_abort_meanwhile_is_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
