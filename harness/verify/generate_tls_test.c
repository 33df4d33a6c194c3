/* The TLS phases of a generated plan. */
#include "verify/simulator_run_test.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct plan *made(const struct edge_policy *edge, const char *tls, struct scenario **ret)
{
    static const char *const claims[] = {"tls", "rot"};
    struct plan *p = plan_new();
    struct error err = {0};
    struct generate_options options = {.depth = DEPTH_QUICK,
                                       .seed = 7,
                                       .method = "GET",
                                       .claims = tls == NULL ? NULL : claims,
                                       .claim_count = tls == NULL ? 0 : COUNT_OF(claims),
                                       .source = {"gate.lua", 3, 0}};
    p->suite = "gate.lua";
    p->scenarios = ARENA_ARRAY(&p->arena, struct scenario, 1);
    p->scenario_count = 1;
    *ret = &p->scenarios[0];
    **ret = (struct scenario){.name = "policy: client -> payments",
                              .from_policy = true,
                              .source = options.source,
                              .deadline_ns = 1800 * NS_PER_S};
    (*ret)->mesh.word = "istio";
    (*ret)->mesh.version = "1.31";
    (*ret)->lab.driver = tls == NULL ? DRIVER_BUILTIN : DRIVER_ENVOY;
    (*ret)->lab.tls = tls;
    (*ret)->lab.services = ARENA_ARRAY(&p->arena, struct service_plan, 1);
    (*ret)->lab.service_count = 1;
    (*ret)->lab.services[0] = (struct service_plan){
        .name = "payments", .endpoints = edge->endpoints, .slots = 64, .protocol = "http1"};
    if (!generate_phases(p, *ret, edge, &options, &err) || !plan_check(p, &err))
        fail_msg("%s", err.text);
    return p;
}

static const struct phase *phase_of(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->phase_count; i++)
        if (strcmp(s->phases[i].name, name) == 0)
            return &s->phases[i];
    return NULL;
}

static const struct step *step_of(const struct phase *p, enum step_kind kind)
{
    for (size_t i = 0; p != NULL && i < p->step_count; i++)
        if (p->steps[i].kind == kind)
            return &p->steps[i];
    return NULL;
}

static void a_lab_of_mutual_tls_gets_its_phases_and_no_other_does(void **state)
{
    static const char *const names[] = {
        "refuse expired", "refuse samename_root", "surface expired", "surface wrong_san",
        "rotation",       "leaf early",           "leaf late",       "drop early"};
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    (void)state;
    struct plan *p = made(&edge, "mutual", &s);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (phase_of(s, names[i]) == NULL)
            fail_msg("no phase \"%s\"", names[i]);
    assert_null(phase_of(s, "refuse no_certificate"));
    plan_free(p);
    p = made(&edge, NULL, &s);
    assert_null(phase_of(s, "rotation"));
    plan_free(p);
}

static void no_run_of_wrong_leaves_ejects(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    (void)state;
    edge.outlier.consecutive_5xx.number = 3;
    edge.outlier.consecutive_gateway.number = 0;
    struct plan *p = made(&edge, "mutual", &s);
    const struct step *fault = step_of(phase_of(s, "refuse expired"), STEP_FAULT);
    assert_non_null(fault);
    assert_int_equal(json_integer_value(json_object_get(fault->keys, "streak")), 2);
    plan_free(p);
    edge.outlier.consecutive_5xx.number = 5;
    p = made(&edge, "mutual", &s);
    fault = step_of(phase_of(s, "refuse expired"), STEP_FAULT);
    assert_int_equal(json_integer_value(json_object_get(fault->keys, "streak")), 3);
    plan_free(p);
}

static void each_step_of_the_rotation_is_long_enough_for_its_handshakes(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    (void)state;
    for (uint32_t n = 3; n <= 9; n += 3) {
        edge.endpoints = n;
        struct plan *p = made(&edge, "mutual", &s);
        const struct phase *rotation = phase_of(s, "rotation");
        uint64_t before = 0, steps = 0;
        for (size_t i = 0; i < rotation->step_count; i++) {
            if (rotation->steps[i].kind != STEP_AT)
                continue;
            uint64_t gap_ns = rotation->steps[i].from_ns - before;
            if (steps++ > 0) /* 100/s over n, but for what a swap takes */
                assert_true((gap_ns - 300 * NS_PER_MS) / (10 * NS_PER_MS) / n >= 20);
            before = rotation->steps[i].from_ns;
        }
        assert_int_equal(steps, 6);
        plan_free(p);
    }
}

static void a_skew_says_that_it_must_be_refused(void **state)
{
    static const char *const names[] = {"leaf early", "leaf late", "drop early"};
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    (void)state;
    struct plan *p = made(&edge, "mutual", &s);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct phase *skew = phase_of(s, names[i]);
        unsigned found = 0;
        for (size_t k = 0; k < skew->step_count; k++)
            if (skew->steps[k].kind == STEP_EXPECT)
                found |= strcmp(skew->steps[k].word, "refused") == 0 ? 1U : 2U;
        assert_int_equal(found, 3);
    }
    plan_free(p);
}

static void two_failures_that_eject_leave_tls_out(void **state)
{
    struct edge_policy edge = sim_policy();
    struct scenario *s;
    struct error err = {0};
    (void)state;
    edge.outlier.consecutive_5xx.number = 2;
    edge.outlier.consecutive_gateway.number = 0;
    struct plan *p = plan_new();
    static const char *const claims[] = {"tls"};
    struct generate_options options = {
        .method = "GET", .claims = claims, .claim_count = 1, .source = {"gate.lua", 3, 0}};
    struct scenario one = {.name = "x", .from_policy = true};
    one.lab.driver = DRIVER_ENVOY;
    one.lab.tls = "mutual";
    s = &one;
    assert_false(generate_phases(p, s, &edge, &options, &err));
    assert_non_null(strstr(err.text, "leave nothing to ask"));
    plan_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lab_of_mutual_tls_gets_its_phases_and_no_other_does),
        cmocka_unit_test(no_run_of_wrong_leaves_ejects),
        cmocka_unit_test(each_step_of_the_rotation_is_long_enough_for_its_handshakes),
        cmocka_unit_test(a_skew_says_that_it_must_be_refused),
        cmocka_unit_test(two_failures_that_eject_leave_tls_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
