/* Which phases a generated plan has for Linkerd's failure accrual, and how long they last. */
#include "verify/limits_fixture_test.h"

#include "verify/making.h"

struct made {
    struct plan *p;
    struct scenario scenario;
    struct generate_options options;
    struct making m;
};

static void make(struct made *ret, const struct edge_policy *edge)
{
    ret->p = plan_new();
    ret->scenario = (struct scenario){.name = "accrual"};
    ret->options = (struct generate_options){.depth = DEPTH_QUICK, .seed = 7, .method = "GET"};
    making_init(&ret->m, ret->p, &ret->scenario, edge, &ret->options);
    making_accrual(&ret->m);
}

static struct edge_policy shutting(uint32_t endpoints)
{
    struct edge_policy edge = limits_policy(FLAVOUR_LINKERD, endpoints);
    edge.retry = (struct retry_rule){0};
    edge.accrual = (struct accrual_rule){.present = true,
                                         .max_failures = limits_value(5),
                                         .min_penalty = limits_value(NS_PER_S),
                                         .max_penalty = limits_value(4 * NS_PER_S),
                                         .jitter_ppm = limits_value(500000)};
    return edge;
}

/* The fault of the ${i}-th time that everything fails. */
static const struct step *fault_of(const struct phase *p, size_t i)
{
    INVARIANT(p->step_count > i + 1 && p->steps[i + 1].kind == STEP_DURING);
    return &p->steps[i + 1].steps[0];
}

static void all_fail_at_once_for_two_penalties(void **state)
{
    struct edge_policy edge = shutting(3);
    struct made x;
    (void)state;
    make(&x, &edge);
    assert_int_equal(x.m.phase_count, 3); /* heal, trip, heal */
    const struct phase *trip = &x.m.phases[1];
    assert_string_equal(trip->name, "trip");
    assert_true(trip->loads[0].closed && trip->loads[0].users == 1);
    assert_int_equal(trip->loads[0].think_ns, 30 * NS_PER_MS);
    assert_string_equal(trip->steps[0].word, "latency");
    assert_int_equal(fault_of(trip, 0)->on.to.endpoint, 0); /* all */
    /* Fifteen failures, then 1.5 s and 3 s at most; then a third penalty of at most 4 s. */
    uint64_t failing = (900 + 1500 + 3000 + 200) * NS_PER_MS;
    assert_int_equal(trip->steps[1].to_ns - trip->steps[1].from_ns, failing);
    assert_int_equal(trip->lasting_ns, 500 * NS_PER_MS + failing + 4500 * NS_PER_MS);
    assert_int_equal(trip->step_count, 3); /* and the expectation */
    plan_free(x.p);
}

static void one_endpoint_is_shut_in_two_rounds(void **state)
{
    struct edge_policy edge = shutting(1);
    struct made x;
    (void)state;
    make(&x, &edge);
    const struct phase *trip = &x.m.phases[1];
    assert_int_equal(trip->step_count, 4);
    /* It is open again, and has answered, before it fails again. */
    assert_true(trip->steps[2].from_ns >= trip->steps[1].to_ns + 4 * NS_PER_S);
    assert_true(trip->lasting_ns > trip->steps[2].to_ns);
    plan_free(x.p);
}

static void the_failure_is_one_that_nothing_retries(void **state)
{
    struct edge_policy edge = shutting(3);
    struct made x;
    (void)state;
    edge.retry.attempts = limits_value(3);
    edge.retry.on = RETRY_STATUS_CODES;
    status_set_add(&edge.retry.codes, 503);
    make(&x, &edge);
    const struct step *fault = fault_of(&x.m.phases[1], 0);
    assert_string_equal(fault->word, "abort");
    assert_int_equal(json_integer_value(json_object_get(fault->keys, "status")), 500);
    plan_free(x.p);
    for (uint32_t status = 500; status < 600; status++)
        status_set_add(&edge.retry.codes, status);
    make(&x, &edge);
    assert_string_equal(fault_of(&x.m.phases[1], 0)->word, "malformed"); /* FIN before the head */
    plan_free(x.p);
}

static void where_nothing_shuts_nothing_is_asked(void **state)
{
    struct edge_policy edge = shutting(3);
    struct made x;
    (void)state;
    edge.accrual.present = false;
    make(&x, &edge);
    assert_int_equal(x.m.phase_count, 0);
    plan_free(x.p);
    edge = shutting(3);
    edge.retry.by_budget = true;
    make(&x, &edge);
    assert_int_equal(x.m.phase_count, 0);
    plan_free(x.p);
    edge = shutting(3);
    edge.rate = (struct rate_rule){.present = true, .per_second = limits_value(20)};
    make(&x, &edge);
    assert_int_equal(x.m.phase_count, 0); /* one at a time would be too fast for it */
    plan_free(x.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fail_at_once_for_two_penalties),
        cmocka_unit_test(one_endpoint_is_shut_in_two_rounds),
        cmocka_unit_test(the_failure_is_one_that_nothing_retries),
        cmocka_unit_test(where_nothing_shuts_nothing_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
