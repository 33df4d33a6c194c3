#include "policy/testing.h"

/* Service a of namespace n, port 80 to 8080 of pods app=a; lines 1 to 7. */
#define SERVICE \
    "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec:\n" \
    "  selector: {app: a}\n  ports: [{port: 80, targetPort: 8080}]\n---\n"
#define PEER(namespace, spec) \
    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n" \
    "metadata: {name: p, namespace: " namespace "}\nspec: {" spec "}\n---\n"
#define MESH_STRICT PEER("istio-system", "mtls: {mode: STRICT}")
#define OF_A "selector: {matchLabels: {app: a}}"

static struct mtls_rule mtls_of(const char *target, const char *yaml, const char *to)
{
    struct policy *p = testing_read(target, 3, yaml);
    struct mtls_rule rule = testing_resolve(p, to, "/").mtls;
    policy_free(p); /* the origins go with it: numbers only from here on */
    return rule;
}

static void the_nearest_object_holds(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        uint64_t accepts;
    } rows[] = {
        {SERVICE, MTLS_PERMISSIVE},
        {SERVICE MESH_STRICT, MTLS_STRICT},
        {SERVICE MESH_STRICT PEER("shop", "mtls: {mode: PERMISSIVE}"), MTLS_PERMISSIVE},
        {SERVICE MESH_STRICT PEER("shop", "mtls: {mode: UNSET}"), MTLS_STRICT},
        {SERVICE MESH_STRICT PEER("shop", ""), MTLS_STRICT},
        {SERVICE MESH_STRICT PEER("other", "mtls: {mode: DISABLE}"), MTLS_STRICT},
        {SERVICE PEER("shop", "mtls: {mode: STRICT}") PEER("shop", OF_A ", mtls: {mode: DISABLE}"),
         MTLS_DISABLE},
        {SERVICE PEER("shop", "mtls: {mode: STRICT}") PEER("shop", OF_A ", mtls: {mode: UNSET}"),
         MTLS_STRICT},
        {SERVICE PEER("shop", "selector: {matchLabels: {app: b}}, mtls: {mode: STRICT}"),
         MTLS_PERMISSIVE},
        {SERVICE PEER("shop",
                      OF_A ", mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}"),
         MTLS_DISABLE},
        {SERVICE PEER("shop", OF_A ", mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: UNSET}}"),
         MTLS_STRICT},
        {SERVICE PEER("shop", OF_A ", mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}"),
         MTLS_STRICT}, /* the port is the pod's, not the Service's */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mtls_rule rule = mtls_of("istio@1.31", rows[i].yaml, "a");
        assert_true(rule.accepts.set);
        assert_int_equal(rule.accepts.number, rows[i].accepts);
    }
}

static void a_mode_has_its_line(void **state)
{
    (void)state;
    struct policy *p = testing_read("istio@1.31", 3, SERVICE MESH_STRICT);
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.mtls.accepts.source.line, 11);
    assert_string_equal(e.mtls.accepts.origin, "PeerAuthentication p mtls.mode");
    assert_string_equal(e.mtls.sends.origin, "default of istio@1.31");
    assert_int_equal(e.mtls.sends.number, MTLS_PERMISSIVE);
    policy_free(p);
    p = testing_read("istio@1.31", 3, PEER("shop", "mtls: {mode: STRIKT}"));
    testing_has(p, "object.value", 4, "\"STRIKT\"");
    policy_free(p);
    p = testing_read("istio@1.31", 3, PEER("shop", "portLevelMtls: {8080: {mode: STRICT}}"));
    testing_has(p, "istio.inert_field", 4, "without a selector");
    policy_free(p);
}

#define RULE(tls) \
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d, namespace: " \
    "shop}" \
    "\nspec: {host: a, trafficPolicy: {tls: {" tls "}}}\n---\n"

static void a_destination_rule_says_what_is_sent(void **state)
{
    (void)state;
    assert_int_equal(mtls_of("istio@1.31", RULE("mode: DISABLE"), "a").sends.number, MTLS_DISABLE);
    assert_int_equal(mtls_of("istio@1.31", RULE("mode: SIMPLE"), "a").sends.number, MTLS_DISABLE);
    assert_int_equal(mtls_of("istio@1.31", RULE("mode: MUTUAL"), "a").sends.number, MTLS_STRICT);
    assert_int_equal(mtls_of("istio@1.31", RULE("mode: ISTIO_MUTUAL"), "a").sends.number,
                     MTLS_STRICT);
    assert_int_equal(mtls_of("istio@1.31", RULE(""), "a").sends.number, MTLS_DISABLE);
    /* ztunnel sends, and reads none of it (B6) */
    assert_int_equal(mtls_of("istio-ambient@1.31", RULE("mode: DISABLE"), "a").sends.number,
                     MTLS_PERMISSIVE);
    struct policy *p = testing_read("istio@1.31", 3,
                                    RULE("mode: MUTUAL, subjectAltNames: [spiffe://x/ns/n/sa/s]"));
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_string_equal(e.mtls.identity, "spiffe://x/ns/n/sa/s");
    assert_string_equal(e.mtls.sends.origin, "DestinationRule d trafficPolicy.tls.mode MUTUAL");
    policy_free(p);
    p = testing_read("istio@1.31", 3, RULE("mode: MTLS"));
    testing_has(p, "object.value", 4, "\"MTLS\"");
    policy_free(p);
    p = testing_read("istio@1.31", 3, RULE("mode: SIMPLE, sni: a.example"));
    testing_has(p, "policy.not_judged", 4, "without a certificate of the caller");
    policy_free(p);
}

static void the_identity_is_that_of_the_workload(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3,
        SERVICE
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec:\n"
        "  template:\n    metadata: {labels: {app: a, version: v1}}\n"
        "    spec: {serviceAccountName: payer}\n---\n" PEER(
            "shop", "selector: {matchLabels: {version: v1}}, mtls: {mode: STRICT}"));
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_string_equal(e.mtls.identity, "spiffe://cluster.local/ns/shop/sa/payer");
    assert_int_equal(e.mtls.accepts.number, MTLS_STRICT);
    policy_free(p);
    p = testing_read("istio@1.31", 3, SERVICE);
    assert_null(testing_resolve(p, "a", "/").mtls.identity);
    policy_free(p);
}

static void the_bare_gateway_api_has_no_mtls(void **state)
{
    (void)state;
    struct mtls_rule rule = mtls_of("gateway-api@1.6", SERVICE, "a");
    assert_false(rule.accepts.set || rule.sends.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_object_holds),
        cmocka_unit_test(a_mode_has_its_line),
        cmocka_unit_test(a_destination_rule_says_what_is_sent),
        cmocka_unit_test(the_identity_is_that_of_the_workload),
        cmocka_unit_test(the_bare_gateway_api_has_no_mtls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
