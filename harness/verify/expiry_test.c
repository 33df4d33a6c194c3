/* A fault whose ttl took it off before its time was over: what still needed it is not decided, and
 * says so. */

#include "verify/whole_fixture_test.h"

static const char *const storm[] = {"status", "503", NULL};
static const char *const storm_3s[] = {"status", "503", "ttl", "3s", NULL};
static const char *const mostly[] = {"atleast", "90%", NULL};

/* One phase of ten seconds with good traffic, a fault, and an expectation. */
static void windy(struct whole *w, const char *const *fault, const char *expectation,
                  const char *const *keys)
{
    struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
    whole_open(w, &edge, "http1");
    struct phase *phase = whole_phase(w, "windy", 0, 10 * S);
    if (fault != NULL)
        whole_step(w, phase, STEP_FAULT, "abort", "payments", fault);
    whole_step(w, phase, STEP_EXPECT, expectation, "client -> payments", keys);
    for (uint64_t t = 0; t < 20 * S; t += 50 * MS)
        whole_good(w, t, 2 * MS);
}

/* ${what}: 0 armed, 1 disarmed, 2 expired. */
static void tell(struct whole *w, uint32_t proc, uint64_t at_us, uint8_t what)
{
    struct fault_record r = {
        .at = WHOLE_T0 + at_us * NS_PER_US, .fault = 1, .what = what, .endpoint = 1};
    journal_add(w->j, proc, RECORD_FAULT, &r);
}

static void one_that_lived_as_long_as_it_was_to_changes_nothing(void **state)
{
    struct whole w;
    (void)state;
    windy(&w, storm, "success", mostly);
    tell(&w, WHOLE_PROXY, 1, 0);
    tell(&w, WHOLE_PROXY, 10 * S, 1);
    whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "");
}

static void what_speaks_of_the_whole_phase_is_open(void **state)
{
    struct whole w;
    (void)state;
    windy(&w, storm, "success", mostly);
    tell(&w, WHOLE_PROXY, 1, 0);
    tell(&w, WHOLE_PROXY, 3 * S, 2);
    whole_judge(&w);
    whole_is(
        &w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED,
        "fault expired: guard.limits ttl took fault.abort on payments off 7000 ms before it was to "
        "end (else: ");
    assert_non_null(strstr(whole_verdict(&w, "success")->needs,
                           "a guard.limits ttl that is at least 7s longer"));
    whole_close(&w);
}

/* Its author wrote how long it lives: a part of the phase is what was asked for. */
static void a_ttl_of_its_own_is_a_lifetime(void **state)
{
    struct whole w;
    (void)state;
    windy(&w, storm_3s, "success", mostly);
    tell(&w, WHOLE_PROXY, 3 * S, 2);
    whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "");
}

/* Of two faults: one by its own ttl, the other by the limit. */
static void a_lifetime_that_was_meant_hides_no_limit(void **state)
{
    struct whole w;
    (void)state;
    windy(&w, storm_3s, "success", mostly);
    whole_step(&w, &w.s->phases[0], STEP_FAULT, "latency", "payments",
               (const char *const[]){"add", "1ms", NULL});
    tell(&w, WHOLE_PROXY, 3 * S, 2);
    struct fault_record limited = {
        .at = WHOLE_T0 + 4 * NS_PER_S, .fault = 2, .what = 2, .endpoint = 1};
    journal_add(w.j, WHOLE_PROXY, RECORD_FAULT, &limited);
    whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED,
              "guard.limits ttl took fault.latency");
}

/* Faults are numbered in each scenario from 1: what expired before this one began was another's. */
static void one_of_another_scenario_is_nothing_to_it(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        struct whole w;
        windy(&w, NULL, "success", mostly);
        w.s->steps = ARENA_ARRAY(&w.plan->arena, struct step, 1);
        w.s->steps[w.s->step_count++] = step_make(w.plan, STEP_FAULT, "abort", "payments",
                                                  (struct source){"whole.lua", 9, 0}, storm);
        plan_number_faults(w.s);
        struct fault_record r = {.at = own == 1 ? WHOLE_T0 + NS_PER_S : WHOLE_T0 - NS_PER_S,
                                 .fault = 1,
                                 .what = 2,
                                 .endpoint = 1};
        journal_add(w.j, WHOLE_PROXY, RECORD_FAULT, &r);
        if (own == 1)
            whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED, "off 9000 ms before");
        else
            whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "");
    }
}

/* ... but what saw too little by then says why. */
static void what_counts_instances_says_why_it_saw_too_few(void **state)
{
    static const char *const most[] = {"only", "atmost", NULL};
    struct whole w;
    (void)state;
    windy(&w, storm_3s, "retries", most);
    whole_judge(&w);
    enum why why = whole_verdict(&w, "retry.max")->why;
    assert_true(why == WHY_TOO_FEW || why == WHY_NEVER_FIRED);
    whole_close(&w);
    windy(&w, storm_3s, "retries", most);
    tell(&w, WHOLE_PROXY, 3 * S, 2);
    whole_judge(&w);
    whole_is(&w, "retry.max", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED,
             "fault expired: its ttl took fault.abort on payments off 7000 ms before");
    assert_non_null(strstr(whole_verdict(&w, "retry.max")->needs, "a ttl that is at least 7s"));
    whole_close(&w);
}

static void what_failed_by_then_stands(void **state)
{
    struct whole w;
    (void)state;
    windy(&w, storm, "success", mostly);
    for (uint64_t t = 25 * MS; t < 10 * S; t += 50 * MS)
        whole_request(&w, t, t + MS, (struct request_record){.status = 503});
    tell(&w, WHOLE_PROXY, 3 * S, 2);
    whole_are(&w, "success", VERDICT_FAIL, WHY_NONE, "");
}

static void an_await_of_what_it_brings_is_open(void **state)
{
    static const char *const soon[] = {"within", "5s", NULL};
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct edge_policy edge = whole_policy(FLAVOUR_ENVOY, RETRY_CONNECT_FAILURE);
        struct whole w;
        whole_open(&w, &edge, "http1");
        struct phase *phase = whole_phase(&w, "windy", 0, 10 * S);
        phase->ends = PHASE_BY_AWAITS;
        whole_step(&w, phase, STEP_FAULT, "abort", "payments/2", storm_3s);
        whole_step(&w, phase, STEP_AWAIT, "ejected", "payments/2", soon);
        whole_good(&w, S, MS);
        journal_add_event(w.j, 1, WHOLE_T0 + 5 * NS_PER_S, "await",
                          json_pack("{s:s, s:s, s:b, s:I}", "word", "ejected", "on", "payments/2",
                                    "met", 0, "after_ns", (json_int_t)(5 * NS_PER_S)));
        tell(&w, WHOLE_PROXY, late == 1 ? 6 * S : 3 * S, 2);
        if (late == 1) /* when it went the await was over */
            whole_are(&w, "await.ejected", VERDICT_FAIL, WHY_NONE, "not ejected within 5000 ms");
        else
            whole_are(&w, "await.ejected", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED, "its ttl took");
    }
}

static void one_of_another_service_matters_where_requests_reach_it(void **state)
{
    (void)state;
    for (int calls = 0; calls < 2; calls++) {
        struct whole w;
        windy(&w, NULL, "success", mostly);
        whole_step(&w, &w.s->phases[0], STEP_FAULT, "abort", "ledger", storm);
        w.s->lab.service_count = 2;
        w.s->lab.services[1] = w.s->lab.services[0];
        w.s->lab.services[1].name = "ledger";
        w.s->lab.services[0].calls = ARENA_ARRAY(&w.plan->arena, struct call_plan, 1);
        w.s->lab.services[0].calls[0] = (struct call_plan){.to = "ledger",
                                                           .method = "GET",
                                                           .path = "/",
                                                           .timeout_ns = NS_PER_S,
                                                           .share_ppm = 1000000};
        w.s->lab.services[0].call_count = (size_t)calls;
        tell(&w, WHOLE_PROXY, 3 * S, 2);
        whole_judge(&w);
        if (calls == 1)
            whole_is(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED,
                     "fault.abort on ledger off");
        else
            whole_is(&w, "success", VERDICT_PASS, WHY_NONE, "");
        whole_close(&w);
    }
}

static void one_that_was_to_be_carried_on_is_missed_in_the_next_phase(void **state)
{
    static const char *const carried[] = {"status", "503", "to_end_of", "next", NULL};
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct whole w;
        windy(&w, on == 1 ? carried : storm, "retries", NULL);
        struct phase *next = whole_phase(&w, "next", 10 * S, 20 * S);
        whole_step(&w, next, STEP_EXPECT, "success", "client -> payments", mostly);
        tell(&w, WHOLE_PROXY, 3 * S, 2);
        if (on == 1)
            whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED, "off 17.0 s before");
        else
            whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "");
    }
}

static void within_a_during_it_was_to_end_with_that(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        struct whole w;
        windy(&w, NULL, "success", mostly);
        struct phase *phase = &w.s->phases[0];
        struct step *during = whole_step(&w, phase, STEP_DURING, "during", NULL, NULL);
        during->from_ns = NS_PER_S;
        during->to_ns = 4 * NS_PER_S;
        during->steps = ARENA_ARRAY(&w.plan->arena, struct step, 1);
        during->steps[0] =
            step_make(w.plan, STEP_FAULT, "abort", "payments", during->source, storm);
        during->step_count = 1;
        plan_number_faults(w.s);
        tell(&w, WHOLE_PROXY, early == 1 ? 3 * S : 4 * S, 2);
        if (early == 1)
            whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED, "off 1000 ms before");
        else
            whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "");
    }
}

/* The conductor tells it of the world's faults; a control's own tells nothing of the subject. */
static void it_is_told_by_its_own_arm_or_by_the_conductor(void **state)
{
    (void)state;
    for (int conductor = 0; conductor < 2; conductor++) {
        struct whole w;
        windy(&w, storm, "success", mostly);
        journal_add_proc(w.j, 3, conductor == 1 ? "conductor" : "proxy",
                         conductor == 1 ? "" : "right", "");
        tell(&w, 3, 3 * S, 2);
        if (conductor == 1)
            whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED, "guard.limits ttl");
        else
            whole_are(&w, "success", VERDICT_PASS, WHY_NONE, "");
    }
}

/* In the repetition it is carried on to the end of the next phase's repetition. */
static void one_that_was_carried_on_in_a_repetition_is_missed_there(void **state)
{
    static const char *const carried[] = {"status", "503", "to_end_of", "next", NULL};
    struct whole w;
    (void)state;
    windy(&w, carried, "retries", NULL);
    struct phase *next = whole_phase(&w, "next", 10 * S, 11 * S);
    whole_step(&w, next, STEP_EXPECT, "success", "client -> payments", mostly);
    for (int i = 0; i < 2; i++)
        journal_add_phase(
            w.j, &(struct journal_phase){.phase = 7 + (uint32_t)i,
                                         .arm = "subject",
                                         .name = i == 0 ? "windy (again)" : "next (again)",
                                         .why = "clock",
                                         .t0_ns = WHOLE_T0 + (20 + 10 * (uint64_t)i) * NS_PER_S,
                                         .t1_ns = WHOLE_T0 + (30 + 10 * (uint64_t)i) * NS_PER_S});
    for (uint64_t t = 30 * S; t < 40 * S; t += 50 * MS)
        whole_good(&w, t, 2 * MS);
    whole_judge(&w);
    whole_is(&w, "success", VERDICT_PASS, WHY_NONE, "in the repeated phase");
    judgement_free(w.judgement);
    json_decref(w.j->plan);
    json_decref(w.j->policy);
    tell(&w, WHOLE_PROXY, 23 * S, 2);
    whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "20 of 100");
}

/* A pause in a `during` makes it end later by the clock. */
static void a_during_that_was_paused_ends_later(void **state)
{
    struct whole w;
    (void)state;
    windy(&w, NULL, "success", mostly);
    struct phase *phase = &w.s->phases[0];
    struct step *during = whole_step(&w, phase, STEP_DURING, "during", NULL, NULL);
    during->to_ns = 8 * NS_PER_S;
    during->steps = ARENA_ARRAY(&w.plan->arena, struct step, 1);
    during->steps[0] = step_make(w.plan, STEP_FAULT, "abort", "payments", during->source, storm);
    during->step_count = 1;
    plan_number_faults(w.s);
    w.j->phases[0].why = "pause";
    w.j->phases[0].t1_ns = WHOLE_T0 + 6 * NS_PER_S;
    journal_add_phase(w.j, &(struct journal_phase){.phase = 7,
                                                   .arm = "subject",
                                                   .name = "windy (resumed)",
                                                   .why = "clock",
                                                   .t0_ns = WHOLE_T0 + 10 * NS_PER_S,
                                                   .t1_ns = WHOLE_T0 + 14 * NS_PER_S});
    tell(&w, WHOLE_PROXY, 11 * S, 2);
    whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED, "off 1000 ms before");
}

/* In the rest of a paused phase it does not come back. */
static void after_a_pause_the_phase_ends_with_its_last_part(void **state)
{
    struct whole w;
    (void)state;
    windy(&w, storm, "success", mostly);
    w.j->phases[0].why = "pause";
    w.j->phases[0].t1_ns = WHOLE_T0 + 6 * NS_PER_S;
    journal_add_phase(w.j, &(struct journal_phase){.phase = 7,
                                                   .arm = "subject",
                                                   .name = "windy (resumed)",
                                                   .why = "clock",
                                                   .t0_ns = WHOLE_T0 + 10 * NS_PER_S,
                                                   .t1_ns = WHOLE_T0 + 18 * NS_PER_S});
    tell(&w, WHOLE_PROXY, 13 * S, 2);
    whole_are(&w, "success", VERDICT_INCONCLUSIVE, WHY_FAULT_EXPIRED, "off 5000 ms before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_lived_as_long_as_it_was_to_changes_nothing),
        cmocka_unit_test(what_speaks_of_the_whole_phase_is_open),
        cmocka_unit_test(a_ttl_of_its_own_is_a_lifetime),
        cmocka_unit_test(a_lifetime_that_was_meant_hides_no_limit),
        cmocka_unit_test(one_of_another_scenario_is_nothing_to_it),
        cmocka_unit_test(what_counts_instances_says_why_it_saw_too_few),
        cmocka_unit_test(what_failed_by_then_stands),
        cmocka_unit_test(an_await_of_what_it_brings_is_open),
        cmocka_unit_test(one_of_another_service_matters_where_requests_reach_it),
        cmocka_unit_test(one_that_was_to_be_carried_on_is_missed_in_the_next_phase),
        cmocka_unit_test(within_a_during_it_was_to_end_with_that),
        cmocka_unit_test(it_is_told_by_its_own_arm_or_by_the_conductor),
        cmocka_unit_test(one_that_was_carried_on_in_a_repetition_is_missed_there),
        cmocka_unit_test(a_during_that_was_paused_ends_later),
        cmocka_unit_test(after_a_pause_the_phase_ends_with_its_last_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
