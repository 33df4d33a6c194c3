/* What breaks or aborts a run under the conductor, and what only looks as if it did. */

#include "engine/conductor_rig_test.h"

/* One agent misbehaves: the run ends as broken, says why, and all others are drained. */
static void run_broken(struct rig *r, const char *fake, const char *why)
{
    rig_init(r);
    setenv("FAKE", fake, 1);
    add_step(r, add_phase(r, "drags", PHASE_BY_CLOCK, 20 * NS_PER_S), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    uint64_t begin_ns = clock_now_ns();
    rig_run(r);
    assert_true(clock_now_ns() - begin_ns < 15 * NS_PER_S);
    assert_int_equal(r->outcome, ENGINE_BROKEN);
    if (strstr(r->err.text, why) == NULL)
        print_message("got: %s\n", r->err.text);
    assert_non_null(strstr(r->err.text, why));
    assert_non_null(strstr(r->read->end_how, "broken: "));
    rig_release(r);
}

static void an_agent_that_dies_breaks_the_run_by_name(void **state)
{
    struct rig r;
    (void)state;
    run_broken(&r, "dies", "the proxy agent of payments ended: killed by signal 9");
    assert_non_null(strstr(r.lines, "load DRAIN"));
    assert_non_null(strstr(r.lines, "stub DRAIN"));
    run_broken(&r, "exits", "the load agent ended: exit 3");
    run_broken(&r, "silent_exit", "the mesh agent of client ended: exit 0");
}

static void an_agent_that_talks_nonsense_breaks_the_run(void **state)
{
    struct rig r;
    (void)state;
    run_broken(&r, "nonsense", "DONE is not an object");
    run_broken(&r, "short_record", "request record of 3 bytes");
    run_broken(&r, "wrong_role", "the agent says that it is \"load\"");
    run_broken(&r, "few_addresses", "the mesh agent of client has 0 addresses");
}

static void a_port_in_use_is_named(void **state)
{
    struct rig r;
    (void)state;
    run_broken(&r, "port_taken", "127.0.0.1:18080: address in use");
}

static void records_that_did_not_come_are_lost_records(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "miscounts", 1);
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_int_equal(r.read->lost_count, 1);
    assert_int_equal(r.read->losts[0].r.count, 2);
    assert_int_equal(r.read->losts[0].r.kind, RECORD_REQUEST);
    rig_release(&r);
}

static void an_interrupt_disarms_at_once_and_drains_afterwards(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "interrupts", 1);
    add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 60 * NS_PER_S), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_trace(
        &r,
        "proxy ARM 1\nload START 0\nproxy ARM\nload DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    assert_string_equal(r.read->phases[0].why, "abort");
    assert_string_equal(r.read->end_how, "aborted: interrupted");
    rig_release(&r);
}

static void a_second_interrupt_skips_the_recovery(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "interrupts", 1);
    r.insist = true;
    add_phase(&r, "drags", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    uint64_t end_ns = r.read->phases[0].t1_ns, ended_ns = clock_now_ns();
    assert_true(ended_ns - end_ns < 2 * NS_PER_S); /* what the recovery alone would take */
    assert_string_equal(r.read->end_how, "aborted: interrupted");
    rig_release(&r);
}

static void the_deadline_aborts(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.deadline_ns = 300 * NS_PER_MS;
    add_phase(&r, "long", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_non_null(strstr(r.err.text, "deadline"));
    rig_release(&r);
}

static void a_silent_agent_breaks_the_run_by_name(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    setenv("FAKE", "hushes", 1);
    r.options.silence_ns = 900 * NS_PER_MS;
    add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 20 * NS_PER_S), STEP_FAULT, "abort",
             "payments/2", abort_keys);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_BROKEN);
    assert_string_equal(r.err.text, "the proxy agent of payments has said nothing for 900ms");
    assert_non_null(strstr(r.lines, "load DRAIN"));
    assert_int_equal(r.read->lost_count, 1); /* what it did not send, nobody may count on */
    rig_release(&r);
}

/* Whoever sends records but is late with the clock is alive, and so is who has no records to send.
 */
static void an_agent_that_is_slow_or_idle_is_not_silent(void **state)
{
    static const char *const fakes[] = {"mumbles", ""};
    struct rig r;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(fakes); i++) {
        rig_init(&r);
        setenv("FAKE", fakes[i], 1);
        r.options.silence_ns = 900 * NS_PER_MS;
        add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 2 * NS_PER_S), STEP_FAULT, "abort",
                 "payments/2", abort_keys);
        rig_run(&r);
        if (r.outcome != ENGINE_COMPLETE)
            fail_msg("\"%s\": %s", fakes[i], r.err.text);
        rig_release(&r);
    }
}

static void a_disk_that_is_nearly_full_aborts(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.disk_least_bytes = UINT64_MAX;
    add_phase(&r, "long", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_non_null(strstr(r.err.text, "run.db is on a disk with "));
    rig_release(&r);
}

static void a_stalled_loop_of_our_own_aborts(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.options.stall_most_ns = 500 * NS_PER_MS;
    r.block_ms = 700;
    add_phase(&r, "long", PHASE_BY_CLOCK, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_ABORTED);
    assert_non_null(strstr(r.err.text, "our own loop stalled for "));
    assert_string_equal(r.read->phases[0].why, "abort");
    rig_release(&r);
}

static bool wants_slowly(struct rig *r, uint32_t done)
{
    (void)r;
    poll(NULL, 0, 1500);
    return done == 0;
}

/* The judge works in our loop while the phases rest: that is no stall of the run. */
static void a_slow_judge_is_no_stall(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.wants = wants_slowly;
    r.options.stall_most_ns = NS_PER_S;
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    if (r.outcome != ENGINE_COMPLETE)
        fail_msg("%s", r.err.text);
    assert_int_equal(r.repeats_asked, 2); /* and nothing more is wanted */
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_that_dies_breaks_the_run_by_name),
        cmocka_unit_test(an_agent_that_talks_nonsense_breaks_the_run),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(records_that_did_not_come_are_lost_records),
        cmocka_unit_test(an_interrupt_disarms_at_once_and_drains_afterwards),
        cmocka_unit_test(a_second_interrupt_skips_the_recovery),
        cmocka_unit_test(the_deadline_aborts),
        cmocka_unit_test(a_silent_agent_breaks_the_run_by_name),
        cmocka_unit_test(an_agent_that_is_slow_or_idle_is_not_silent),
        cmocka_unit_test(a_disk_that_is_nearly_full_aborts),
        cmocka_unit_test(a_stalled_loop_of_our_own_aborts),
        cmocka_unit_test(a_slow_judge_is_no_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
