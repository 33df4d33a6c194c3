/* What the judge makes of runs that are cut, lossy, starved, repeated or controlled. */

#include "verify/hearing_fixture_test.h"

static void a_run_without_an_end_decides_nothing(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 1);
    sim_run(&s);
    s.j->end_how = NULL;
    struct judgement *g = judged(&s);
    assert_int_equal(g->pass + g->fail, 0);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED, "the run did not end");
    judgement_free(g);
    struct judge_options partial = {.partial = true};
    g = judged_with(&s, &partial);
    assert_int_equal(g->outcome, VERDICT_PASS);
    judgement_free(g);
    sim_close(&s);
}

static void lost_records_leave_only_witnesses(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 2);
    s.mesh.retries++;
    sim_run(&s);
    struct lost_record lost = {.at = SIM_T0 + 3 * NS_PER_S,
                               .to = SIM_T0 + 4 * NS_PER_S,
                               .count = 12,
                               .kind = RECORD_ATTEMPT};
    journal_add(s.j, SIM_PROXY, RECORD_LOST, &lost);
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_FAIL, WHY_NONE, "4 retries");
    is(g, "retry.only", VERDICT_INCONCLUSIVE, WHY_LOST, "lost 12 records");
    assert_int_equal(g->lost_records, 12);
    judgement_free(g);
    sim_close(&s);
}

static void a_phase_that_was_cut_short_decides_nothing_but_by_witness(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 3);
    s.mesh.retries_too = 400;
    sim_run(&s);
    s.j->end_how = "aborted: guard";
    for (size_t i = 0; i < s.j->phase_count; i++)
        if (strcmp(s.j->phases[i].name, "mixed") == 0)
            s.j->phases[i].why = "abort";
    struct judgement *g = judged(&s);
    is(g, "retry.only", VERDICT_FAIL, WHY_NONE, "were retried (400)");
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED, "cut short");
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED, "cut short");
    judgement_free(g);
    sim_close(&s);
}

static void a_phase_that_did_not_run_says_so(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 4);
    sim_phase(&s, 0, "");
    s.j->end_how = "aborted: operator";
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_NOT_ENDED, "did not run");
    assert_int_equal(g->pass, 0);
    judgement_free(g);
    sim_close(&s);
}

static void a_starved_machine_leaves_timing_open_and_witnesses_standing(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 5);
    s.mesh.retries_too = 404;
    s.mesh.p_ns = s.mesh.p_ns * 6 / 5;
    sim_run(&s);
    for (int i = 0; i < 400; i++) {
        struct stall_record r = {.at = SIM_T0 + (uint64_t)i * 100 * NS_PER_MS,
                                 .fired = 20 * NS_PER_MS};
        journal_add(s.j, SIM_PROXY, RECORD_STALL, &r);
    }
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_STALLED, "the machine was starved");
    is(g, "backoff.law", VERDICT_INCONCLUSIVE, WHY_STALLED, "the machine was starved");
    is(g, "retry.only", VERDICT_FAIL, WHY_NONE, "404");
    judgement_free(g);
    sim_close(&s);
}

static void too_few_instances_say_how_many_more_and_how_long(void **state)
{
    struct sim s;
    struct judge_options strict = {.strict = true};
    (void)state;
    right(&s, 6);
    sim_run(&s);
    struct judgement *g = judged_with(&s, &strict);
    is(g, "retry.started", VERDICT_INCONCLUSIVE, WHY_TOO_FEW,
       "only 10 of 66 answers cut after their head");
    assert_non_null(strstr(sim_verdict(g, "retry.started")->verdict.needs, "56 more"));
    is(g, "timeout.request", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "of 66");
    judgement_free(g);
    sim_close(&s);
}

static void a_fault_that_never_fired_is_named_as_that(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 7);
    s.s->phases[ordinal_of(&s, "mixed")].step_count =
        0; /* the mesh's side only: the journal's plan is saved */
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "retry.must", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "never fired");
    is(g, "retry.only", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    bool found = false;
    for (size_t i = 0; i < g->fault_count; i++)
        found = found || (strcmp(g->faults[i].text, "abort 503 for requests tagged f1:503") == 0 &&
                          g->faults[i].fired == 0);
    assert_true(found);
    judgement_free(g);
    sim_close(&s);
}

static void a_fault_that_fired_is_counted_with_what_the_guard_withheld(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 8);
    sim_run(&s);
    struct judgement *g = judged(&s);
    uint64_t fired = 0;
    for (size_t i = 0; i < g->fault_count; i++)
        if (strcmp(g->faults[i].text, "abort 400 for requests tagged all:400") == 0)
            fired += g->faults[i].fired;
    assert_int_equal(fired, 6);
    judgement_free(g);
    /* Another fault ended those tries: this one fired on them all the same. */
    uint64_t ended = 0;
    for (size_t i = 0; i < s.j->attempt_count; i++) {
        struct attempt_record *r = &s.j->attempts[i].r;
        if (r->fault != 0 && r->status == 400) {
            r->fired |= UINT32_C(1) << (r->fault % 32);
            r->fault++;
            ended++;
        }
    }
    assert_true(ended > 0);
    g = judged(&s);
    uint64_t again = 0;
    for (size_t i = 0; i < g->fault_count; i++)
        if (strcmp(g->faults[i].text, "abort 400 for requests tagged all:400") == 0)
            again += g->faults[i].fired;
    assert_int_equal(again, fired);
    judgement_free(g);
    sim_close(&s);
}

/* Which endpoint of a place was drawn is what a reader looks for first. */
static void a_fault_is_told_as_it_was_armed(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 8);
    sim_run(&s);
    struct judgement *g = judged(&s);
    const struct judged_fault *f = &g->faults[0];
    assert_memory_equal(f->where, f->on, strlen(f->on));
    assert_null(strstr(f->where, "drawn")); /* nothing was told of it */
    const struct journal_phase *p = &s.j->phases[0];
    for (size_t i = 0; i < s.j->phase_count; i++)
        if (s.j->phases[i].ordinal == f->ordinal && strcmp(s.j->phases[i].arm, "subject") == 0)
            p = &s.j->phases[i];
    journal_add_event(s.j, p->phase, p->t0_ns, "fault_armed",
                      json_pack("{s:i, s:[i], s:s}", "fault", f->fault, "endpoints", 2, "text",
                                "abort 503, as it is printed"));
    char where[80], text[120];
    snprintf(where, sizeof(where), "%s/2 (drawn for %s)", f->on, f->on);
    snprintf(text, sizeof(text), "abort 503, as it is printed%s",
             strstr(f->text, " for requests "));
    judgement_free(g);
    g = judged(&s);
    assert_memory_equal(g->faults[0].where, where, strlen(where));
    assert_string_equal(g->faults[0].text, text);
    judgement_free(g);
    sim_close(&s);
}

static void a_fault_on_handshakes_has_fired_without_a_try(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 8);
    sim_run(&s);
    struct judgement *g = judged(&s);
    const struct judged_fault *f = &g->faults[0];
    for (size_t i = 0; i < g->fault_count; i++)
        if (strcmp(g->faults[i].text, "abort 400 for requests tagged all:400") == 0)
            f = &g->faults[i];
    uint64_t before = f->fired;
    uint16_t number = f->fault;
    const struct journal_phase *p = &s.j->phases[0];
    for (size_t i = 0; i < s.j->phase_count; i++)
        if (s.j->phases[i].ordinal == f->ordinal)
            p = &s.j->phases[i];
    struct handshake_record rows[] = {
        {.at = p->t0_ns + 1, .fault = number, .result = HANDSHAKE_REFUSED_BY_PEER},
        {.at = p->t0_ns + 2, .fault = number, .result = HANDSHAKE_ENDED_BY_FAULT},
        {.at = p->t0_ns + 3, .fault = number, .flags = HANDSHAKE_PASSED_THROUGH},
        {.at = p->t0_ns + 4, .fault = (uint16_t)(number + 1)},
        {.at = p->t1_ns, .fault = number},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        journal_add(s.j, SIM_PROXY, RECORD_HANDSHAKE, &rows[i]);
    judgement_free(g);
    g = judged(&s);
    for (size_t i = 0; i < g->fault_count; i++)
        if (strcmp(g->faults[i].text, "abort 400 for requests tagged all:400") == 0)
            assert_int_equal(g->faults[i].fired, before + 2);
    judgement_free(g);
    sim_close(&s);
}

static void a_hook_that_failed_leaves_its_phase_open_and_no_other(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 17);
    sim_run(&s);
    for (size_t i = 0; i < s.j->phase_count; i++) {
        const struct journal_phase *p = &s.j->phases[i];
        struct hook_record r = {.at = p->t0_ns + 1,
                                .source = journal_add_name(s.j, "hooks/flip.lua:7"),
                                .text = journal_add_name(s.j, "attempt to index a nil value"),
                                .count = 1,
                                .level = HOOK_WARN};
        journal_add(s.j, SIM_PROXY, RECORD_HOOK, &r);
        r.level = HOOK_ERROR;
        if (strcmp(p->name, "mixed") == 0)
            journal_add(s.j, SIM_PROXY, RECORD_HOOK, &r);
    }
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_INSTRUMENT, "hook error at hooks/flip.lua:7");
    is(g, "eject.length", VERDICT_PASS, WHY_NONE, "");
    judgement_free(g);
    sim_close(&s);
}

/* ---- controls ---- */

static void add_control(struct sim *s, const char *arm, const char *claim)
{
    json_t *list = json_object_get(s->j->policy, "controls");
    if (list == NULL) {
        list = json_array();
        json_object_set_new(s->j->policy, "controls", list);
    }
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:s}", "arm", arm, "defect", arm, "claim", claim));
    sim_beside(s, arm);
}

static void controls_that_do_as_they_must_change_nothing(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 13);
    sim_run(&s);
    sim_beside(&s, "right");
    sim_run(&s);
    add_control(&s, "one_retry_more", "retry.max");
    s.mesh.retries++;
    sim_run(&s);
    struct judgement *g = judged(&s);
    assert_int_equal(g->outcome, VERDICT_PASS);
    assert_int_equal(g->control_count, 2);
    assert_true(g->controls[0].as_it_must && g->controls[1].as_it_must);
    assert_string_equal(g->controls[1].claim, "retry.max");
    judgement_free(g);
    sim_close(&s);
}

static void a_broken_control_that_passes_puts_the_claim_in_doubt(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 14);
    sim_run(&s);
    add_control(&s, "one_retry_more", "retry.max");
    sim_run(&s); /* it is not broken at all */
    struct judgement *g = judged(&s);
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_INSTRUMENT, "was not caught");
    is(g, "retry.must", VERDICT_PASS, WHY_NONE, "");
    assert_false(g->controls[0].as_it_must);
    judgement_free(g);
    sim_close(&s);
}

/* While the run goes on: what else is wrong with it, or undecided, is nobody's question. */
static void a_broken_control_that_is_caught_is_not_asked_again(void **state)
{
    static const struct judge_options during = {.partial = true};
    struct sim s;
    struct judgement *g = NULL;
    struct error err = {0};
    uint32_t ordinals[64];
    (void)state;
    right(&s, 19);
    sim_run(&s);
    add_control(&s, "one_retry_more", "retry.max");
    s.mesh.retries++;
    s.mesh.p_ns = s.mesh.p_ns * 6 / 5;
    sim_run(&s);
    assert_true(judge_run(s.j, &during, &g, &err));
    assert_int_equal(judge_repeats(g, 0, "one_retry_more", 0, ordinals, COUNT_OF(ordinals)), 0);
    is(g, "timeout.try", VERDICT_PASS, WHY_NONE, ""); /* the subject's, and nobody doubts it yet */
    judgement_free(g);
    sim_close(&s);
}

static void a_right_control_that_fails_puts_the_claim_in_doubt(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 15);
    s.mesh.retries_too = 400;
    sim_run(&s);
    sim_beside(&s, "right");
    s.mesh.retries_too = 400;
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "retry.only", VERDICT_INCONCLUSIVE, WHY_INSTRUMENT, "the right mesh beside it");
    assert_int_equal(g->fail, 0);
    judgement_free(g);
    sim_close(&s);
}

/* Ten of twenty gates beside a compiler ended so: the right control, alone, had seen nothing. */
static void a_starved_right_control_is_asked_once_more(void **state)
{
    struct sim s;
    uint32_t ordinals[16];
    (void)state;
    right(&s, 16);
    sim_run(&s);
    sim_beside(&s, "right");
    sim_run(&s);
    for (size_t i = 0; i < s.j->phase_count; i++) {
        const struct journal_phase *p = &s.j->phases[i];
        if (strcmp(p->arm, "right") != 0 || strcmp(p->name, "mixed") != 0)
            continue;
        for (uint64_t at_ns = p->t0_ns; at_ns < p->t1_ns; at_ns += 100 * NS_PER_MS) {
            struct stall_record r = {.at = at_ns, .fired = 20 * NS_PER_MS};
            journal_add(s.j, SIM_PROXY + 10, RECORD_STALL, &r);
        }
    }
    struct judgement *g = judged(&s);
    assert_false(g->controls[0].as_it_must);
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_INSTRUMENT, "the right mesh beside it");
    assert_int_equal(judge_repeats(g, 0, "subject", 0, ordinals, COUNT_OF(ordinals)), 0);
    size_t count = judge_repeats(g, 0, "right", 0, ordinals, COUNT_OF(ordinals));
    assert_true(count > 0);
    judgement_free(g);
    for (size_t i = 0; i < count; i++)
        sim_phase(&s, ordinals[i], " (again)");
    while (s.heap_count > 0)
        sim_step(&s);
    g = judged(&s);
    if (!g->controls[0].as_it_must)
        fail_msg("%s", g->controls[0].text);
    assert_int_equal(g->outcome, VERDICT_PASS);
    judgement_free(g);
    sim_close(&s);
}

static void one_claim_alone_may_be_asked(void **state)
{
    struct judge_options options = {.claim = "backoff"};
    struct sim s;
    (void)state;
    right(&s, 21);
    sim_run(&s);
    struct judgement *g = judged_with(&s, &options);
    assert_int_equal(g->verdict_count, 2); /* max and law */
    judgement_free(g);
    sim_close(&s);
}

static void a_verdict_names_the_lines_of_policy_and_suite(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 22);
    sim_run(&s);
    struct judgement *g = judged(&s);
    const struct judged *d = sim_verdict(g, "retry.max");
    assert_string_equal(d->verdict.policy_line.file, "vs.yaml");
    assert_int_equal(d->verdict.policy_line.line, 9);
    assert_string_equal(d->asked_by.file, "gate.lua");
    assert_string_equal(d->on, "client -> payments");
    assert_string_equal(d->verdict.policy, "at most 3 retries");
    judgement_free(g);
    sim_close(&s);
}

/* The level of a test decides what is too much: so the proof of the judge can ask at its own. */
static void a_claim_is_judged_at_the_level_that_is_asked(void **state)
{
    struct sim s;
    struct judge_options strictest = {.level = 1e-300}, usual = {0};
    (void)state;
    right(&s, 31);
    s.mesh.t_ns += s.mesh.t_ns / 5;
    sim_run(&s);
    struct judgement *g = judged_with(&s, &usual);
    is(g, "timeout.request", VERDICT_FAIL, WHY_NONE, "ended late");
    judgement_free(g);
    g = judged_with(&s, &strictest);
    is(g, "timeout.request", VERDICT_INCONCLUSIVE, WHY_TOO_FEW, "");
    judgement_free(g);
    sim_close(&s);
}

/* Long lags of our own loops are no evidence, however clean the rest of the phase (5.4). */
static void a_phase_in_which_our_loops_lagged_for_long_is_no_evidence(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 32);
    sim_run(&s);
    for (size_t i = 0; i < s.j->phase_count; i++) {
        const struct journal_phase *p = &s.j->phases[i];
        uint64_t length = p->t1_ns - p->t0_ns;
        struct stall_record r = {.at = p->t0_ns + length / 2, .fired = length / 15};
        if (strcmp(p->name, "mixed") == 0)
            journal_add(s.j, SIM_PROXY, RECORD_STALL, &r);
    }
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_STALLED, "more than 250 ms at once");
    is(g, "retry.max", VERDICT_PASS, WHY_NONE, "");
    judgement_free(g);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_without_an_end_decides_nothing),
        cmocka_unit_test(lost_records_leave_only_witnesses),
        cmocka_unit_test(a_phase_that_was_cut_short_decides_nothing_but_by_witness),
        cmocka_unit_test(a_phase_that_did_not_run_says_so),
        cmocka_unit_test(a_starved_machine_leaves_timing_open_and_witnesses_standing),
        cmocka_unit_test(too_few_instances_say_how_many_more_and_how_long),
        cmocka_unit_test(a_fault_that_never_fired_is_named_as_that),
        cmocka_unit_test(a_fault_that_fired_is_counted_with_what_the_guard_withheld),
        cmocka_unit_test(a_fault_is_told_as_it_was_armed),
        cmocka_unit_test(a_fault_on_handshakes_has_fired_without_a_try),
        cmocka_unit_test(a_hook_that_failed_leaves_its_phase_open_and_no_other),
        cmocka_unit_test(controls_that_do_as_they_must_change_nothing),
        cmocka_unit_test(a_broken_control_that_passes_puts_the_claim_in_doubt),
        cmocka_unit_test(a_starved_right_control_is_asked_once_more),
        cmocka_unit_test(a_broken_control_that_is_caught_is_not_asked_again),
        cmocka_unit_test(a_right_control_that_fails_puts_the_claim_in_doubt),
        cmocka_unit_test(one_claim_alone_may_be_asked),
        cmocka_unit_test(a_verdict_names_the_lines_of_policy_and_suite),
        cmocka_unit_test(a_claim_is_judged_at_the_level_that_is_asked),
        cmocka_unit_test(a_phase_in_which_our_loops_lagged_for_long_is_no_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
