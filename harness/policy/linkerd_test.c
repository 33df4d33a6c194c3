#include "policy/testing.h"

/* A Service a with these annotations, which begin in line 6. */
static struct policy *with_annotations(const char *target, const char *lines, const char *more)
{
    struct text t;
    text_init(&t, 65536);
    text_add(&t, "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n%s%s", lines,
             more);
    struct policy *p = testing_read(target, 3, text_get(&t));
    text_release(&t);
    return p;
}

static void any_retry_annotation_makes_a_policy(void **state)
{
    (void)state;
    struct policy *p =
        with_annotations("linkerd@2.16", "    retry.linkerd.io/timeout: 400ms\n", "");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.retry.attempts.number, 1);
    assert_string_equal(e.retry.attempts.origin, "default of linkerd@2.16");
    assert_true(retry_rule_covers(&e, CAUSE_HOLD, 0));
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 503));
    assert_int_equal(e.retry.backoff_base.number, 25 * TESTING_MS);
    assert_int_equal(e.retry.backoff_max.number, 250 * TESTING_MS);
    policy_free(p);
}

static void codes_are_pieces_ranges_and_words(void **state)
{
    (void)state;
    struct policy *p =
        with_annotations("linkerd@2.19",
                         "    retry.linkerd.io/http: \"409,500-501,gateway-error\"\n    "
                         "retry.linkerd.io/limit: \"2\"\n",
                         "");
    struct edge_policy e = testing_resolve(p, "a", "/");
    static const uint32_t in[] = {409, 500, 501, 502, 503, 504}, out[] = {408, 410, 505, 599};
    for (size_t i = 0; i < COUNT_OF(in); i++)
        assert_true(retry_rule_covers(&e, CAUSE_STATUS, in[i]));
    for (size_t i = 0; i < COUNT_OF(out); i++)
        assert_false(retry_rule_covers(&e, CAUSE_STATUS, out[i]));
    assert_int_equal(e.retry.attempts.number, 2);
    assert_false(retry_rule_covers(&e, CAUSE_HOLD, 0)); /* no retry timeout, nothing to expire */
    policy_free(p);
}

static void bad_values_are_named_and_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *line, *rule;
    } rows[] = {
        {"    retry.linkerd.io/http: \"500, 503\"\n", "linkerd.annotation_value"},
        {"    retry.linkerd.io/http: \"600\"\n", "linkerd.annotation_value"},
        {"    retry.linkerd.io/http: 5xx,\n", "linkerd.annotation_value"},
        {"    retry.linkerd.io/http: 503\n", "object.value"},
        {"    retry.linkerd.io/limit: \"-1\"\n", "linkerd.annotation_value"},
        {"    retry.linkerd.io/grpc: \"unavailble\"\n", "linkerd.annotation_value"},
        {"    timeout.linkerd.io/request: 1m30s\n", "linkerd.annotation_value"},
        {"    timeout.linkerd.io/request: \"2\"\n", "linkerd.annotation_value"},
        {"    timeout.linkerd.io/requst: 2s\n", "linkerd.unknown_annotation"},
        {"    balancer.linkerd.io/failure-accrual: success-rate\n", "linkerd.annotation_value"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = with_annotations("linkerd@2.19", rows[i].line, "");
        testing_has(p, rows[i].rule, 6, "");
        struct edge_policy e = testing_resolve(p, "a", "/");
        assert_false(e.request_timeout.set || e.accrual.present);
        assert_false(retry_rule_covers(&e, CAUSE_STATUS, 503));
        policy_free(p);
    }
}

static void limit_zero_is_one(void **state)
{
    (void)state;
    struct policy *p = with_annotations("linkerd@2.19", "    retry.linkerd.io/limit: \"0\"\n", "");
    testing_has(p, "linkerd.limit_zero_is_one", 6, "the limit is 1");
    assert_int_equal(testing_resolve(p, "a", "/").retry.attempts.number, 1);
    policy_free(p);
}

static void before_2_16_there_are_no_retry_annotations(void **state)
{
    (void)state;
    struct policy *p =
        with_annotations("linkerd@2.15",
                         "    retry.linkerd.io/http: 5xx\n    timeout.linkerd.io/request: 1s\n"
                         "    balancer.linkerd.io/failure-accrual: consecutive\n",
                         "");
    struct edge_policy e = testing_resolve(p, "a", "/");
    testing_has(p, "linkerd.annotations_need_2.16", 6, "ignored");
    assert_int_equal(e.retry.attempts.number, 0);
    assert_false(e.request_timeout.set);
    assert_true(e.accrual.present);
    assert_int_equal(e.accrual.max_failures.number, 7);
    assert_int_equal(e.accrual.min_penalty.number, TESTING_S);
    assert_int_equal(e.accrual.max_penalty.number, 60 * TESTING_S);
    policy_free(p);
}

static void a_profile_turns_annotations_off(void **state)
{
    (void)state;
    struct policy *p = with_annotations(
        "linkerd@2.19",
        "    retry.linkerd.io/http: 5xx\n    balancer.linkerd.io/failure-accrual: consecutive\n",
        "---\napiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\nmetadata: {name: "
        "a.n.svc.cluster.local}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    testing_has(p, "linkerd.annotations_ignored_by_profile", 2, "turns its annotations off");
    assert_int_equal(e.retry.attempts.number, 0);
    assert_false(e.accrual.present);
    policy_free(p);
}

static void a_routes_annotations_replace_the_services(void **state)
{
    (void)state;
    struct policy *p = with_annotations(
        "linkerd@2.19", "    retry.linkerd.io/http: 5xx\n    timeout.linkerd.io/request: 9s\n",
        "---\napiVersion: policy.linkerd.io/v1beta3\nkind: HTTPRoute\nmetadata:\n  name: r\n  "
        "annotations:\n"
        "    retry.linkerd.io/limit: \"4\"\nspec:\n  parentRefs: [{kind: Service, name: a}]\n  "
        "rules:\n"
        "  - {matches: [{path: {value: /api}}], timeouts: {request: 2s, backendRequest: 1s}}\n");
    struct edge_policy e = testing_resolve(p, "a", "/api");
    assert_int_equal(e.retry.attempts.number, 4);
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 503));
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    testing_has(p, "linkerd.backend_request_ignored", 18, "timeouts.request only");
    e = testing_resolve(p, "a", "/other");
    assert_int_equal(e.retry.attempts.number, 1);
    assert_int_equal(e.request_timeout.number, 9 * TESTING_S);
    policy_free(p);
}

static void a_bad_annotation_on_a_route_drops_the_route(void **state)
{
    (void)state;
    struct policy *p = with_annotations("linkerd@2.19", "    x: y\n",
                                        "---\napiVersion: policy.linkerd.io/v1beta3\nkind: "
                                        "HTTPRoute\nmetadata:\n  name: r\n  annotations:\n"
                                        "    retry.linkerd.io/limit: lots\nspec:\n  parentRefs: "
                                        "[{kind: Service, name: a}]\n  rules:\n"
                                        "  - timeouts: {request: 2s}\n");
    testing_has(p, "linkerd.annotation_value", 13, "\"lots\"");
    assert_false(testing_resolve(p, "a", "/").request_timeout.set);
    policy_free(p);
}

static void version_2_15_honours_backend_request(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "linkerd@2.15", 3,
        "apiVersion: policy.linkerd.io/v1beta3\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
        "  parentRefs: [{kind: Service, name: a}]\n"
        "  rules: [{timeouts: {request: 2s, backendRequest: 800ms}, retry: {attempts: 2}}]\n");
    testing_has_none(p, "linkerd.backend_request_ignored");
    testing_has(p, "linkerd.retry_stanza_ignored", 6, "not read by Linkerd");
    assert_int_equal(testing_resolve(p, "a", "/").request_timeout.number, 800 * TESTING_MS);
    policy_free(p);
}

static void annotations_in_the_wrong_place_do_nothing(void **state)
{
    (void)state;
    struct policy *p =
        testing_read("linkerd@2.19", 3,
                     "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\n  annotations:\n"
                     "    balancer.linkerd.io/failure-accrual: consecutive\n");
    testing_has(p, "linkerd.annotation_place", 6, "on a Service only");
    policy_free(p);
    p = testing_read("istio@1.31", 3,
                     "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n"
                     "    retry.linkerd.io/http: 5xx\n");
    testing_has(p, "target.foreign_annotation", 6, "not read by istio@1.31");
    policy_free(p);
    p = with_annotations(
        "linkerd@2.19", "    balancer.linkerd.io/failure-accrual-consecutive-max-failures: \"3\"\n",
        "");
    testing_has(p, "linkerd.annotation_place", 6, "does nothing without");
    policy_free(p);
}

/* Edges of 2026 read it, up to 2.19 the control plane refuses it (policy-semantics.md D1). Either
 * way nothing is judged by failures in a row alone. */
static void unified_accrual_is_refused_or_not_judged(void **state)
{
    static const char unified[] = "    balancer.linkerd.io/failure-accrual: unified\n";
    (void)state;
    struct policy *p = with_annotations("linkerd@2.19", unified, "");
    testing_has(p, "linkerd.annotation_value", 6, "must be \"consecutive\"");
    testing_has_none(p, "policy.not_judged");
    assert_false(testing_resolve(p, "a", "/").accrual.present);
    policy_free(p);
    p = with_annotations("linkerd@2.20", unified, "");
    testing_has(p, "policy.not_judged", 6, "unified is in force, and not judged");
    testing_has_none(p, "linkerd.annotation_value");
    assert_false(testing_resolve(p, "a", "/").accrual.present);
    policy_free(p);
}

static void accrual_numbers_are_read_exactly(void **state)
{
    (void)state;
    static const char prefix[] = "    balancer.linkerd.io/failure-accrual";
    char lines[600];
    snprintf(
        lines, sizeof(lines),
        "%s: consecutive\n%s-consecutive-jitter-ratio: \"12.25\"\n%s-consecutive-min-penalty: 2s\n",
        prefix, prefix, prefix);
    struct policy *p = with_annotations("linkerd@2.19", lines, "");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.accrual.jitter_ppm.number, 12250000);
    assert_int_equal(e.accrual.min_penalty.number, 2 * TESTING_S);
    policy_free(p);
    snprintf(lines, sizeof(lines), "%s: consecutive\n%s-consecutive-min-penalty: 2m\n", prefix,
             prefix);
    p = with_annotations("linkerd@2.19", lines, "");
    testing_has(p, "linkerd.annotation_value", 6, "minimum penalty is above the maximum");
    assert_false(testing_resolve(p, "a", "/").accrual.present);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_retry_annotation_makes_a_policy),
        cmocka_unit_test(codes_are_pieces_ranges_and_words),
        cmocka_unit_test(bad_values_are_named_and_left_out),
        cmocka_unit_test(limit_zero_is_one),
        cmocka_unit_test(before_2_16_there_are_no_retry_annotations),
        cmocka_unit_test(a_profile_turns_annotations_off),
        cmocka_unit_test(a_routes_annotations_replace_the_services),
        cmocka_unit_test(a_bad_annotation_on_a_route_drops_the_route),
        cmocka_unit_test(version_2_15_honours_backend_request),
        cmocka_unit_test(annotations_in_the_wrong_place_do_nothing),
        cmocka_unit_test(unified_accrual_is_refused_or_not_judged),
        cmocka_unit_test(accrual_numbers_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
