/* The claims that the mutation matrix of judge_test.c does not reach. */

#include "verify/hearing_fixture_test.h"

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
        s.s->phases[1].steps[0].on.to.endpoint =
            0; /* each is shut once: a series is no second run */
        s.s->phases[1].steps[0].on.text = "payments";
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

/* HTTP 200 says nothing of a gRPC call; and what retries it is not what retries HTTP/1.1. */
static void a_grpc_call_is_good_by_its_own_status(void **state)
{
    const char *words[][2] = {{"success", "99%"}};
    static const uint16_t statuses[] = {0, 1, 15};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        struct sim s;
        hand_written(&s, 503, words, COUNT_OF(words));
        s.s->lab.services[0].protocol = "grpc";
        json_decref(s.j->plan);
        s.j->plan = plan_to_json(s.plan);
        sim_run(&s);
        for (size_t k = 0; k < s.j->request_count; k++)
            s.j->requests[k].r.grpc_status = statuses[i];
        struct judgement *g = judged(&s);
        is(g, "success", statuses[i] == 1 ? VERDICT_PASS : VERDICT_FAIL, WHY_NONE,
           statuses[i] == 1 ? "800 of 800 good" : "0 of 800 good");
        judgement_free(g);
        sim_close(&s);
    }
}

/* Whatever a claim of ejection counts, none passes with less of it than was asked for. */
static void enough_is_read_by_every_claim_of_ejection(void **state)
{
    size_t passed = 0;
    struct sim s;
    (void)state;
    right(&s, 11);
    sim_run(&s);
    struct judgement *before = judged(&s);
    for (uint32_t p = 0; p < s.s->phase_count; p++)
        for (size_t i = 0; i < s.s->phases[p].step_count; i++) {
            struct step *step = &s.s->phases[p].steps[i];
            if (step->kind == STEP_EXPECT && strcmp(step->word, "ejection") == 0)
                step_set_json(s.plan, step, "enough", json_integer(1000000));
        }
    json_decref(s.j->plan);
    s.j->plan = plan_to_json(s.plan);
    struct judgement *g = judged(&s);
    assert_int_equal(g->verdict_count, before->verdict_count);
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (strcmp(d->claim->word, "ejection") != 0 ||
            before->verdicts[i].verdict.kind != VERDICT_PASS)
            continue;
        passed++;
        if (d->verdict.kind != VERDICT_INCONCLUSIVE || d->verdict.why != WHY_TOO_FEW ||
            d->verdict.needed != 1000000)
            fail_msg("%s is %d: %s", d->claim->id, d->verdict.kind, d->verdict.text);
    }
    assert_true(passed >= 6);
    judgement_free(before);
    judgement_free(g);
    sim_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_within_the_per_try_timeout_must_not_be_cut),
        cmocka_unit_test(where_no_timeout_is_declared_none_may_end_a_request),
        cmocka_unit_test(a_percentage_that_ejects_nobody_must_eject_nobody),
        cmocka_unit_test(the_gauge_must_show_an_ejection),
        cmocka_unit_test(enough_is_read_by_every_claim_of_ejection),
        cmocka_unit_test(no_retries_declared_means_one_try),
        cmocka_unit_test(a_suite_without_tags_is_judged_by_what_the_tries_were),
        cmocka_unit_test(a_penalty_of_linkerd_must_not_be_short),
        cmocka_unit_test(too_few_good_answers_fail_the_census),
        cmocka_unit_test(more_tries_than_the_product_fail_amplification),
        cmocka_unit_test(a_grpc_call_is_good_by_its_own_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
