#include "policy/testing.h"

/* Subsets and ports of a DestinationRule, by where the route leads (B2; Istio's
 * MergeSubsetTrafficPolicy and mergeDestinationRule). */

#define RULE(name, spec) \
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " name \
    "}\nspec:\n" \
    "  host: a\n" spec "---\n"
#define ROUTE(to) \
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n" \
    "  hosts: [a]\n  http: [{route: [" to "]}]\n"
#define WHOLE \
    "  trafficPolicy:\n    loadBalancer: {simple: ROUND_ROBIN}\n" \
    "    retryBudget: {percent: 30}\n" \
    "    outlierDetection: {consecutive5xxErrors: 9, splitExternalLocalOriginErrors: true}\n" \
    "    connectionPool: {http: {maxRetries: 4}}\n" \
    "    portLevelSettings:\n    - port: {number: 81}\n      outlierDetection: " \
    "{consecutive5xxErrors: 8}\n"
#define SUBSETS \
    "  subsets:\n  - name: v1\n    trafficPolicy: {outlierDetection: {consecutive5xxErrors: 2}}\n" \
    "  - name: v2\n    trafficPolicy:\n      portLevelSettings: [{port: {number: 82}, " \
    "connectionPool: {http: {maxRetries: 5}}}]\n"

static struct edge_policy edge_of(const char *yaml, struct policy **ret)
{
    *ret = testing_read("istio@1.31", 3, yaml);
    return testing_resolve(*ret, "a", NULL);
}

/* Whether a note says so, among others. */
static void is_not_judged(const struct policy *p, uint32_t line, const char *part)
{
    const struct finding *f;
    for (size_t n = 0; (f = testing_find(p, "policy.not_judged", n)) != NULL; n++) {
        if (f->source.line == line && strstr(f->text, part) != NULL)
            return;
    }
    fail_msg("nothing says \"%s\" in line %u", part, line);
}

static void a_subset_overrides_part_by_part(void **state)
{
    (void)state;
    struct policy *p;
    struct edge_policy e =
        edge_of(RULE("r", WHOLE SUBSETS) ROUTE("{destination: {host: a, subset: v1}}"), &p);
    assert_int_equal(e.outlier.consecutive_5xx.number, 2);
    assert_string_equal(e.outlier.consecutive_5xx.origin,
                        "DestinationRule r subsets[0].trafficPolicy.outlierDetection."
                        "consecutive5xxErrors");
    assert_false(e.outlier.split_local_errors); /* the block is the subset's, whole */
    assert_int_equal(e.pool.max_retries.number, 4);
    assert_int_equal(e.balance.number, LB_ROUND_ROBIN);
    assert_int_equal(e.budget.ratio_ppm.number, 300000);
    is_not_judged(p, 19, "subset v2 connectionPool is not judged");
    is_not_judged(p, 13, "port 81 outlierDetection is not judged: no route names that port");
    policy_free(p);
}

static void without_one_the_host_stands(void **state)
{
    (void)state;
    static const char *const to[] = {
        "{destination: {host: a}}",
        "{destination: {host: a, subset: v1}, weight: 90}, "
        "{destination: {host: a, subset: v2}, weight: 10}",
    };
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        char yaml[2000];
        struct policy *p;
        snprintf(yaml, sizeof(yaml), RULE("r", WHOLE SUBSETS) ROUTE("%s"), to[i]);
        struct edge_policy e = edge_of(yaml, &p);
        assert_int_equal(e.outlier.consecutive_5xx.number, 9);
        assert_true(e.outlier.split_local_errors);
        is_not_judged(p, 16, "subset v1 outlierDetection is not judged: no route leads");
        policy_free(p);
    }
}

static void the_port_is_the_routes(void **state)
{
    (void)state;
    struct policy *p;
    struct edge_policy e =
        edge_of(RULE("r", WHOLE SUBSETS) ROUTE("{destination: {host: a, port: {number: 81}}}"), &p);
    assert_int_equal(e.outlier.consecutive_5xx.number, 8);
    assert_false(e.pool.max_retries.set);
    policy_free(p);
    /* of a subset's port: alone, but for the budget */
    e = edge_of(RULE("r", WHOLE SUBSETS)
                    ROUTE("{destination: {host: a, subset: v2, port: {number: 82}}}"),
                &p);
    assert_int_equal(e.pool.max_retries.number, 5);
    assert_false(e.outlier.present);
    assert_int_equal(e.budget.ratio_ppm.number, 300000);
    policy_free(p);
    /* what the host says of the port is what the subset overrides */
    e = edge_of(RULE("r", WHOLE SUBSETS)
                    ROUTE("{destination: {host: a, subset: v1, port: {number: 81}}}"),
                &p);
    assert_int_equal(e.outlier.consecutive_5xx.number, 2);
    assert_false(e.pool.max_retries.set);
    policy_free(p);
}

static void subsets_alone_leave_the_policy_to_another_object(void **state)
{
    (void)state;
    struct policy *p;
    struct edge_policy e = edge_of(RULE("s", "  subsets: [{name: v1}]\n") RULE("r", WHOLE), &p);
    assert_int_equal(e.outlier.consecutive_5xx.number, 9);
    policy_free(p);
    e = edge_of(RULE("q", "  trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}\n")
                    RULE("r", WHOLE),
                &p);
    assert_false(e.outlier.present); /* the first one's is whole */
    testing_has(p, "object.twice", 9, "which is judged as in force");
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subset_overrides_part_by_part),
        cmocka_unit_test(without_one_the_host_stands),
        cmocka_unit_test(the_port_is_the_routes),
        cmocka_unit_test(subsets_alone_leave_the_policy_to_another_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
