#include "policy/testing.h"

/* A ServiceProfile of service a in namespace n; the lines are its spec and begin in line 6. */
static struct policy *with_profile(const char *target, const char *spec)
{
    struct text t;
    text_init(&t, 65536);
    text_add(&t,
             "apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\nmetadata:\n"
             "  name: a.shop.svc.cluster.local\nspec:\n%s",
             spec);
    struct policy *p = testing_read(target, 3, text_get(&t));
    text_release(&t);
    return p;
}

static const char two_routes[] = "  routes:\n"
                                 "  - name: pay\n"
                                 "    condition: {method: GET, pathRegex: '/pay/[^/]*'}\n"
                                 "    isRetryable: true\n"
                                 "    timeout: 300ms\n"
                                 "  - name: rest\n"
                                 "    condition: {pathRegex: '/.*'}\n";

static void a_retryable_route_is_retried_as_far_as_the_budget_goes(void **state)
{
    (void)state;
    struct policy *p = with_profile("linkerd@2.15", two_routes);
    struct edge_policy e = testing_resolve(p, "a", "/pay/7");
    assert_string_equal(e.route, "a.shop.svc.cluster.local/routes[0]");
    assert_true(e.retry.by_budget);
    assert_false(e.retry.attempts.set);
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 500));
    assert_true(retry_rule_covers(&e, CAUSE_RESET, 0)); /* Linkerd's own 502 */
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 404));
    assert_false(retry_rule_covers(&e, CAUSE_HOLD, 0));
    assert_int_equal(e.retry.conditions.source.line, 9);
    assert_int_equal(e.request_timeout.number, 300 * TESTING_MS);
    assert_int_equal(e.request_timeout.source.line, 10);
    assert_false(e.retry.backoff_base.set); /* at once */
    policy_free(p);
}

static void a_route_that_is_not_retryable_is_not_retried(void **state)
{
    (void)state;
    struct policy *p = with_profile("linkerd@2.15", two_routes);
    struct edge_policy e = testing_resolve(p, "a", "/pay/7/more");
    assert_string_equal(e.route, "a.shop.svc.cluster.local/routes[1]");
    assert_false(e.retry.by_budget);
    assert_true(e.retry.attempts.set);
    assert_int_equal(e.retry.attempts.number, 0);
    assert_false(e.request_timeout.set);
    policy_free(p);
}

static void the_first_route_gives_a_path_that_it_takes(void **state)
{
    (void)state;
    struct policy *p = with_profile("linkerd@2.15", two_routes);
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_string_equal(e.path, "/pay/");
    assert_true(e.retry.by_budget);
    policy_free(p);
}

static void the_budget_is_there_without_being_written(void **state)
{
    (void)state;
    struct policy *p = with_profile("linkerd@2.16", two_routes);
    struct edge_policy e = testing_resolve(p, "a", "/pay/7");
    assert_int_equal(e.budget.kind, BUDGET_LINKERD);
    assert_int_equal(e.budget.ratio_ppm.number, 200000);
    assert_int_equal(e.budget.least.number, 10);
    assert_int_equal(e.budget.interval.number, 10 * TESTING_S);
    assert_string_equal(e.budget.ratio_ppm.origin, "default of linkerd@2.16");
    policy_free(p);
}

static void a_budget_is_read_with_its_lines(void **state)
{
    (void)state;
    struct policy *p = with_profile(
        "linkerd@2.16", "  retryBudget:\n    retryRatio: 0.25\n    minRetriesPerSecond: 3\n"
                        "    ttl: 20s\n  routes:\n"
                        "  - {name: r, condition: {pathRegex: '/.*'}, isRetryable: true}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.budget.ratio_ppm.number, 250000);
    assert_int_equal(e.budget.ratio_ppm.source.line, 7);
    assert_int_equal(e.budget.least.number, 3);
    assert_int_equal(e.budget.interval.number, 20 * TESTING_S);
    assert_int_equal(e.budget.interval.source.line, 9);
    assert_true(e.retry.by_budget);
    policy_free(p);
}

static void a_budget_out_of_range_turns_retries_off(void **state)
{
    (void)state;
    static const char *const budgets[] = {"{retryRatio: 1001, ttl: 10s}", "{ttl: 61s}",
                                          "{ttl: 500ms}", "{retryRatio: lots}", "{ttl: soon}"};
    for (size_t i = 0; i < COUNT_OF(budgets); i++) {
        char spec[300];
        snprintf(spec, sizeof(spec),
                 "  retryBudget: %s\n  routes:\n"
                 "  - {name: r, condition: {pathRegex: '/.*'}, isRetryable: true}\n",
                 budgets[i]);
        struct policy *p = with_profile("linkerd@2.16", spec);
        struct edge_policy e = testing_resolve(p, "a", "/");
        assert_false(e.retry.by_budget);
        assert_int_equal(e.retry.attempts.number, 0);
        assert_non_null(strstr(e.retry.attempts.origin, "with a bad budget"));
        policy_free(p);
    }
}

static void response_classes_say_what_a_failure_is(void **state)
{
    (void)state;
    struct policy *p = with_profile(
        "linkerd@2.16",
        "  routes:\n  - name: r\n    condition: {pathRegex: '/.*'}\n    isRetryable: true\n"
        "    responseClasses:\n"
        "    - {condition: {status: {min: 501, max: 501}}, isFailure: false}\n"
        "    - {condition: {status: {min: 429, max: 429}}, isFailure: true}\n"
        "    - {condition: {status: {min: 500, max: 599}}, isFailure: true}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 500));
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 501)); /* the first class decides */
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 429));
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 428));
    policy_free(p);
}

static void what_a_condition_cannot_tell_is_not_judged(void **state)
{
    (void)state;
    static const char *const conditions[] = {"{pathRegex: '/a{2}'}", "{method: POST}",
                                             "{not: {pathRegex: '/x'}}",
                                             "{any: [{pathRegex: '/x'}]}"};
    for (size_t i = 0; i < COUNT_OF(conditions); i++) {
        char spec[300];
        snprintf(spec, sizeof(spec), "  routes:\n  - {name: r, condition: %s, isRetryable: true}\n",
                 conditions[i]);
        struct policy *p = with_profile("linkerd@2.16", spec);
        testing_has(p, "policy.narrowed", 7, "not judged");
        assert_false(testing_resolve(p, "a", NULL).retry.by_budget);
        policy_free(p);
    }
    struct policy *p =
        with_profile("linkerd@2.16", "  routes:\n  - name: r\n    isRetryable: true\n"
                                     "    condition: {all: [{method: GET}, {pathRegex: '/x'}]}\n");
    assert_true(testing_resolve(p, "a", "/x").retry.by_budget);
    assert_false(testing_resolve(p, "a", "/y").retry.by_budget);
    policy_free(p);
}

static void it_stands_over_annotations_and_routes(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "linkerd@2.19", 3,
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: shop\n  annotations:\n"
        "    retry.linkerd.io/http: 5xx\n    timeout.linkerd.io/request: 1s\n---\n"
        "apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\n"
        "metadata: {name: a.shop.svc.cluster.local, namespace: shop}\n"
        "spec: {routes: [{name: r, condition: {pathRegex: '/x'}, isRetryable: true}]}\n");
    struct edge_policy e = testing_resolve(p, "a", "/x");
    assert_true(e.retry.by_budget);
    assert_false(e.request_timeout.set);
    e = testing_resolve(p, "a", "/y");
    assert_int_equal(e.retry.attempts.number, 0);
    policy_free(p);
}

/* linkerd.profile_name: a name without dots is no service's, so nothing is turned off by it. */
static void a_profile_of_no_service_governs_nothing(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "linkerd@2.19", 3,
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n"
        "    retry.linkerd.io/http: 5xx\n---\n"
        "apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\nmetadata: {name: a}\n"
        "spec: {routes: [{name: r, condition: {pathRegex: '/.*'}, isRetryable: true}]}\n");
    assert_int_equal(testing_resolve(p, "a", "/").retry.attempts.number, 1);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retryable_route_is_retried_as_far_as_the_budget_goes),
        cmocka_unit_test(a_route_that_is_not_retryable_is_not_retried),
        cmocka_unit_test(the_first_route_gives_a_path_that_it_takes),
        cmocka_unit_test(the_budget_is_there_without_being_written),
        cmocka_unit_test(a_budget_is_read_with_its_lines),
        cmocka_unit_test(a_budget_out_of_range_turns_retries_off),
        cmocka_unit_test(response_classes_say_what_a_failure_is),
        cmocka_unit_test(what_a_condition_cannot_tell_is_not_judged),
        cmocka_unit_test(it_stands_over_annotations_and_routes),
        cmocka_unit_test(a_profile_of_no_service_governs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
