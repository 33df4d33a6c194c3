#include "policy/testing.h"

/* What the rules on the whole must not say, and what several objects say together: a false finding
 * is worse than none. One object's findings are in suites/lint (lint_rules_test.c). */

#define ISTIO_DR "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
#define ISTIO_VS "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"

static size_t times(const char *target, uint32_t endpoints, const char *yaml, const char *rule)
{
    struct policy *p = testing_read(target, endpoints, yaml);
    size_t count = 0;
    while (testing_find(p, rule, count) != NULL)
        count++;
    policy_free(p);
    return count;
}

struct row {
    const char *yaml;
    size_t times;
};

static void check(const char *target, uint32_t endpoints, const char *rule, const struct row *rows,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t seen = times(target, endpoints, rows[i].yaml, rule);
        if (seen != rows[i].times)
            fail_msg("%s %zu times, not %zu, of row %zu:\n%s", rule, seen, rows[i].times, i,
                     rows[i].yaml);
    }
}

#define POOL "  trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}\n"
static void two_objects_collide_only_for_the_same_callers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {ISTIO_DR "metadata: {name: a, namespace: n}\nspec:\n  host: a\n" POOL "---\n" ISTIO_DR
                  "metadata: {name: b, namespace: n}\nspec:\n  host: a.n.svc.cluster.local\n" POOL,
         1},
        /* two short names of two namespaces are two services */
        {ISTIO_DR "metadata: {name: a, namespace: n}\nspec:\n  host: a\n" POOL "---\n" ISTIO_DR
                  "metadata: {name: a, namespace: m}\nspec:\n  host: a\n" POOL,
         0},
        /* the callers' own namespace stands over the service's */
        {ISTIO_DR "metadata: {name: a, namespace: n}\nspec:\n  host: a.n.svc.cluster.local\n" POOL
                  "---\n" ISTIO_DR
                  "metadata: {name: b, namespace: m}\nspec:\n  host: a.n.svc.cluster.local\n" POOL,
         0},
        /* subsets alone are merged */
        {ISTIO_DR "metadata: {name: a}\nspec:\n  host: a\n" POOL "---\n" ISTIO_DR
                  "metadata: {name: b}\nspec: {host: a, subsets: [{name: v1}]}\n",
         0},
        {ISTIO_DR "metadata: {name: a}\nspec:\n  host: a\n  exportTo: ['.']\n" POOL "---\n" ISTIO_DR
                  "metadata: {name: b}\nspec:\n  host: a\n" POOL,
         0},
        {ISTIO_VS
         "metadata: {name: a}\nspec: {hosts: [a, b], http: [{timeout: 1s}]}\n---\n" ISTIO_VS
         "metadata: {name: b}\nspec: {hosts: [b, a], http: [{timeout: 2s}]}\n",
         1},
        {ISTIO_VS "metadata: {name: a}\nspec: {hosts: [api.example.com], http: [{timeout: 1s}]}\n"
                  "---\n" ISTIO_VS
                  "metadata: {name: b}\nspec: {hosts: [api.example.org], http: [{timeout: 2s}]}\n",
         0},
    };
    check("istio@1.31", 3, "object.twice", rows, COUNT_OF(rows));
}

static void of_three_objects_the_first_is_named(void **state)
{
    (void)state;
    struct policy *p =
        testing_read("istio@1.31", 3,
                     ISTIO_DR "metadata: {name: one}\nspec:\n  host: a\n" POOL "---\n" ISTIO_DR
                              "metadata: {name: two}\nspec:\n  host: a\n" POOL "---\n" ISTIO_DR
                              "metadata: {name: three}\nspec:\n  host: a\n" POOL);
    for (size_t i = 0; i < 2; i++)
        assert_non_null(strstr(testing_find(p, "object.twice", i)->text, "for the host of one "));
    policy_free(p);
}

static void an_entry_takes_all_only_without_conditions(void **state)
{
    (void)state;
#define TWO(first) \
    ISTIO_VS "metadata: {name: a}\nspec: {hosts: [a], http: [" first ", {timeout: 2s}]}\n"
    static const struct row rows[] = {
        {TWO("{timeout: 1s}"), 1},
        {TWO("{match: [], timeout: 1s}"), 1},
        {TWO("{match: [{uri: {prefix: /}}], timeout: 1s}"), 1},
        {TWO("{match: [{name: all, uri: {prefix: /}}], timeout: 1s}"), 1},
        {TWO("{match: [{uri: {prefix: /}, headers: {x: {exact: y}}}], timeout: 1s}"), 0},
        {TWO("{match: [{uri: {prefix: /}, port: 80}], timeout: 1s}"), 0},
        {TWO("{match: [{uri: {prefix: /a}}], timeout: 1s}"), 0},
        {TWO("{match: [{uri: {exact: /}}], timeout: 1s}"), 0},
        {TWO("{match: [{uri: {prefix: /a}}, {uri: {prefix: /}}], timeout: 1s}"), 1},
    };
    check("istio@1.31", 3, "istio.unreachable_route", rows, COUNT_OF(rows));
}

/* What no entry takes is answered 404, where calls between services go by it. */
static void one_entry_at_least_must_take_the_rest(void **state)
{
    (void)state;
#define ONE(more, entry) ISTIO_VS "metadata: {name: a}\nspec: {" more "http: [" entry "]}\n"
#define SOME "{match: [{uri: {prefix: /a}}], timeout: 1s}"
    static const struct row rows[] = {
        {ONE("hosts: [a], ", SOME), 1},
        {ONE("hosts: [a], ", SOME ", {match: [{headers: {x: {exact: y}}}], timeout: 1s}"), 1},
        {ONE("hosts: [a], ", SOME ", {match: [{uri: {prefix: /}, port: 80}], timeout: 1s}"), 1},
        {ONE("hosts: [a], ", SOME ", {match: [{uri: {regex: '/a.*'}}], timeout: 1s}"), 1},
        {ONE("hosts: [a], ", SOME ", {timeout: 1s}"), 0},
        {ONE("hosts: [a], ", SOME ", {match: [{uri: {prefix: /}}], timeout: 1s}"), 0},
        {ONE("hosts: [a], ", SOME ", {match: [{uri: {regex: '.*'}}], timeout: 1s}"), 0},
        {ONE("hosts: [a], ", "{match: [{uri: {regex: '/.*'}}], timeout: 1s}"), 0},
        /* A part of another has no hosts; what enters by a gateway is chosen. */
        {ONE("", SOME), 0},
        {ONE("hosts: [a], gateways: [door], ", SOME), 0},
        {ONE("hosts: [a], gateways: [door, mesh], ", SOME), 1},
        {ISTIO_VS "metadata: {name: a}\nspec: {hosts: [a], tcp: [{route: []}]}\n", 0},
    };
    check("istio@1.31", 3, "istio.no_catch_all_route", rows, COUNT_OF(rows));
}

static void methods_decide_what_a_retry_risks(void **state)
{
    (void)state;
#define OF(match, on) \
    ISTIO_VS "metadata: {name: a}\nspec: {hosts: [a], http: [{" match \
             " timeout: 5s, retries: {attempts: 2, retryOn: \"" on "\"}}]}\n"
    static const struct row any[] = {
        {OF("", "5xx"), 1},
        {OF("", "503"), 1},
        {OF("", "connect-failure"), 0},
        {OF("match: [{method: {exact: GET}}, {method: {exact: PUT}}],", "5xx"), 0},
        {OF("match: [{method: {exact: GET}}, {uri: {prefix: /a}}],", "5xx"), 1},
        {OF("match: [{method: {regex: 'GET|POST'}}],", "5xx"), 1},
        {OF("match: [{method: {exact: POST}}],", "5xx"), 0},
    };
    static const struct row post[] = {
        {OF("match: [{method: {exact: GET}}, {method: {exact: PATCH}}],", "5xx"), 1},
        {OF("match: [{method: {exact: POST}}],", "refused-stream"), 0},
        {OF("match: [{method: {exact: DELETE}}],", "5xx"), 0},
    };
    check("istio@1.31", 3, "retry.non_idempotent", any, COUNT_OF(any));
    check("istio@1.31", 3, "retry.post_route", post, COUNT_OF(post));
}

static void a_reset_condition_covers_a_timed_out_try(void **state)
{
    (void)state;
#define TRY(retries) \
    ISTIO_VS "metadata: {name: a}\nspec: {hosts: [a], http: [{timeout: 9s, retries: {" retries \
             "}}]}\n"
    static const struct row rows[] = {
        {TRY("attempts: 2, perTryTimeout: 1s"), 1}, /* the default list has no reset */
        {TRY("attempts: 2, perTryTimeout: 1s, retryOn: '504'"), 1},
        {TRY("attempts: 2, perTryTimeout: 1s, retryOn: gateway-error"), 0},
        {TRY("attempts: 2, perTryTimeout: 1s, retryOn: reset"), 0},
        {TRY("attempts: 2, retryOn: '504'"), 0},
        {TRY("attempts: 2, perTryTimeout: 0s, retryOn: '504'"), 0},
        {TRY("attempts: 0"), 0},
    };
    check("istio@1.31", 3, "retry.timed_out_try_not_retried", rows, COUNT_OF(rows));
}

static void ejection_caps_ask_for_the_endpoints(void **state)
{
    (void)state;
    static const struct {
        uint32_t endpoints, percent, least;
        size_t inert, panic;
    } rows[] = {
        {3, 30, 0, 1, 0},  {3, 34, 0, 0, 0},   {3, 33, 0, 1, 0},   {0, 30, 0, 1, 0},
        {0, 40, 0, 0, 0},  {10, 10, 0, 0, 0},  {4, 50, 75, 0, 1},  {4, 50, 50, 0, 0},
        {4, 25, 75, 0, 0}, {3, 100, 34, 0, 1}, {10, 30, 70, 0, 0}, {0, 50, 99, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[400];
        snprintf(yaml, sizeof(yaml),
                 ISTIO_DR "metadata: {name: a}\nspec: {host: a, trafficPolicy: {outlierDetection: "
                          "{maxEjectionPercent: %u, minHealthPercent: %u}}}\n",
                 rows[i].percent, rows[i].least);
        assert_int_equal(times("istio@1.31", rows[i].endpoints, yaml, "ejection.inert"),
                         rows[i].inert);
        assert_int_equal(
            times("istio@1.31", rows[i].endpoints, yaml, "ejection.min_health_undoes_cap"),
            rows[i].panic);
    }
}

#define AMBIENT \
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio.io/dataplane-mode: " \
    "ambient}}\n---\n"
#define POD(namespace, metadata, spec) \
    AMBIENT "apiVersion: apps/v1\nkind: Deployment\n" \
            "metadata: {name: a, namespace: " namespace "}\n" \
                                                        "spec: {template: {metadata: {" metadata \
                                                        "}, spec: {" spec "}}}\n"
static void a_sidecar_is_left_over_only_beside_an_application(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {POD("shop", "labels: {sidecar.istio.io/inject: 'true'}", "containers: [{name: a}]"), 1},
        {POD("shop", "annotations: {sidecar.istio.io/status: '{}'}", "containers: [{name: a}]"), 1},
        {POD("shop", "labels: {app: a}", "containers: [{name: a}, {name: istio-proxy}]"), 1},
        {POD("shop", "labels: {app: a}",
             "containers: [{name: a}], initContainers: [{name: istio-proxy}]"),
         1},
        {POD("shop", "labels: {app: a}", "containers: [{name: istio-proxy}]"), 0},
        {POD("shop", "labels: {sidecar.istio.io/inject: 'false'}", "containers: [{name: a}]"), 0},
        {POD("shop",
             "labels: {sidecar.istio.io/inject: 'true'}, annotations: "
             "{inject.istio.io/templates: gateway}",
             "containers: [{name: istio-proxy}]"),
         0},
        {POD("other", "labels: {sidecar.istio.io/inject: 'true'}", "containers: [{name: a}]"), 0},
        {POD("shop", "labels: {sidecar.istio.io/inject: 'true', istio.io/dataplane-mode: none}",
             "containers: [{name: a}]"),
         0},
        /* both labels of one pod: once */
        {POD("shop", "labels: {sidecar.istio.io/inject: 'true', istio.io/dataplane-mode: ambient}",
             "containers: [{name: a}]"),
         1},
    };
    check("istio-ambient@1.31", 3, "ambient.leftover_sidecar", rows, COUNT_OF(rows));
}

#define PEER(name, namespace, more) \
    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: " name \
    ", namespace: " namespace "}\nspec: {" more "}\n---\n"
#define PLAIN \
    ISTIO_DR "metadata: {name: a, namespace: shop}\nspec: {host: a, trafficPolicy: {tls: {mode: " \
             "DISABLE}}}\n"
static void plaintext_is_refused_only_where_strict_is_sure(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {PEER("p", "shop", "mtls: {mode: STRICT}") PLAIN, 1},
        {PEER("p", "istio-system", "mtls: {mode: STRICT}") PLAIN, 1},
        {PEER("p", "istio-system", "mtls: {mode: STRICT}")
             PEER("q", "shop", "mtls: {mode: PERMISSIVE}") PLAIN,
         0},
        {PEER("p", "other", "mtls: {mode: STRICT}") PLAIN, 0},
        {PEER("p", "shop", "mtls: {mode: STRICT}")
             PEER("q", "shop", "selector: {matchLabels: {app: a}}, mtls: {mode: PERMISSIVE}") PLAIN,
         0},
        {PEER("p", "shop", "mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}") PLAIN,
         0},
        {PLAIN, 0},
    };
    check("istio@1.31", 3, "mtls.strict_refuses_plaintext", rows, COUNT_OF(rows));
}

static void a_service_is_tcp_only_when_all_of_its_ports_are(void **state)
{
    (void)state;
#define PORTS(ports) \
    "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: n}\nspec: {ports: [" ports \
    "]}\n---\n" ISTIO_VS "metadata: {name: a, namespace: n}\nspec: {hosts: [a], http: [{timeout: " \
    "1s}]}\n"
    static const struct row rows[] = {
        {PORTS("{name: tcp, port: 1}"), 1},
        {PORTS("{name: tcp-a, port: 1}, {name: mysql, port: 2}"), 1},
        {PORTS("{name: web, appProtocol: tcp, port: 1}"), 1},
        {PORTS("{name: tcp-a, appProtocol: http, port: 1}"), 0},
        {PORTS("{name: tcp-a, port: 1}, {name: http, port: 2}"), 0},
        {PORTS("{name: tcpish, port: 1}"), 0},
        {PORTS("{port: 1}"), 0},
        {PORTS(""), 0},
    };
    check("istio@1.31", 3, "istio.tcp_port_has_no_http", rows, COUNT_OF(rows));
}

#define SERVICE(annotations) \
    "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: {" annotations \
    "}}\nspec: {ports: [{port: 8080}]}\n"
static void linkerd_counts_the_tries_before_the_last(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SERVICE("retry.linkerd.io/http: 5xx, retry.linkerd.io/limit: '3', "
                 "retry.linkerd.io/timeout: 400ms, timeout.linkerd.io/request: 1200ms"),
         1},
        {SERVICE("retry.linkerd.io/http: 5xx, retry.linkerd.io/limit: '2', "
                 "retry.linkerd.io/timeout: 400ms, timeout.linkerd.io/request: 1200ms"),
         0},
        {SERVICE("retry.linkerd.io/http: 5xx, retry.linkerd.io/limit: '9', "
                 "retry.linkerd.io/timeout: 400ms"),
         0},
    };
    check("linkerd@2.19", 3, "timeout.headroom", rows, COUNT_OF(rows));
}

static void a_profile_budget_is_said_in_whole_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *ratio;
        size_t rounded, off;
    } rows[] = {{"0.2", 0, 0},     {"0.1", 0, 0},  {"0.3", 1, 0},  {"0.333333", 0, 0},
                {"1", 0, 0},       {"0.7", 1, 0},  {"0", 0, 0},    {"2.0", 0, 0},
                {"600", 1, 0},     {"1000", 0, 0}, {"1001", 0, 1}, {"abc", 0, 0},
                {"0.000001", 0, 0}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[500];
        snprintf(yaml, sizeof(yaml),
                 "apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\nmetadata: {name: "
                 "a.n.svc.cluster.local}\nspec:\n  routes: [{name: r, isRetryable: true}]\n  "
                 "retryBudget: {retryRatio: %s, minRetriesPerSecond: 1, ttl: 10s}\n",
                 rows[i].ratio);
        assert_int_equal(times("linkerd@2.19", 3, yaml, "linkerd.budget_ratio_rounded"),
                         rows[i].rounded);
        assert_int_equal(times("linkerd@2.19", 3, yaml, "linkerd.budget_value"), rows[i].off);
    }
}

static void application_retries_multiply_with_what_is_in_force(void **state)
{
    (void)state;
#define APP(retries, more) \
    "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: " \
    "{meshproof.io/app-retries: " retries "}}\n" more
    static const struct row rows[] = {
        {APP("'2'", ""), 1}, /* Istio's own two retries */
        {APP("'0'", ""), 0},
        {APP("'2'", "---\n" ISTIO_VS "metadata: {name: a}\nspec: {hosts: [a], http: [{retries: "
                    "{attempts: 0}}]}\n"),
         0},
    };
    check("istio@1.31", 3, "retry.app_times_mesh", rows, COUNT_OF(rows));
    assert_int_equal(times("linkerd@2.19", 3, APP("'2'", ""), "retry.app_times_mesh"), 0);
    assert_int_equal(times("istio@1.31", 3, APP("2", ""), "object.value"), 1);
    assert_int_equal(times("istio@1.31", 3, APP("'many'", ""), "object.value"), 1);
    struct policy *p = testing_read("istio@1.31", 3, APP("'2'", ""));
    testing_has(p, "retry.app_times_mesh", 3, "one request can become 9 tries");
    policy_free(p);
}

/* Linkerd leaves routes of a gateway to others: what it would refuse in them is no finding. */
static void linkerd_has_no_say_in_a_gateways_route(void **state)
{
    (void)state;
    static const char yaml[] =
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n"
        "  parentRefs: [{name: public}]\n  rules:\n  - filters: [{type: URLRewrite}]\n"
        "    retry: {codes: [503]}\n";
    assert_int_equal(times("linkerd@2.19", 3, yaml, "gateway.unknown_filter"), 0);
    assert_int_equal(times("linkerd@2.19", 3, yaml, "linkerd.retry_stanza_ignored"), 0);
    assert_int_equal(times("linkerd@2.19", 3, yaml, "gateway.gateway_only"), 1);
}

static void a_server_that_something_authorizes_is_no_finding(void **state)
{
    (void)state;
#define SERVER \
    "apiVersion: policy.linkerd.io/v1beta3\nkind: Server\nmetadata: {name: s, namespace: n}\n" \
    "spec: {port: http}\n---\n"
#define ALLOW(kind, version, namespace, spec) \
    "apiVersion: policy.linkerd.io/" version "\nkind: " kind \
    "\nmetadata: {name: x, namespace: " namespace "}\nspec: {" spec "}\n"
    static const struct row rows[] = {
        {SERVER, 1},
        {SERVER ALLOW("AuthorizationPolicy", "v1alpha1", "n", "targetRef: {kind: Server, name: s}"),
         0},
        {SERVER ALLOW("AuthorizationPolicy", "v1alpha1", "n", "targetRef: {kind: Server, name: t}"),
         1},
        {SERVER ALLOW("AuthorizationPolicy", "v1alpha1", "n",
                      "targetRef: {kind: Namespace, name: n}"),
         0},
        {SERVER ALLOW("AuthorizationPolicy", "v1alpha1", "m", "targetRef: {kind: Server, name: s}"),
         1},
        {SERVER ALLOW("ServerAuthorization", "v1beta1", "n", "server: {name: s}"), 0},
        {SERVER ALLOW("ServerAuthorization", "v1beta1", "n", "server: {selector: {}}"), 0},
    };
    check("linkerd@2.19", 3, "linkerd.server_denies", rows, COUNT_OF(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_objects_collide_only_for_the_same_callers),
        cmocka_unit_test(of_three_objects_the_first_is_named),
        cmocka_unit_test(an_entry_takes_all_only_without_conditions),
        cmocka_unit_test(one_entry_at_least_must_take_the_rest),
        cmocka_unit_test(methods_decide_what_a_retry_risks),
        cmocka_unit_test(a_reset_condition_covers_a_timed_out_try),
        cmocka_unit_test(ejection_caps_ask_for_the_endpoints),
        cmocka_unit_test(a_sidecar_is_left_over_only_beside_an_application),
        cmocka_unit_test(plaintext_is_refused_only_where_strict_is_sure),
        cmocka_unit_test(a_service_is_tcp_only_when_all_of_its_ports_are),
        cmocka_unit_test(linkerd_counts_the_tries_before_the_last),
        cmocka_unit_test(a_profile_budget_is_said_in_whole_tokens),
        cmocka_unit_test(application_retries_multiply_with_what_is_in_force),
        cmocka_unit_test(linkerd_has_no_say_in_a_gateways_route),
        cmocka_unit_test(a_server_that_something_authorizes_is_no_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
