#include "policy/testing.h"

/* An HTTPRoute r for Service a with one rule of these lines, which begin in line 10. */
static struct policy *with_rule(const char *target, const char *lines)
{
    struct text t;
    text_init(&t, 65536);
    text_add(
        &t,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: r\nspec:\n"
        "  parentRefs:\n  - {group: '', kind: Service, name: a}\n  rules:\n"
        "  - backendRefs: [{name: a, port: 80}]\n%s",
        lines);
    struct policy *p = testing_read(target, 3, text_get(&t));
    text_release(&t);
    return p;
}

static void istio_retries_codes_and_connection_failures(void **state)
{
    (void)state;
    struct policy *p = with_rule("istio@1.25", "    retry: {codes: [500, 504], backoff: 100ms}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.retry.attempts.number, 2);
    assert_string_equal(e.retry.attempts.origin, "default of istio@1.25");
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 500));
    assert_true(retry_rule_covers(&e, CAUSE_REFUSED, 0));
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 503));
    assert_false(retry_rule_covers(&e, CAUSE_HOLD, 504));
    assert_int_equal(e.retry.backoff_base.number, 100 * TESTING_MS);
    assert_string_equal(e.route, "r/rules[0]");
    policy_free(p);
}

static void istio_before_1_25_ignores_retry(void **state)
{
    (void)state;
    struct policy *p = with_rule("istio@1.24", "    retry: {codes: [500], attempts: 5}\n"
                                               "    timeouts: {request: 2s, backendRequest: 1s}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    testing_has(p, "gateway.retry_since", 10, "since Istio 1.25");
    assert_int_equal(e.retry.attempts.number, 2);
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 500));
    assert_int_equal(e.request_timeout.number,
                     TESTING_S); /* without retry in force it is the total */
    testing_has(p, "gateway.backend_request_without_retry", 11, "in the place of timeouts.request");
    policy_free(p);
}

static void istio_before_1_20_ignores_timeouts(void **state)
{
    static const struct {
        const char *target, *timeouts;
        uint64_t request_ns;
    } rows[] = {{"istio@1.19", "{request: 2s, backendRequest: 1s}", 0},
                {"istio@1.19", "{request: 2s}", 0},
                {"istio@1.19", "{backendRequest: 1s}", 0},
                {"istio@1.20", "{request: 2s}", 2 * TESTING_S},
                {"istio@1.20", "{backendRequest: 1s}", TESTING_S}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char rule[80];
        snprintf(rule, sizeof(rule), "    timeouts: %s\n", rows[i].timeouts);
        struct policy *p = with_rule(rows[i].target, rule);
        struct edge_policy e = testing_resolve(p, "a", "/");
        assert_int_equal(e.request_timeout.number, rows[i].request_ns);
        assert_false(e.retry.per_try_timeout.set);
        assert_int_equal(e.retry.attempts.number, 2); /* the mesh's own */
        if (rows[i].request_ns == 0)
            testing_has(p, "gateway.timeouts_since", 10, "since Istio 1.20");
        else
            testing_has_none(p, "gateway.timeouts_since");
        policy_free(p);
    }
}

static void istio_backend_request_is_the_total_without_retry(void **state)
{
    (void)state;
    struct policy *p =
        with_rule("istio@1.31", "    timeouts: {request: 2s, backendRequest: 500ms}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.request_timeout.number, 500 * TESTING_MS);
    assert_string_equal(e.request_timeout.origin, "HTTPRoute r rules[0].timeouts.backendRequest");
    assert_false(e.retry.per_try_timeout.set);
    assert_int_equal(e.retry.attempts.number, 2);
    policy_free(p);
}

static void istio_backend_request_is_per_try_with_retry(void **state)
{
    (void)state;
    struct policy *p =
        with_rule("istio@1.31", "    timeouts: {request: 2s, backendRequest: 500ms}\n"
                                "    retry: {codes: [503], attempts: 1}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    assert_int_equal(e.retry.per_try_timeout.number, 500 * TESTING_MS);
    testing_has(p, "gateway.timed_out_try_not_retried", 10, "504");
    testing_has_none(p, "gateway.backend_request_without_retry");
    policy_free(p);
    p = with_rule("istio@1.31",
                  "    timeouts: {request: 1s, backendRequest: 1s}\n    retry: {attempts: 1}\n");
    testing_has(p, "timeout.per_try_inert", 10, "Envoy ignores it");
    assert_false(testing_resolve(p, "a", "/").retry.per_try_timeout.set);
    policy_free(p);
}

static void an_unsupported_filter_discards_all_rules(void **state)
{
    (void)state;
    static const struct {
        const char *target, *lines, *rule;
    } rows[] = {
        {"istio@1.31",
         "    timeouts: {request: 1s}\n  - filters: [{type: ExtensionRef, extensionRef: {kind: K, "
         "name: n}}]\n",
         "gateway.extension_ref"},
        {"istio@1.31", "    timeouts: {request: 1s}\n  - filters: [{type: Sprinkle}]\n",
         "gateway.unknown_filter"},
        {"istio@1.31",
         "    timeouts: {request: 1s}\n  - backendRefs: [{name: a, filters: [{type: "
         "ExtensionRef}]}]\n",
         "gateway.extension_ref"},
        {"linkerd@2.19", "    timeouts: {request: 1s}\n    filters: [{type: URLRewrite}]\n",
         "gateway.unknown_filter"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = with_rule(rows[i].target, rows[i].lines);
        assert_non_null(testing_find(p, rows[i].rule, 0));
        assert_int_equal(testing_find(p, rows[i].rule, 0)->severity, SEVERITY_ERROR);
        assert_false(testing_resolve(p, "a", "/").request_timeout.set);
        policy_free(p);
    }
    struct policy *p =
        with_rule("istio@1.31", "    timeouts: {request: 1s}\n    filters: [{type: URLRewrite}]\n");
    assert_true(testing_resolve(p, "a", "/").request_timeout.set);
    policy_free(p);
}

static void values_and_durations_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *rule, *text;
    } rows[] = {
        {"    timeouts: {request: 1.5s}\n", "object.value",
         "is \"1.5s\"; it must be a Gateway API duration"},
        {"    timeouts: {request: 1s, backendRequest: 2s}\n",
         "gateway.backend_request_above_request", "API server"},
        {"    timeouts: {backend: 2s}\n", "gateway.unknown_field",
         "did you mean \"backendRequest\""},
        {"    retry: {codes: [399]}\n", "object.value", "400 to 599"},
        {"    retry: {codes: [\"500\"]}\n", "object.value", "retry.codes[0] is \"500\""},
        {"    retry: {attempts: 0}\n", "object.value", "at least 1"},
        {"    retries: {attempts: 1}\n", "gateway.unknown_field", "did you mean \"retry\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = with_rule("istio@1.31", rows[i].lines);
        testing_has(p, rows[i].rule, 10, rows[i].text);
        policy_free(p);
    }
    struct policy *p = with_rule("istio@1.31", "    timeouts: {request: 0s, backendRequest: 2s}\n");
    testing_has_none(p, "gateway.backend_request_above_request");
    policy_free(p);
}

static void exact_paths_and_longer_prefixes_win(void **state)
{
    (void)state;
    struct policy *p =
        with_rule("istio@1.31",
                  "    timeouts: {request: 1s}\n"
                  "  - {matches: [{path: {value: /api}}], timeouts: {request: 2s}}\n"
                  "  - {matches: [{path: {value: /api/cart}}], timeouts: {request: 3s}}\n"
                  "  - {matches: [{path: {type: Exact, value: /api}}], timeouts: {request: 4s}}\n"
                  "  - {matches: [{method: POST}], timeouts: {request: 5s}}\n"
                  "  - {matches: [{path: {type: RegularExpression, value: /.*}}], timeouts: "
                  "{request: 6s}}\n");
    static const struct {
        const char *path;
        uint64_t seconds;
    } rows[] = {{"/", 1}, {"/apis", 1}, {"/api", 4}, {"/api/x", 2}, {"/api/cart/1", 3}, {NULL, 1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(testing_resolve(p, "a", rows[i].path).request_timeout.number,
                         rows[i].seconds * TESTING_S);
    assert_non_null(testing_find(p, "policy.narrowed", 1));
    policy_free(p);
}

static void a_parent_must_be_a_service_of_the_core_group(void **state)
{
    (void)state;
    static const struct {
        const char *target, *ref, *rule;
    } rows[] = {
        {"istio@1.31", "{kind: Service, name: a}", "gateway.parent_not_service"},
        {"istio@1.31", "{group: core, kind: Service, name: a}", "gateway.parent_not_service"},
        {"istio@1.31", "{name: gw}", "gateway.gateway_only"},
        {"linkerd@2.19", "{kind: Service, name: a}", NULL},
        {"linkerd@2.19", "{group: core, kind: Service, name: a}", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char yaml[400];
        snprintf(yaml, sizeof(yaml),
                 "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: "
                 "r}\nspec:\n"
                 "  parentRefs: [%s]\n  rules: [{timeouts: {request: 1s}}]\n",
                 rows[i].ref);
        struct policy *p = testing_read(rows[i].target, 3, yaml);
        assert_int_equal(testing_resolve(p, "a", "/").request_timeout.set, rows[i].rule == NULL);
        if (rows[i].rule != NULL)
            testing_has(p, rows[i].rule, 5, "");
        policy_free(p);
    }
}

static void the_bare_standard_retries_only_what_is_asked(void **state)
{
    (void)state;
    struct policy *p =
        with_rule("gateway-api@1.6", "    timeouts: {request: 2s, backendRequest: 1s}\n");
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.flavour, FLAVOUR_ENVOY);
    assert_int_equal(e.retry.attempts.number, 0);
    assert_int_equal(e.retry.per_try_timeout.number, TESTING_S);
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    policy_free(p);
    p = with_rule("gateway-api@1.6", "    retry: {codes: [503]}\n");
    e = testing_resolve(p, "a", "/");
    assert_int_equal(e.retry.attempts.number, 1);
    testing_has(p, "gateway.attempts_unset", 10, "judged as 1");
    assert_true(retry_rule_covers(&e, CAUSE_STATUS, 503));
    policy_free(p);
}

/* A GRPCRoute r for Service a; the rules' lines begin in line 8. */
static struct policy *with_grpc(const char *target, const char *annotations, const char *rules)
{
    struct text t;
    text_init(&t, 65536);
    text_add(&t,
             "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\n"
             "metadata:\n  name: r\n  annotations: {%s}\nspec:\n"
             "  parentRefs: [{group: '', kind: Service, name: a}]\n%s",
             annotations, rules);
    struct policy *p = testing_read(target, 3, text_get(&t));
    text_release(&t);
    return p;
}

static void grpc_methods_are_paths(void **state)
{
    (void)state;
    struct policy *p = with_grpc("istio@1.31", "",
                                 "  rules:\n  - matches: [{method: {service: pay.Pay}}]\n"
                                 "  - matches: [{method: {service: pay.Pay, method: Charge}}]\n"
                                 "  - matches: [{method: {method: Any}}]\n");
    assert_string_equal(testing_resolve(p, "a", "/pay.Pay/Charge").route, "r/rules[1]");
    assert_string_equal(testing_resolve(p, "a", "/pay.Pay/Refund").route, "r/rules[0]");
    assert_string_equal(testing_resolve(p, "a", "/stock.Stock/Any").route, "");
    testing_has(p, "policy.narrowed", 11, "not judged");
    struct edge_policy e = testing_resolve(p, "a", "/pay.Pay/Charge");
    assert_int_equal(e.retry.attempts.number, 2); /* the mesh's default: B1 */
    assert_true((e.retry.on & RETRY_GRPC_UNAVAILABLE) != 0);
    assert_false(e.request_timeout.set);
    policy_free(p);
}

static void a_grpc_route_has_neither_timeouts_nor_retry(void **state)
{
    (void)state;
    struct policy *p = with_grpc("istio@1.31", "",
                                 "  rules:\n  - {timeouts: {request: 1s}, retry: {attempts: 5}}\n");
    testing_has(p, "gateway.unknown_field", 9, "\"timeouts\"");
    struct edge_policy e = testing_resolve(p, "a", "/x.X/Y");
    assert_int_equal(e.retry.attempts.number, 2);
    assert_false(e.request_timeout.set);
    policy_free(p);
}

static void linkerd_reads_annotations_of_a_grpc_route_since_2_16(void **state)
{
    (void)state;
    static const char annotations[] =
        "retry.linkerd.io/grpc: unavailable, timeout.linkerd.io/request: 2s";
    struct policy *p = with_grpc("linkerd@2.16", annotations, "  rules: [{}]\n");
    struct edge_policy e = testing_resolve(p, "a", "/x.X/Y");
    assert_int_equal(e.retry.attempts.number, 1);
    assert_true((e.retry.on & RETRY_GRPC_UNAVAILABLE) != 0);
    assert_false(retry_rule_covers(&e, CAUSE_STATUS, 503));
    assert_int_equal(e.request_timeout.number, 2 * TESTING_S);
    policy_free(p);
    p = with_grpc("linkerd@2.15", annotations, "  rules: [{}]\n");
    testing_has(p, "kind.since", 2, "since 2.16");
    assert_int_equal(testing_resolve(p, "a", "/x.X/Y").retry.attempts.number, 0);
    policy_free(p);
}

/* An XBackendTrafficPolicy for Service a; its constraint's lines begin in line 7. */
static struct policy *with_budget(const char *target, const char *constraint)
{
    struct text t;
    text_init(&t, 65536);
    text_add(&t,
             "apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackendTrafficPolicy\n"
             "metadata: {name: b}\nspec:\n  targetRefs: [{group: '', kind: Service, name: a}]\n"
             "  retryConstraint:\n%s",
             constraint);
    struct policy *p = testing_read(target, 3, text_get(&t));
    text_release(&t);
    return p;
}

static void istio_makes_a_budget_of_retries_at_once(void **state)
{
    (void)state;
    static const char constraint[] =
        "    budget: {percent: 25, interval: 20s}\n    minRetryRate: {count: 4, interval: 1s}\n";
    struct policy *p = with_budget("istio@1.31", constraint);
    struct edge_policy e = testing_resolve(p, "a", "/");
    assert_int_equal(e.budget.kind, BUDGET_ENVOY);
    assert_int_equal(e.budget.ratio_ppm.number, 250000);
    assert_int_equal(e.budget.ratio_ppm.source.line, 7);
    assert_int_equal(e.budget.least.number, 4);
    assert_int_equal(e.budget.interval.number, 20 * TESTING_S);
    policy_free(p);
    p = with_budget("istio@1.30", constraint);
    e = testing_resolve(p, "a", "/");
    assert_int_equal(e.budget.interval.number, 0); /* read since 1.31 */
    testing_has(p, "gateway.budget_interval_ignored", 7, "since Istio 1.31");
    policy_free(p);
    p = with_budget("istio@1.31", "    minRetryRate: {count: 0}\n");
    e = testing_resolve(p, "a", "/");
    assert_int_equal(e.budget.least.number, 10); /* the API server refuses it */
    testing_has(p, "object.value", 7, "must be 1 to 1000000");
    policy_free(p);
    p = with_budget("istio@1.31", "    minRetryRate: {}\n");
    e = testing_resolve(p, "a", "/");
    assert_int_equal(e.budget.ratio_ppm.number, 200000);
    assert_int_equal(e.budget.least.number, 10);
    assert_int_equal(e.budget.interval.number, 10 * TESTING_S);
    policy_free(p);
}

static void who_does_not_keep_the_budget_says_so(void **state)
{
    (void)state;
    struct policy *p = with_budget("gateway-api@1.6", "    budget: {percent: 25}\n");
    testing_has(p, "policy.not_judged", 6, "retryConstraint");
    assert_int_equal(testing_resolve(p, "a", "/").budget.kind, BUDGET_NONE);
    policy_free(p);
    p = with_budget("istio@1.25", "    budget: {percent: 25}\n");
    testing_has(p, "kind.since", 2, "since 1.26");
    assert_int_equal(testing_resolve(p, "a", "/").budget.kind, BUDGET_NONE);
    policy_free(p);
    p = with_budget("linkerd@2.19", "    budget: {percent: 25}\n");
    testing_has(p, "target.foreign_kind", 2, "not read by linkerd@2.19");
    assert_int_equal(testing_resolve(p, "a", "/").budget.kind, BUDGET_NONE);
    policy_free(p);
}

#define ROUTE(name, namespace, port, seconds) \
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n" \
    "metadata: {name: " name \
    ", namespace: " namespace "}\nspec:\n" \
                              "  parentRefs: [{group: '', kind: Service, name: a, namespace: " \
                              "shop" port "}]\n" \
                              "  rules: [{timeouts: {request: " seconds "}}]\n---\n"
#define SERVICE(name, namespace) \
    "apiVersion: v1\nkind: Service\nmetadata: {name: " name \
    ", namespace: " namespace "}\n" \
                              "spec: {ports: [{name: http, port: 8080}]}\n---\n"
#define VIRTUAL_SERVICE \
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\n" \
    "metadata: {name: v, namespace: shop}\nspec: {hosts: [a], http: [{timeout: 9s}]}\n---\n"

/* All asked of Istio itself too (suites/selftest/istio/policies 98 to 9c). */
static void the_route_in_force_is_the_parents_and_the_callers(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *from;
        uint64_t seconds;
    } rows[] = {
        {VIRTUAL_SERVICE ROUTE("r", "shop", "", "3s"), "client", 3},
        {ROUTE("r", "shop", "", "3s") VIRTUAL_SERVICE, "client", 3},
        {SERVICE("a", "shop") ROUTE("r", "shop", ", port: 8080", "3s"), "client", 3},
        {SERVICE("a", "shop") ROUTE("r", "shop", ", port: 9999", "3s"), "client", 0},
        {ROUTE("r", "shop", ", port: 9999", "3s"), "client", 3}, /* nothing says otherwise */
        {SERVICE("a", "shop") SERVICE("f", "shop") ROUTE("r", "bank", "", "3s"), "f", 0},
        {SERVICE("a", "shop") SERVICE("f", "bank") ROUTE("r", "bank", "", "3s"), "f", 3},
        {SERVICE("a", "shop") SERVICE("f", "shop") ROUTE("r", "bank", "", "3s")
             ROUTE("s", "shop", "", "5s"),
         "f", 5},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = testing_read("istio@1.31", 3, rows[i].yaml);
        struct edge_policy e;
        policy_resolve(p, rows[i].from, "a", "/", 3, &e);
        if (e.request_timeout.number != rows[i].seconds * TESTING_S)
            fail_msg("row %zu: %llu", i, (unsigned long long)e.request_timeout.number);
        policy_free(p);
    }
    struct policy *p = testing_read("istio@1.31", 3, VIRTUAL_SERVICE ROUTE("r", "shop", "", "3s"));
    testing_has(p, "object.twice", 2, "VirtualService v is for the host of HTTPRoute r (line 7)");
    policy_free(p);
    p = testing_read("istio@1.31", 3,
                     SERVICE("a", "shop") ROUTE("r", "shop", ", port: 9999", "3s"));
    testing_has(p, "policy.narrowed", 10, "is for another port than the one of Service a");
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_route_in_force_is_the_parents_and_the_callers),
        cmocka_unit_test(istio_retries_codes_and_connection_failures),
        cmocka_unit_test(istio_before_1_25_ignores_retry),
        cmocka_unit_test(istio_before_1_20_ignores_timeouts),
        cmocka_unit_test(istio_backend_request_is_the_total_without_retry),
        cmocka_unit_test(istio_backend_request_is_per_try_with_retry),
        cmocka_unit_test(an_unsupported_filter_discards_all_rules),
        cmocka_unit_test(values_and_durations_are_checked),
        cmocka_unit_test(exact_paths_and_longer_prefixes_win),
        cmocka_unit_test(a_parent_must_be_a_service_of_the_core_group),
        cmocka_unit_test(the_bare_standard_retries_only_what_is_asked),
        cmocka_unit_test(grpc_methods_are_paths),
        cmocka_unit_test(a_grpc_route_has_neither_timeouts_nor_retry),
        cmocka_unit_test(linkerd_reads_annotations_of_a_grpc_route_since_2_16),
        cmocka_unit_test(istio_makes_a_budget_of_retries_at_once),
        cmocka_unit_test(who_does_not_keep_the_budget_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
