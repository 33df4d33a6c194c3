#include "verify/simulator_run_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What the judge makes of runs that are cut, lossy, starved, repeated or controlled; and the claims
 * that the mutation matrix of judge_test.c does not reach. */

static struct judgement *judged_with(const struct sim *s, const struct judge_options *options)
{
    struct judgement *g = NULL;
    struct error err = {0};
    if (!judge_run(s->j, options, &g, &err))
        fail_msg("%s", err.text);
    return g;
}

static struct judgement *judged(const struct sim *s)
{
    return judged_with(s, NULL);
}

static void is(const struct judgement *g, const char *id, enum verdict_kind kind, enum why why,
               const char *text)
{
    const struct judged *d = sim_verdict(g, id);
    if (d == NULL)
        fail_msg("%s was not judged", id);
    if (d->verdict.kind != kind || d->verdict.why != why || strstr(d->verdict.text, text) == NULL)
        fail_msg("%s is %d, why %d: %s", id, d->verdict.kind, d->verdict.why, d->verdict.text);
    if (kind == VERDICT_INCONCLUSIVE && d->verdict.needs == NULL)
        fail_msg("%s does not say what it needs", id);
}

static void right(struct sim *s, uint64_t seed)
{
    struct edge_policy edge = sim_policy();
    sim_open(s, &edge, DEPTH_QUICK, seed);
}

static uint32_t ordinal_of(const struct sim *s, const char *name)
{
    for (uint32_t i = 0; i < s->s->phase_count; i++)
        if (strcmp(s->s->phases[i].name, name) == 0)
            return i;
    fail();
    return 0;
}

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
        found = found ||
                (strcmp(g->faults[i].text, "abort 503 on f1:503") == 0 && g->faults[i].fired == 0);
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
        if (strcmp(g->faults[i].text, "abort 400 on all:400") == 0)
            fired += g->faults[i].fired;
    assert_int_equal(fired, 6);
    judgement_free(g);
    sim_close(&s);
}

/* ---- repetition ---- */

static void run_and_repeat(struct sim *s, bool heals)
{
    uint64_t p_ns = s->mesh.p_ns;
    s->mesh.p_ns = p_ns * 6 / 5;
    for (uint32_t i = 0; i < s->s->phase_count; i++)
        sim_phase(s, i, "");
    s->mesh.p_ns = heals ? p_ns : s->mesh.p_ns;
    sim_phase(s, ordinal_of(s, "mixed"), " (again)");
    sim_phase(s, ordinal_of(s, "healed"), " (again)");
    s->j->end_how = "complete";
}

static void a_timing_failure_asks_for_its_phase_once_more(void **state)
{
    struct sim s;
    uint32_t ordinals[8];
    (void)state;
    right(&s, 9);
    s.mesh.p_ns = s.mesh.p_ns * 6 / 5;
    sim_run(&s);
    struct judgement *g = judged(&s);
    assert_int_equal(judge_repeats(g, 0, ordinals, COUNT_OF(ordinals)), 1);
    assert_int_equal(ordinals[0], ordinal_of(&s, "mixed"));
    judgement_free(g);
    sim_close(&s);
}

static void a_failure_that_repeats_stands(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 10);
    run_and_repeat(&s, false);
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_FAIL, WHY_NONE, "cut late");
    assert_non_null(strstr(sim_verdict(g, "timeout.try")->verdict.certain, "repeated"));
    judgement_free(g);
    sim_close(&s);
}

static void a_failure_that_does_not_repeat_is_open(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 11);
    run_and_repeat(&s, true);
    struct judgement *g = judged(&s);
    is(g, "timeout.try", VERDICT_INCONCLUSIVE, WHY_NOT_REPEATED, "seen once, not repeated");
    assert_int_equal(g->fail, 0);
    judgement_free(g);
    sim_close(&s);
}

static void an_ejection_that_was_late_is_repeated_from_its_quiet_beginning(void **state)
{
    struct sim s;
    uint32_t ordinals[8];
    (void)state;
    right(&s, 12);
    s.mesh.c++;
    sim_run(&s);
    struct judgement *g = judged(&s);
    assert_int_equal(judge_repeats(g, 0, ordinals, COUNT_OF(ordinals)), 3);
    assert_int_equal(ordinals[0], ordinal_of(&s, "quiet"));
    assert_int_equal(ordinals[1], ordinal_of(&s, "trip"));
    assert_int_equal(ordinals[2], ordinal_of(&s, "length"));
    judgement_free(g);
    for (int i = 0; i < 3; i++)
        sim_phase(&s, ordinals[i], " (again)");
    sim_phase(&s, ordinal_of(&s, "healed"), " (again)");
    g = judged(&s);
    is(g, "eject.late", VERDICT_FAIL, WHY_NONE, "1 more try after 5");
    assert_int_equal(judge_repeats(g, 0, ordinals, COUNT_OF(ordinals)), 0);
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

/* ---- claims beyond the matrix ---- */

static void an_answer_within_the_per_try_timeout_must_not_be_cut(void **state)
{
    struct sim s;
    (void)state;
    right(&s, 16);
    s.mesh.p_ns = 300 * NS_PER_MS;
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "timeout.try.kept", VERDICT_FAIL, WHY_NONE, "cut before");
    judgement_free(g);
    sim_close(&s);
}

static void where_no_timeout_is_declared_none_may_end_a_request(void **state)
{
    struct edge_policy edge = sim_policy();
    (void)state;
    edge.request_timeout = edge.retry.per_try_timeout = (struct value){0};
    for (int wrong = 0; wrong < 2; wrong++) {
        struct sim s;
        sim_open(&s, &edge, DEPTH_QUICK, 17);
        s.mesh.t_ns = wrong ? 15 * NS_PER_S : 0;
        sim_run(&s);
        struct judgement *g = judged(&s);
        if (wrong)
            is(g, "timeout.none", VERDICT_FAIL, WHY_NONE, "a 504 of the mesh before 16.0 s");
        else
            is(g, "timeout.none", VERDICT_PASS, WHY_NONE, "none declared");
        judgement_free(g);
        sim_close(&s);
    }
}

static void a_percentage_that_ejects_nobody_must_eject_nobody(void **state)
{
    struct edge_policy edge = sim_policy();
    (void)state;
    edge.outlier.max_ejection_percent.number = 30;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct sim s;
        sim_open(&s, &edge, DEPTH_QUICK, 18);
        s.mesh.cap = wrong ? 1 : 0;
        sim_run(&s);
        struct judgement *g = judged(&s);
        is(g, "eject.never", wrong ? VERDICT_FAIL : VERDICT_PASS, WHY_NONE,
           wrong ? "went out" : "never out");
        for (size_t i = 0; !wrong && i < g->verdict_count; i++)
            if (g->verdicts[i].verdict.kind == VERDICT_INCONCLUSIVE ||
                g->verdicts[i].verdict.kind == VERDICT_FAIL)
                fail_msg("%s: %s", g->verdicts[i].claim->id, g->verdicts[i].verdict.text);
        judgement_free(g);
        sim_close(&s);
    }
}

static void the_gauge_must_show_an_ejection(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct sim s;
        right(&s, 23);
        struct phase *trip = &s.s->phases[ordinal_of(&s, "trip")];
        json_array_append_new(json_object_get(trip->steps[1].keys, "only"), json_string("metrics"));
        assert_int_equal(trip->steps[1].kind, STEP_EXPECT);
        json_decref(s.j->plan);
        s.j->plan = plan_to_json(s.plan);
        sim_run(&s);
        for (int i = 0; i < 250 && how < 2; i++) {
            struct metric_record m = {
                .at = SIM_T0 + (uint64_t)i * 200 * NS_PER_MS,
                .answer = NS_PER_MS,
                .value = how,
                .proxy = journal_add_name(s.j, "client -> payments"),
                .name = journal_add_name(s.j, "outlier_detection.ejections_active")};
            journal_add(s.j, SIM_PROXY, RECORD_METRIC, &m);
        }
        struct judgement *g = judged(&s);
        if (how == 0)
            is(g, "eject.metrics", VERDICT_FAIL, WHY_NONE, "did not show in ejections_active");
        else if (how == 1)
            is(g, "eject.metrics", VERDICT_PASS, WHY_NONE, "shows");
        else
            is(g, "eject.metrics", VERDICT_INCONCLUSIVE, WHY_CAPABILITY, "metrics not reachable");
        judgement_free(g);
        sim_close(&s);
    }
}

static void no_retries_declared_means_one_try(void **state)
{
    struct edge_policy edge = sim_policy();
    (void)state;
    edge.retry.attempts.number = 0;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct sim s;
        sim_open(&s, &edge, DEPTH_QUICK, 19);
        s.mesh.retries = wrong ? 2 : 0;
        sim_run(&s);
        struct judgement *g = judged(&s);
        is(g, "retry.max", wrong ? VERDICT_FAIL : VERDICT_PASS, WHY_NONE,
           wrong ? "2 retries" : "0..0 of at most 0");
        judgement_free(g);
        sim_close(&s);
    }
}

/* A suite that somebody wrote: no tags, one phase. */
static void hand_written(struct sim *s, uint16_t status, const char *expectations[][2],
                         size_t count)
{
    struct edge_policy edge = sim_policy();
    struct source source = {"storm.lua", 4, 0};
    edge.outlier.present = false;
    sim_open(s, &edge, DEPTH_QUICK, 20);
    s->s->from_policy = false;
    s->s->phase_count = 2;
    struct phase *p = &s->s->phases[1];
    p->name = "storm";
    p->lasting_ns = 8 * NS_PER_S;
    p->loads[0].tagged_count = 0;
    p->steps = ARENA_ARRAY(&s->plan->arena, struct step, count + 1);
    p->step_count = count + 1;
    char text[8];
    snprintf(text, sizeof(text), "%u", status);
    p->steps[0] = step_make(s->plan, STEP_FAULT, "abort", "payments/2", source,
                            (const char *const[]){"status", text, NULL});
    p->steps[0].fault = 1;
    for (size_t i = 0; i < count; i++)
        p->steps[i + 1] =
            step_make(s->plan, STEP_EXPECT, expectations[i][0], "client -> payments", source,
                      expectations[i][1] == NULL
                          ? NULL
                          : (const char *const[]){"atleast", expectations[i][1], NULL});
    json_decref(s->j->plan);
    s->j->plan = plan_to_json(s->plan);
}

static void a_suite_without_tags_is_judged_by_what_the_tries_were(void **state)
{
    const char *words[][2] = {
        {"retries", NULL}, {"success", "99%"}, {"status", NULL}, {"amplification", NULL}};
    struct sim s;
    (void)state;
    hand_written(&s, 503, words, COUNT_OF(words));
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "retry.must", VERDICT_PASS, WHY_NONE, "retried (503)");
    is(g, "success", VERDICT_PASS, WHY_NONE, "800 of 800 good; at least 99% asked");
    is(g, "honest", VERDICT_PASS, WHY_NONE, "");
    is(g, "amplify", VERDICT_PASS, WHY_NONE, " tries a request; at most 2 seen of 4");
    is(g, "retry.max", VERDICT_INCONCLUSIVE, WHY_NEVER_FIRED, "");
    judgement_free(g);
    sim_close(&s);
}

static void a_penalty_of_linkerd_must_not_be_short(void **state)
{
    const char *words[][2] = {{"ejection", NULL}};
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        struct sim s;
        hand_written(&s, 503, words, 1);
        s.edge.flavour = FLAVOUR_LINKERD;
        s.edge.accrual = (struct accrual_rule){.present = true,
                                               .max_failures = sim_value(5, 3),
                                               .min_penalty = sim_value(NS_PER_S, 4)};
        s.s->phases[1].steps[1].on.from.service = NULL;
        s.s->phases[1].steps[1].on.text = "payments";
        json_decref(s.j->plan);
        s.j->plan = plan_to_json(s.plan);
        json_decref(s.j->policy);
        s.j->policy = json_pack("{s:[{s:s, s:i, s:o}], s:[]}", "edges", "arm", "subject",
                                "scenario", 0, "edge", edge_policy_to_json(&s.edge), "findings");
        s.accrual = true;
        s.mesh.c = 5;
        s.mesh.base_ns = wrong ? 900 * NS_PER_MS : NS_PER_S;
        sim_run(&s);
        struct judgement *g = judged(&s);
        is(g, "accrual", wrong ? VERDICT_FAIL : VERDICT_PASS, WHY_NONE,
           wrong ? "too short" : "shut for");
        judgement_free(g);
        sim_close(&s);
    }
}

static void too_few_good_answers_fail_the_census(void **state)
{
    const char *words[][2] = {{"success", "99.9%"}};
    struct sim s;
    (void)state;
    hand_written(&s, 400, words, COUNT_OF(words));
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "success", VERDICT_FAIL, WHY_NONE, "533 of 800 good (66.62 %)");
    assert_int_equal(g->outcome, VERDICT_FAIL);
    judgement_free(g);
    sim_close(&s);
}

static void more_tries_than_the_product_fail_amplification(void **state)
{
    const char *words[][2] = {{"amplification", NULL}, {"retries", NULL}};
    struct sim s;
    (void)state;
    hand_written(&s, 503, words, COUNT_OF(words));
    s.s->phases[1].steps[0].on.to.endpoint = 0; /* all of them fail */
    s.mesh.retries = 5;
    sim_run(&s);
    struct judgement *g = judged(&s);
    is(g, "amplify", VERDICT_FAIL, WHY_NONE, "6 tries");
    assert_non_null(strstr(sim_verdict(g, "amplify")->verdict.certain, "coupled"));
    is(g, "retry.max", VERDICT_FAIL, WHY_NONE, "5 retries");
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
        cmocka_unit_test(a_timing_failure_asks_for_its_phase_once_more),
        cmocka_unit_test(a_failure_that_repeats_stands),
        cmocka_unit_test(a_failure_that_does_not_repeat_is_open),
        cmocka_unit_test(an_ejection_that_was_late_is_repeated_from_its_quiet_beginning),
        cmocka_unit_test(controls_that_do_as_they_must_change_nothing),
        cmocka_unit_test(a_broken_control_that_passes_puts_the_claim_in_doubt),
        cmocka_unit_test(a_right_control_that_fails_puts_the_claim_in_doubt),
        cmocka_unit_test(an_answer_within_the_per_try_timeout_must_not_be_cut),
        cmocka_unit_test(where_no_timeout_is_declared_none_may_end_a_request),
        cmocka_unit_test(a_percentage_that_ejects_nobody_must_eject_nobody),
        cmocka_unit_test(the_gauge_must_show_an_ejection),
        cmocka_unit_test(no_retries_declared_means_one_try),
        cmocka_unit_test(a_suite_without_tags_is_judged_by_what_the_tries_were),
        cmocka_unit_test(a_penalty_of_linkerd_must_not_be_short),
        cmocka_unit_test(too_few_good_answers_fail_the_census),
        cmocka_unit_test(more_tries_than_the_product_fail_amplification),
        cmocka_unit_test(one_claim_alone_may_be_asked),
        cmocka_unit_test(a_verdict_names_the_lines_of_policy_and_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
