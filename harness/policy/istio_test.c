#include "policy/testing.h"

/* A VirtualService "a" for host a with one http entry of these lines; the entry begins in line 8.
 */
static struct policy *with_http(const char *target, const char *lines)
{
    struct text t;
    text_init(&t, 65536);
    text_add(
        &t,
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: a\nspec:\n"
        "  hosts: [a]\n  http:\n  - route: [{destination: {host: a}}]\n%s",
        lines);
    struct policy *p = testing_read(target, 3, text_get(&t));
    text_release(&t);
    return p;
}

static struct policy *with_outlier(const char *target, uint32_t endpoints, const char *fields)
{
    struct text t;
    text_init(&t, 65536);
    text_add(
        &t,
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n"
        "  host: a\n  trafficPolicy:\n    outlierDetection: {%s}\n",
        fields);
    struct policy *p = testing_read(target, endpoints, text_get(&t));
    text_release(&t);
    return p;
}

static void default_retries_depend_on_the_version(void **state)
{
    (void)state;
    struct policy *p = with_http("istio@1.24", "");
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.retry.attempts.number, 2);
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 503));
    assert_true(retry_rule_covers(&e, CAUSE_REFUSED, 0));
    assert_false(retry_rule_covers(&e, CAUSE_RESET, 0));
    assert_false(e.request_timeout.set);
    policy_free(p);
    p = with_http("istio@1.23", "");
    e = testing_resolve(p, "a", NULL);
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 503));
    policy_free(p);
}

static void retries_block_replaces_the_default(void **state)
{
    (void)state;
    struct policy *p = with_http("istio@1.31", "    retries: {attempts: 4}\n");
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.retry.attempts.number, 4);
    assert_int_equal(e.retry.on, RETRY_CONNECT_FAILURE | RETRY_REFUSED_STREAM |
                                     RETRY_GRPC_UNAVAILABLE | RETRY_GRPC_CANCELLED);
    policy_free(p);
    p = with_http("istio@1.31", "    retries: {attempts: 1, retryOn: \"503,reset\"}\n");
    e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.retry.on, RETRY_STATUS_CODES | RETRY_RESET);
    assert_true(status_set_has(&e.retry.codes, 503));
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 502));
    policy_free(p);
}

static void attempts_zero_or_none_is_off(void **state)
{
    (void)state;
    struct policy *p = with_http("istio@1.31", "    retries: {attempts: 0}\n");
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.retry.attempts.number, 0);
    assert_int_equal(e.retry.on, 0);
    assert_int_equal(e.retry.attempts.source.line, 9);
    testing_has_none(p, "istio.retries_off");
    policy_free(p);
    p = with_http("istio@1.31", "    retries: {perTryTimeout: 1s}\n");
    e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.retry.attempts.number, 0);
    testing_has(p, "istio.retries_off", 9, "has no attempts, which is 0");
    policy_free(p);
}

static void retry_on_is_read_as_the_webhook_does(void **state)
{
    (void)state;
    struct policy *p =
        with_http("istio@1.31", "    retries: {attempts: 1, retryOn: \"5xx, reset\"}\n");
    testing_has(p, "istio.retry_on_spaces", 9, "has spaces");
    policy_free(p);
    p = with_http("istio@1.31", "    retries: {attempts: 1, retryOn: \"5xxx,999,reset\"}\n");
    testing_has(p, "istio.retry_on_unknown_token", 9, "\"5xxx\"");
    assert_non_null(strstr(testing_find(p, "istio.retry_on_unknown_token", 1)->text, "\"999\""));
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.retry.on, RETRY_RESET);
    policy_free(p);
    p = with_http("istio@1.22", "    retries: {attempts: 1, retryOn: reset-before-request}\n");
    testing_has(p, "istio.field_since", 9, "since Istio 1.24");
    policy_free(p);
}

static void per_try_at_the_timeout_is_inert(void **state)
{
    (void)state;
    struct policy *p =
        with_http("istio@1.31",
                  "    timeout: 1s\n    retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}\n");
    testing_has(p, "timeout.per_try_inert", 10, "is not below timeout 1s (line 9)");
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_false(e.retry.per_try_timeout.set);
    assert_int_equal(e.request_timeout.number, TESTING_S);
    policy_free(p);
    p = with_http("istio@1.31", "    timeout: 0s\n    retries: {attempts: 2, perTryTimeout: 1s}\n");
    testing_has_none(p, "timeout.per_try_inert");
    e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.retry.per_try_timeout.number, TESTING_S);
    assert_true(e.request_timeout.set);
    assert_int_equal(e.request_timeout.number, 0);
    policy_free(p);
}

static void headroom_is_said_only_where_it_lacks(void **state)
{
    (void)state;
    struct policy *p =
        with_http("istio@1.31", "    timeout: 5s\n    retries: {attempts: 3, perTryTimeout: 2s}\n");
    testing_has(p, "timeout.headroom", 9, "4 tries of 2s are 8s: timeout 5s");
    policy_free(p);
    p = with_http("istio@1.31", "    timeout: 8s\n    retries: {attempts: 3, perTryTimeout: 2s}\n");
    testing_has_none(p, "timeout.headroom");
    policy_free(p);
}

static void unknown_fields_are_named_with_the_nearest(void **state)
{
    (void)state;
    struct policy *p = with_http("istio@1.31", "    retry: {attempts: 2}\n");
    testing_has(p, "istio.unknown_field", 9,
                "VirtualService a http[0] has no field \"retry\" (did you mean \"retries\"?)");
    assert_int_equal(testing_find(p, "istio.unknown_field", 0)->source.column, 5);
    policy_free(p);
    p = with_http("istio@1.31", "    retries: {attempts: 2, perTryTimout: 1s, zzz: 1}\n");
    testing_has(p, "istio.unknown_field", 9, "(did you mean \"perTryTimeout\"?)");
    assert_non_null(strstr(testing_find(p, "istio.unknown_field", 1)->text, "no field \"zzz\""));
    policy_free(p);
    p = with_outlier("istio@1.31", 3, "consecutive5xxError: 5, consecutiveErrors: 3");
    testing_has(p, "istio.unknown_field", 7, "(did you mean \"consecutive5xxErrors\"?)");
    testing_has(p, "istio.inert_field", 7, "consecutiveErrors does nothing");
    policy_free(p);
}

static void wrong_values_say_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *text;
    } rows[] = {
        {"    timeout: 5\n",
         "VirtualService a http[0].timeout is 5; it must be a duration with its unit"},
        {"    timeout: 2 s\n", "timeout is \"2 s\"; it must be a duration such as"},
        {"    retries: {attempts: \"3\"}\n", "attempts is \"3\"; it must be a whole number"},
        {"    retries: {attempts: -1}\n", "attempts is -1; it must be a whole number"},
        {"    retries: {attempts: 2, retryOn: 503}\n", "retryOn is 503; it must be text"},
        {"    retries: {attempts: 2, retryOn: [reset]}\n", "retryOn is a list; it must be text"},
        {"    retries: 3\n", "retries is no map"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = with_http("istio@1.31", rows[i].lines);
        testing_has(p, "object.value", 9, rows[i].text);
        assert_true(testing_find(p, "object.value", 0)->source.column > 1);
        policy_free(p);
    }
}

static void first_matching_route_governs(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3,
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n"
        "  hosts: [a.prod.svc.cluster.local]\n  http:\n"
        "  - {match: [{headers: {x: {exact: y}}}], timeout: 1s}\n"
        "  - {match: [{uri: {exact: /one}}, {uri: {prefix: /two}}], timeout: 2s}\n"
        "  - {match: [{sourceLabels: {app: front}}], timeout: 3s}\n"
        "  - {match: [{uri: {regex: '/r.*'}}], timeout: 9s}\n"
        "  - {timeout: 4s}\n");
    struct edge_policy e;
    static const struct {
        const char *from, *to, *path;
        uint64_t seconds;
        const char *shown;
    } rows[] = {
        {"client", "a", "/one", 2, "/one"},
        {"client", "a", "/one/x", 4, "/one/x"},
        {"client", "a", "/twofold", 2, "/twofold"},
        {"front", "a", "/x", 3, "/x"},
        {"client", "a", "/rest", 9, "/rest"},
        {"client", "a", NULL, 2, "/one"},
        {"client", "a.prod", "/x", 4, "/x"},
        {"client", "a.test", "/x", 0, "/x"},
        {"client", "b", "/x", 0, "/x"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        policy_resolve(p, rows[i].from, rows[i].to, rows[i].path, 3, &e);
        assert_int_equal(e.request_timeout.number, rows[i].seconds * TESTING_S);
        assert_string_equal(e.path, rows[i].shown);
        assert_string_equal(e.from, rows[i].from);
    }
    testing_has(p, "policy.narrowed", 7, "http[0].match[0]");
    policy_free(p);
}

static void most_exact_host_governs(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3,
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: all}\nspec:\n"
        "  host: '*.prod.svc.cluster.local'\n  trafficPolicy: {connectionPool: {tcp: "
        "{maxConnections: 1}}}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n"
        "  host: a.prod.svc.cluster.local\n  trafficPolicy: {connectionPool: {tcp: "
        "{maxConnections: 2}}}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a2}\nspec:\n"
        "  host: a\n  trafficPolicy: {connectionPool: {tcp: {maxConnections: 3}}}\n");
    assert_int_equal(testing_resolve(p, "a.prod", NULL).pool.max_connections.number, 2);
    assert_int_equal(testing_resolve(p, "b.prod", NULL).pool.max_connections.number, 1);
    assert_false(testing_resolve(p, "b", NULL).pool.max_connections.set);
    testing_has(p, "object.twice", 16, "is for the host of a (line 9)");
    policy_free(p);
}

static void unset_outlier_fields_are_envoys(void **state)
{
    (void)state;
    struct policy *p = with_outlier("istio@1.31", 10, "");
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_true(e.outlier.present);
    assert_int_equal(e.outlier.consecutive_5xx.number, 5);
    assert_int_equal(e.outlier.consecutive_gateway.number, 0);
    assert_int_equal(e.outlier.interval.number, 10 * TESTING_S);
    assert_int_equal(e.outlier.base_ejection.number, 30 * TESTING_S);
    assert_int_equal(e.outlier.max_ejection.number, 300 * TESTING_S);
    assert_int_equal(e.outlier.max_ejection_percent.number, 10);
    assert_true(e.outlier.min_health_percent.set);
    assert_int_equal(e.outlier.min_health_percent.number, 0);
    policy_free(p);
    p = with_outlier("istio@1.31", 10, "baseEjectionTime: 10m, maxEjectionPercent: 0");
    e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.outlier.max_ejection.number, 600 * TESTING_S);
    assert_int_equal(e.outlier.max_ejection_percent.number, 10);
    testing_has(p, "istio.percent_zero_is_ten", 7, "default of 10");
    policy_free(p);
    p = with_outlier("istio@1.31", 10,
                     "consecutive5xxErrors: 3, consecutiveGatewayErrors: 4, "
                     "consecutiveLocalOriginFailures: 2");
    testing_has(p, "istio.gateway_errors_inert", 7, "never decides");
    testing_has(p, "istio.local_errors_need_split", 7, "splitExternalLocalOriginErrors");
    policy_free(p);
}

static void an_ejection_that_cannot_be_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        uint32_t endpoints;
        const char *fields, *text;
    } rows[] = {
        {"istio@1.31", 3, "maxEjectionPercent: 30",
         "30 of 3 endpoints is 0: nothing is ever ejected; 34 ejects one"},
        {"istio@1.31", 0, "maxEjectionPercent: 30", "30 of 1 to 3 endpoints is 0"},
        {"istio@1.31", 9, "interval: 1s",
         "10 (the default) of 9 endpoints is 0: nothing is ever ejected; 12 ejects one"},
        {"istio@1.31", 1, "maxEjectionPercent: 99",
         "99 of 1 endpoint is 0: nothing is ever ejected; 100 ejects one"},
        {"istio@1.31", 3, "maxEjectionPercent: 34", NULL},
        {"istio@1.31", 4, "maxEjectionPercent: 30", NULL},
        {"istio@1.31", 0, "maxEjectionPercent: 34", NULL},
        {"istio@1.19", 3, "maxEjectionPercent: 30", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = with_outlier(rows[i].target, rows[i].endpoints, rows[i].fields);
        if (rows[i].text == NULL)
            testing_has_none(p, "ejection.inert");
        else
            assert_non_null(strstr(testing_find(p, "ejection.inert", 0)->text, rows[i].text));
        policy_free(p);
    }
}

static void faults_and_mirrors_are_named(void **state)
{
    (void)state;
    struct policy *p =
        with_http("istio@1.31", "    fault: {abort: {httpStatus: 503}}\n    mirror: {host: b}\n");
    testing_has(p, "istio.fault_filter", 9, "before the router");
    testing_has(p, "istio.mirror", 10, "copies");
    policy_free(p);
}

static void gateways_without_mesh_do_not_govern(void **state)
{
    (void)state;
    struct policy *p = testing_read("istio@1.31", 3,
                                    "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                                    "metadata: {name: a}\nspec:\n  hosts: [a]\n  gateways: [g]\n"
                                    "  http: [{timeout: 1s}]\n");
    testing_has(p, "istio.gateway_only", 6, "by its gateways");
    assert_false(testing_resolve(p, "a", NULL).request_timeout.set);
    policy_free(p);
}

static void newer_fields_are_ignored_by_an_older_istio(void **state)
{
    (void)state;
    const char *lines =
        "    retries: {attempts: 2, backoff: 100ms, retryIgnorePreviousHosts: false}\n";
    struct policy *p = with_http("istio@1.25", lines);
    struct edge_policy e = testing_resolve(p, "a", NULL);
    testing_has(p, "istio.field_since", 9, "since Istio 1.26");
    assert_int_equal(e.retry.backoff_base.number, 25 * TESTING_MS);
    assert_true(e.retry.other_host);
    policy_free(p);
    p = with_http("istio@1.26", lines);
    e = testing_resolve(p, "a", NULL);
    testing_has_none(p, "istio.field_since");
    assert_int_equal(e.retry.backoff_base.number, 100 * TESTING_MS);
    assert_int_equal(e.retry.backoff_max.number, TESTING_S);
    assert_false(e.retry.other_host);
    policy_free(p);
}

static void ambient_needs_a_waypoint_and_says_so(void **state)
{
    (void)state;
    static const char rule[] =
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\n"
        "spec: {host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 50}}}\n---\n";
    static const struct {
        const char *more;
        enum flavour flavour;
    } rows[] = {
        {"", FLAVOUR_L4},
        {"{apiVersion: v1, kind: Namespace, metadata: {name: n, labels: {istio.io/use-waypoint: "
         "w}}}",
         FLAVOUR_ENVOY},
        {"{apiVersion: v1, kind: Service, metadata: {name: a, labels: {istio.io/use-waypoint: w}}}",
         FLAVOUR_ENVOY},
        {"{apiVersion: v1, kind: Service, metadata: {name: b, labels: {istio.io/use-waypoint: w}}}",
         FLAVOUR_L4},
        {"{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: w}, spec: "
         "{gatewayClassName: istio-waypoint}}\n---\n{apiVersion: v1, kind: Service, metadata: "
         "{name: a, labels: "
         "{istio.io/use-waypoint: none}}}",
         FLAVOUR_L4},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[1000];
        snprintf(yaml, sizeof(yaml), "%s%s", rule, rows[i].more);
        struct policy *p = testing_read("istio-ambient@1.31", 3, yaml);
        assert_int_equal(testing_resolve(p, "a", NULL).flavour, rows[i].flavour);
        if (rows[i].flavour == FLAVOUR_L4)
            testing_has(p, "ambient.no_waypoint", 2, "nothing shows a waypoint for a");
        else
            testing_has_none(p, "ambient.no_waypoint");
        policy_free(p);
    }
}

/* A short host is one of its object's own namespace. */
static void a_short_host_is_of_its_namespace(void **state)
{
    (void)state;
    char yaml[2000];
    static const char both[] =
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        "metadata: {name: v, namespace: %s}\n"
        "spec: {hosts: [a], http: [{retries: {attempts: %d}}]}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        "metadata: {name: d, namespace: %s}\n"
        "spec: {host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: %d}}}\n---\n";
    int n = snprintf(yaml, sizeof(yaml), both, "north", 1, "north", 40);
    snprintf(yaml + n, sizeof(yaml) - (size_t)n, both, "south", 7, "south", 60);
    struct policy *p = testing_read("istio@1.31", 3, yaml);
    struct edge_policy e = testing_resolve(p, "a.south", NULL);
    assert_int_equal(e.retry.attempts.number, 7);
    assert_int_equal(e.outlier.max_ejection_percent.number, 60);
    e = testing_resolve(p, "a.south.svc.cluster.local", NULL);
    assert_int_equal(e.retry.attempts.number, 7);
    e = testing_resolve(p, "a.elsewhere", NULL);
    assert_string_equal(e.retry.attempts.origin, "default of istio@1.31");
    assert_false(e.outlier.present);
    e = testing_resolve(p, "a", NULL); /* of which, nobody says */
    assert_int_equal(e.retry.attempts.number, 1);
    testing_has(p, "object.two_namespaces", 12,
                "for a of namespace south, VirtualService v (line 2)");
    policy_free(p);
}

/* What another namespace is bound to is no waypoint of the service's. */
static void a_waypoint_is_of_its_namespace(void **state)
{
    (void)state;
    static const char named[] =
        "{apiVersion: v1, kind: %s, metadata: {name: %s%s, labels: {istio.io/use-waypoint: w}}}\n"
        "---\n{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop}}\n";
    static const struct {
        const char *kind, *name, *namespace;
        enum flavour flavour;
    } rows[] = {
        {"Namespace", "shop", "", FLAVOUR_ENVOY},
        {"Namespace", "bank", "", FLAVOUR_L4},
        {"Service", "a", ", namespace: bank", FLAVOUR_L4},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[600];
        snprintf(yaml, sizeof(yaml), named, rows[i].kind, rows[i].name, rows[i].namespace);
        struct policy *p = testing_read("istio-ambient@1.31", 3, yaml);
        assert_int_equal(testing_resolve(p, "a.shop", NULL).flavour, rows[i].flavour);
        policy_free(p);
    }
}

static void both_labels_leave_a_sidecar(void **state)
{
    (void)state;
    struct policy *p =
        testing_read("istio-ambient@1.31", 3,
                     "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  labels:\n"
                     "    istio-injection: enabled\n    istio.io/dataplane-mode: ambient\n");
    testing_has(p, "ambient.leftover_sidecar", 7, "new pods get a sidecar");
    policy_free(p);
}

static void unknown_kinds_and_versions_are_errors(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3,
        "apiVersion: networking.istio.io/v1\nkind: RetryPolicy\n---\n"
        "apiVersion: networking.istio.io/v2\nkind: DestinationRule\nspec: {host: a}\n---\n"
        "apiVersion: cert-manager.io/v1\nkind: Issuer\n");
    testing_has(p, "istio.unknown_kind", 2, "no API has kind RetryPolicy");
    testing_has(p, "kind.version", 4, "no version v2, only v1 v1beta1 v1alpha3");
    size_t count = 0;
    policy_findings(p, &count);
    assert_int_equal(count, 2);
    policy_services(p, &count);
    assert_int_equal(count, 0);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_retries_depend_on_the_version),
        cmocka_unit_test(retries_block_replaces_the_default),
        cmocka_unit_test(attempts_zero_or_none_is_off),
        cmocka_unit_test(retry_on_is_read_as_the_webhook_does),
        cmocka_unit_test(per_try_at_the_timeout_is_inert),
        cmocka_unit_test(headroom_is_said_only_where_it_lacks),
        cmocka_unit_test(unknown_fields_are_named_with_the_nearest),
        cmocka_unit_test(wrong_values_say_what_was_expected),
        cmocka_unit_test(first_matching_route_governs),
        cmocka_unit_test(most_exact_host_governs),
        cmocka_unit_test(unset_outlier_fields_are_envoys),
        cmocka_unit_test(an_ejection_that_cannot_be_is_named),
        cmocka_unit_test(faults_and_mirrors_are_named),
        cmocka_unit_test(gateways_without_mesh_do_not_govern),
        cmocka_unit_test(newer_fields_are_ignored_by_an_older_istio),
        cmocka_unit_test(ambient_needs_a_waypoint_and_says_so),
        cmocka_unit_test(a_short_host_is_of_its_namespace),
        cmocka_unit_test(a_waypoint_is_of_its_namespace),
        cmocka_unit_test(both_labels_leave_a_sidecar),
        cmocka_unit_test(unknown_kinds_and_versions_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
