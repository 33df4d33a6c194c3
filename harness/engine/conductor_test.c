/* The conductor's walk: phases, their faults and awaits, and their repetition. */

#include "engine/conductor_rig_test.h"

static void faults_are_armed_before_load_and_disarmed_at_the_end(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    struct step *fault = add_step(&r, add_phase(&r, "drags", PHASE_BY_CLOCK, 80 * NS_PER_MS),
                                  STEP_FAULT, "abort", "payments/2", abort_keys);
    json_object_set_new(fault->keys, "match", json_pack("{ss}", "method", "GET"));
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_trace(&r, "load START 0\nload STOP\nproxy ARM 1\nload START 1\nproxy ARM\n"
                     "load DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    assert_int_equal(r.read->phase_count, 2);
    assert_string_equal(r.read->phases[1].name, "drags");
    assert_string_equal(r.read->phases[1].why, "clock");
    assert_true(r.read->phases[1].t0_ns >= r.read->phases[0].t1_ns);
    assert_true(r.read->phases[1].t1_ns - r.read->phases[1].t0_ns >= 80 * NS_PER_MS);
    assert_string_equal(r.read->end_how, "complete");
    assert_int_equal(r.read->request_count, 11); /* the calm one too */
    assert_int_equal(r.read->attempt_count, 3);
    assert_int_equal(r.read->lost_count, 0);
    assert_int_equal(count_events(&r, "fault_armed"), 1);
    assert_int_equal(count_events(&r, "fault_disarmed"), 1);
    assert_non_null(
        strstr(r.told, "fault.first: abort 503 for requests with method GET on payments/2"));
    rig_release(&r);
}

/* The loads hear of a new phase after it has begun. */
static void what_a_load_sends_before_it_is_told_lies_in_no_phase(void **state)
{
    struct rig r;
    size_t sent[2] = {0, 0};
    (void)state;
    rig_init(&r);
    setenv("FAKE", "lags", 1);
    r.plan->scenarios[0].settle_ns = 5 * NS_PER_MS;
    add_phase(&r, "first", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    add_phase(&r, "second", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    for (size_t i = 0; i < r.read->request_count; i++)
        for (size_t k = 0; k < COUNT_OF(sent); k++)
            sent[k] += r.read->requests[i].r.due >= r.read->phases[k].t0_ns &&
                       r.read->requests[i].r.due < r.read->phases[k].t1_ns;
    assert_int_equal(r.read->request_count, 1 + 5 + 1 + 5); /* calm, first, lag, second */
    assert_int_equal(sent[0], 5);
    assert_int_equal(sent[1], 5);
    rig_release(&r);
}

static void a_decided_phase_ends_with_its_load(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    add_phase(&r, "one by one", PHASE_DECIDED, 60 * NS_PER_S);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_string_equal(r.read->phases[0].why, "decided");
    rig_release(&r);
}

static void an_await_ends_its_phase_and_a_late_one_too(void **state)
{
    static const char *const firings[] = {
        "fault", "abort payments/2", "times", "3", "within", "30s", NULL};
    static const char *const never[] = {"within", "100ms", NULL};
    struct rig r;
    (void)state;
    rig_init(&r);
    struct phase *p = add_phase(&r, "fires", PHASE_BY_AWAITS, 0);
    add_step(&r, p, STEP_FAULT, "abort", "payments/2",
             (const char *const[]){"status", "503", "name", "abort payments/2", NULL});
    add_step(&r, p, STEP_AWAIT, "fired", NULL, firings);
    add_step(&r, add_phase(&r, "never", PHASE_BY_AWAITS, 0), STEP_AWAIT, "ejected", "payments/2",
             never);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_string_equal(r.read->phases[0].why, "event");
    assert_string_equal(r.read->phases[1].why, "late");
    assert_int_equal(count_events(&r, "await"), 2);
    rig_release(&r);
}

static void during_arms_and_disarms_within_the_phase(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    struct phase *p = add_phase(&r, "steps", PHASE_BY_CLOCK, 300 * NS_PER_MS);
    struct step *d = add_step(&r, p, STEP_DURING, "during", NULL, NULL);
    d->from_ns = 100 * NS_PER_MS;
    d->to_ns = 200 * NS_PER_MS;
    d->steps = ARENA_ARRAY(&r.plan->arena, struct step, 1);
    d->steps[0] = step_make(r.plan, STEP_FAULT, "abort", "payments", d->source, abort_keys);
    d->step_count = 1;
    rig_run(&r);
    assert_trace(
        &r,
        "load START 0\nproxy ARM 1\nproxy ARM\nload DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    rig_release(&r);
}

static void to_end_of_carries_a_fault_over(void **state)
{
    static const char *const keys[] = {"status", "503", "to_end_of", "second", NULL};
    struct rig r;
    (void)state;
    rig_init(&r);
    add_step(&r, add_phase(&r, "first", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_FAULT, "abort",
             "payments", keys);
    add_phase(&r, "second", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    add_phase(&r, "third", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_trace(
        &r,
        "proxy ARM 1\nload START 0\nload STOP\nload START 1\nproxy ARM\nload STOP\nload START 2\n"
        "load DRAIN\nmesh DRAIN\nproxy DRAIN\nstub DRAIN\n");
    rig_release(&r);
}

static void drawn_endpoints_depend_on_the_seed_alone(void **state)
{
    json_t *drawn[2];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(drawn); i++) {
        struct rig r;
        rig_init(&r);
        add_step(&r, add_phase(&r, "any", PHASE_BY_CLOCK, 50 * NS_PER_MS), STEP_FAULT, "abort",
                 "payments/any", abort_keys);
        rig_run(&r);
        drawn[i] = NULL;
        for (size_t k = 0; k < r.read->event_count; k++)
            if (strcmp(r.read->events[k].what, "fault_armed") == 0)
                drawn[i] = json_deep_copy(json_object_get(r.read->events[k].json, "endpoints"));
        assert_int_equal(json_array_size(drawn[i]), 1);
        rig_release(&r);
    }
    assert_true(json_equal(drawn[0], drawn[1]));
    json_decref(drawn[0]);
    json_decref(drawn[1]);
}

static bool wants_two_more(struct rig *r, uint32_t done)
{
    struct journal *read;
    struct error err = {0};
    assert_true(
        journal_open(r->journal, &read, &err)); /* it is committed and can be read meanwhile */
    assert_int_equal(read->request_count, 1 + 5 * (done + 1)); /* the calm one too */
    journal_free(read);
    return done < 2;
}

static void a_phase_is_repeated_while_it_is_asked_for(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.wants = wants_two_more;
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_int_equal(r.repeats_asked, 3);
    assert_int_equal(r.read->phase_count, 3);
    assert_string_equal(r.read->phases[1].name, "calm (again)");
    assert_string_equal(r.read->phases[2].name, "calm (again, 2)");
    assert_int_equal(r.read->phases[1].ordinal, 0);
    assert_int_equal(r.read->phases[2].ordinal, 0);
    rig_release(&r);
}

static bool wants_an_hour(struct rig *r, uint32_t done)
{
    r->plan->scenarios[0].phases[0].lasting_ns = done == 0 ? 50 * NS_PER_MS : 3600 * NS_PER_S;
    return true;
}

static void what_would_pass_the_deadline_is_not_begun_a_second_time(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.wants = wants_an_hour;
    r.options.deadline_ns = 60 * NS_PER_S;
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_int_equal(r.repeats_asked, 2);
    assert_int_equal(r.read->phase_count, 2);
    rig_release(&r);
}

/* A phase has its own; nothing at all is a value too. */
static void a_phase_settles_as_it_says_and_not_as_its_scenario_does(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    r.plan->scenarios[0].settle_ns = 600 * NS_PER_S;
    add_phase(&r, "at once", PHASE_BY_CLOCK, 50 * NS_PER_MS)->settle_ns = 0;
    add_phase(&r, "a little", PHASE_BY_CLOCK, 50 * NS_PER_MS)->settle_ns = 300 * NS_PER_MS;
    add_phase(&r, "last", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    r.options.deadline_ns = 30 * NS_PER_S;
    rig_run(&r);
    assert_int_equal(r.outcome, ENGINE_COMPLETE);
    assert_true(r.read->phases[2].t0_ns >= r.read->phases[1].t1_ns + 300 * NS_PER_MS);
    rig_release(&r);
}

static void what_cannot_be_walked_starts_nothing(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r);
    add_phase(&r, "calm", PHASE_BY_CLOCK, 50 * NS_PER_MS);
    r.edge.to = "orders";
    r.options.cookie = &r;
    assert_false(engine_run(r.plan, &r.walk, 1, &r.options, &r.outcome, &r.err));
    assert_string_equal(r.err.text, "the mesh has no edge \"client -> payments\"");
    assert_int_equal(access(r.trace, F_OK), -1);
    rig_release(&r);
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "agent") == 0)
        return fake_main(argv[2], (int)strtol(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_armed_before_load_and_disarmed_at_the_end),
        cmocka_unit_test(what_a_load_sends_before_it_is_told_lies_in_no_phase),
        cmocka_unit_test(a_decided_phase_ends_with_its_load),
        cmocka_unit_test(an_await_ends_its_phase_and_a_late_one_too),
        cmocka_unit_test(during_arms_and_disarms_within_the_phase),
        cmocka_unit_test(to_end_of_carries_a_fault_over),
        cmocka_unit_test(drawn_endpoints_depend_on_the_seed_alone),
        cmocka_unit_test(a_phase_is_repeated_while_it_is_asked_for),
        cmocka_unit_test(what_would_pass_the_deadline_is_not_begun_a_second_time),
        cmocka_unit_test(a_phase_settles_as_it_says_and_not_as_its_scenario_does),
        cmocka_unit_test(what_cannot_be_walked_starts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
