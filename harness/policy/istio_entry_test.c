#include "policy/testing.h"

#define ENTRY(more) \
    "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: api}\nspec:\n" \
    "  hosts: [api.example.com]\n" more "---\n"
#define ROUTE \
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n" \
    "  hosts: [api.example.com]\n  http:\n" \
    "  - {timeout: 2s, retries: {attempts: 4}, route: [{destination: {host: api.example.com}}]}\n" \
    "---\n"
#define RULE \
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\nspec:\n" \
    "  host: api.example.com\n  trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}\n"

static void its_hosts_are_services_of_the_policy(void **state)
{
    (void)state;
    size_t count = 0;
    struct policy *p = testing_read("istio@1.31", 3,
                                    ENTRY("  ports: [{number: 80, name: http, protocol: HTTP}]\n"));
    const char *const *services = policy_services(p, &count);
    assert_int_equal(count, 1);
    assert_string_equal(services[0], "api.example.com");
    struct edge_policy e = testing_resolve(p, "api.example.com", "/");
    assert_int_equal(e.retry.attempts.number, 2); /* the mesh's default, as for any service */
    assert_int_equal(e.mtls.sends.number, MTLS_DISABLE);
    assert_int_equal(e.mtls.sends.source.line, 2);
    assert_false(e.mtls.accepts.set);
    policy_free(p);
}

static void routes_and_rules_govern_it(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3, ENTRY("  ports: [{number: 80, name: http, protocol: HTTP}]\n") ROUTE RULE);
    struct edge_policy e = testing_resolve(p, "api.example.com", "/");
    assert_int_equal(e.retry.attempts.number, 4);
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    assert_int_equal(e.outlier.consecutive_5xx.number, 3);
    policy_free(p);
}

static void a_port_that_is_not_http_has_no_retries(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3, ENTRY("  ports: [{number: 443, name: tls, protocol: TLS}]\n") ROUTE RULE);
    struct edge_policy e = testing_resolve(p, "api.example.com", "/");
    assert_int_equal(e.retry.attempts.number, 0);
    assert_int_equal(e.retry.attempts.source.line, 6);
    assert_string_equal(e.retry.attempts.origin, "ServiceEntry api has TLS ports only");
    assert_false(e.request_timeout.set);
    assert_int_equal(e.outlier.consecutive_5xx.number, 3); /* connections that fail count too */
    policy_free(p);
    p = testing_read(
        "istio@1.31", 3,
        ENTRY("  ports: [{number: 443, protocol: TLS}, {number: 80, protocol: HTTP}]\n"));
    assert_int_equal(testing_resolve(p, "api.example.com", "/").retry.attempts.number, 2);
    policy_free(p);
}

static void inside_of_the_mesh_it_is_a_service_like_others(void **state)
{
    (void)state;
    struct policy *p = testing_read("istio@1.31", 3, ENTRY("  location: MESH_INTERNAL\n"));
    struct edge_policy e = testing_resolve(p, "api.example.com", "/");
    assert_int_equal(e.mtls.sends.number, MTLS_PERMISSIVE);
    assert_true(e.mtls.accepts.set);
    policy_free(p);
    p = testing_read("istio@1.31", 3, ENTRY("  resolutoin: DNS\n"));
    testing_has(p, "istio.unknown_field", 6, "resolution");
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_hosts_are_services_of_the_policy),
        cmocka_unit_test(routes_and_rules_govern_it),
        cmocka_unit_test(a_port_that_is_not_http_has_no_retries),
        cmocka_unit_test(inside_of_the_mesh_it_is_a_service_like_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
