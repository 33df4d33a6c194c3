#include "policy/testing.h"

/* Service a of namespace n on port 80, which leads to 8080 of pods app=a; lines 1 to 7. */
#define SERVICE \
    "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec:\n" \
    "  selector: {app: a}\n  ports: [{port: 80, targetPort: 8080}]\n---\n"
/* Its Server; 6 lines with the end of the document. */
#define SERVER(access) \
    "apiVersion: policy.linkerd.io/v1beta3\nkind: Server\nmetadata: {name: s, namespace: shop}\n" \
    "spec: {podSelector: {matchLabels: {app: a}}, port: 8080" access "}\n---\n"
#define LIMIT(more) \
    "apiVersion: policy.linkerd.io/v1alpha1\nkind: HTTPLocalRateLimitPolicy\n" \
    "metadata: {name: l, namespace: shop}\nspec:\n" \
    "  targetRef: {group: policy.linkerd.io, kind: Server, name: s}\n" more

static void a_limit_on_the_services_server_is_its_rate(void **state)
{
    (void)state;
    struct policy *p = testing_read("linkerd@2.17", 3,
                                    SERVICE SERVER("") LIMIT("  total: {requestsPerSecond: 50}\n"));
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_true(e.rate.present);
    assert_int_equal(e.rate.per_second.number, 50);
    assert_int_equal(e.rate.per_second.source.line, 18);
    assert_int_equal(e.rate.burst.number, 50); /* the bucket of R */
    testing_has_none(p, "policy.not_judged");
    policy_free(p);
}

static void one_caller_is_limited_by_the_lower_number(void **state)
{
    (void)state;
    struct policy *p =
        testing_read("linkerd@2.17", 3,
                     SERVICE SERVER("") LIMIT("  total: {requestsPerSecond: 50}\n"
                                              "  identity: {requestsPerSecond: 20}\n"));
    assert_int_equal(testing_resolve(p, "a", "/").rate.per_second.number, 20);
    policy_free(p);
}

static void a_limit_without_its_server_is_not_judged(void **state)
{
    (void)state;
    struct policy *p =
        testing_read("linkerd@2.17", 3, SERVICE LIMIT("  total: {requestsPerSecond: 50}\n"));
    testing_has(p, "policy.not_judged", 9, "Server s is not in the policy");
    assert_false(testing_resolve(p, "a", "/").rate.present);
    policy_free(p);
}

static void before_2_17_there_is_no_limit(void **state)
{
    (void)state;
    struct policy *p = testing_read("linkerd@2.16", 3,
                                    SERVICE SERVER("") LIMIT("  total: {requestsPerSecond: 50}\n"));
    testing_has(p, "linkerd.rate_limit_needs_2.17", 14, "since 2.17");
    assert_false(testing_resolve(p, "a", "/").rate.present);
    policy_free(p);
}

static void a_server_of_other_pods_or_ports_is_another_ones(void **state)
{
    (void)state;
    static const char *const selectors[] = {"podSelector: {matchLabels: {app: b}}, port: 8080",
                                            "podSelector: {matchLabels: {app: a}}, port: 9990",
                                            "podSelector: {matchLabels: {app: a}}, port: http"};
    for (size_t i = 0; i < COUNT_OF(selectors); i++) {
        char yaml[1200];
        snprintf(yaml, sizeof(yaml),
                 SERVICE "apiVersion: policy.linkerd.io/v1beta3\nkind: Server\n"
                         "metadata: {name: s, namespace: shop}\nspec: {%s}\n---\n" LIMIT(
                             "  total: {requestsPerSecond: 50}\n"),
                 selectors[i]);
        struct policy *p = testing_read("linkerd@2.17", 3, yaml);
        assert_false(testing_resolve(p, "a", "/").rate.present);
        assert_int_equal(testing_resolve(p, "a", "/").mtls.accepts.number, MTLS_PERMISSIVE);
        policy_free(p);
    }
}

static uint64_t accepts(const char *yaml)
{
    struct policy *p = testing_read("linkerd@2.19", 3, yaml);
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_true(e.mtls.accepts.set);
    assert_int_equal(e.mtls.sends.number, MTLS_PERMISSIVE);
    policy_free(p);
    return e.mtls.accepts.number;
}

#define ALLOW(kind) \
    "apiVersion: policy.linkerd.io/v1alpha1\nkind: AuthorizationPolicy\n" \
    "metadata: {name: p, namespace: shop}\nspec:\n" \
    "  targetRef: {group: policy.linkerd.io, kind: Server, name: s}\n" \
    "  requiredAuthenticationRefs: [{group: policy.linkerd.io, kind: " kind ", name: x}]\n"

static void who_may_call_says_what_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(accepts(SERVICE), MTLS_PERMISSIVE);
    assert_int_equal(accepts(SERVICE SERVER("")), MTLS_STRICT); /* it denies */
    assert_int_equal(accepts(SERVICE SERVER(", accessPolicy: all-authenticated")), MTLS_STRICT);
    assert_int_equal(accepts(SERVICE SERVER(", accessPolicy: all-unauthenticated")),
                     MTLS_PERMISSIVE);
    assert_int_equal(accepts(SERVICE SERVER("") ALLOW("MeshTLSAuthentication")), MTLS_STRICT);
    assert_int_equal(accepts(SERVICE SERVER("") ALLOW("NetworkAuthentication")), MTLS_PERMISSIVE);
}

static void the_default_inbound_policy_is_the_pods_or_the_namespaces(void **state)
{
    (void)state;
#define DEPLOYMENT \
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec:\n" \
    "  template:\n    metadata:\n      labels: {app: a}\n" \
    "      annotations: {config.linkerd.io/default-inbound-policy: all-authenticated}\n" \
    "    spec: {serviceAccountName: payer}\n---\n"
#define NAMESPACE(word) \
    "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n" \
    "  annotations: {config.linkerd.io/default-inbound-policy: " word "}\n"
    assert_int_equal(accepts(SERVICE NAMESPACE("cluster-authenticated")), MTLS_STRICT);
    assert_int_equal(accepts(SERVICE NAMESPACE("audit")), MTLS_PERMISSIVE);
    assert_int_equal(accepts(SERVICE DEPLOYMENT NAMESPACE("audit")), MTLS_STRICT);
    struct policy *p = testing_read("linkerd@2.19", 3, SERVICE DEPLOYMENT);
    assert_string_equal(testing_resolve(p, "a", "/").mtls.identity,
                        "payer.shop.serviceaccount.identity.linkerd.cluster.local");
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_on_the_services_server_is_its_rate),
        cmocka_unit_test(one_caller_is_limited_by_the_lower_number),
        cmocka_unit_test(a_limit_without_its_server_is_not_judged),
        cmocka_unit_test(before_2_17_there_is_no_limit),
        cmocka_unit_test(a_server_of_other_pods_or_ports_is_another_ones),
        cmocka_unit_test(who_may_call_says_what_is_accepted),
        cmocka_unit_test(the_default_inbound_policy_is_the_pods_or_the_namespaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
