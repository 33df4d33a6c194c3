#include "policy/testing.h"

struct told {
    struct policy *p;
    struct arena arena;
    struct edge_policy edge;
};

static void explain(struct told *t, const char *target, const char *yaml, const char *path)
{
    t->p = testing_read(target, 3, yaml);
    arena_init(&t->arena, (size_t)16 << 20);
    policy_explain(t->p, "client", "a", path, 3, &t->arena, &t->edge);
}

static void release(struct told *t)
{
    policy_free(t->p);
    arena_release(&t->arena);
}

/* The ${nth} of the name, from 0. */
static const struct other_value *other(const struct told *t, const char *name, size_t nth)
{
    for (size_t i = 0; i < t->edge.other_count; i++) {
        if (strcmp(t->edge.others[i].name, name) == 0 && nth-- == 0)
            return &t->edge.others[i];
    }
    fail_msg("nothing else is said of %s", name);
    return NULL;
}

#define RULE(name, spec) \
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " name "}\n" \
    "spec: {host: a, trafficPolicy: {" spec "}}\n---\n"
#define ROUTE(name, http) \
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " name "}\n" \
    "spec: {hosts: [a], http: [{" http "}]}\n---\n"

static void the_default_that_a_value_replaces_is_told(void **state)
{
    (void)state;
    struct told t;
    explain(&t, "istio@1.31", ROUTE("v", "retries: {attempts: 4, retryOn: 5xx}"), "/");
    const struct other_value *o = other(&t, "retry.attempts", 0);
    assert_string_equal(o->shown, "2");
    assert_string_equal(o->origin, "default of istio@1.31");
    assert_null(o->source.file);
    assert_false(o->ignored);
    assert_string_equal(other(&t, "retry.conditions", 0)->shown,
                        "connect-failure,refused-stream,cancelled,unavailable");
    release(&t);
}

static void the_second_object_of_a_host_is_told(void **state)
{
    (void)state;
    struct told t;
    explain(&t, "istio@1.31",
            ROUTE("v1", "timeout: 1s") ROUTE("v2", "timeout: 2s")
                RULE("d1", "outlierDetection: {consecutive5xxErrors: 3}")
                    RULE("d2", "outlierDetection: {consecutive5xxErrors: 5}"),
            "/");
    const struct other_value *o = other(&t, "request_timeout", 0);
    assert_string_equal(o->shown, "2s");
    assert_int_equal(o->source.line, 9);
    assert_false(o->ignored);
    o = other(&t, "outlier.consecutive_5xx", 0);
    assert_string_equal(o->shown, "5");
    assert_int_equal(o->source.line, 19);
    assert_non_null(strstr(o->why, "another DestinationRule"));
    release(&t);
}

static void what_the_target_does_not_do_is_told(void **state)
{
    (void)state;
    struct told t;
    explain(&t, "istio@1.31",
            ROUTE("v", "timeout: 1s, retries: {attempts: 2, perTryTimeout: 1s}")
                RULE("d", "connectionPool: {http: {maxRetries: 0}}, "
                          "outlierDetection: {maxEjectionPercent: 0}"),
            "/");
    const struct other_value *o = other(&t, "retry.per_try_timeout", 0);
    assert_true(o->ignored);
    assert_string_equal(o->shown, "1s");
    assert_non_null(strstr(o->why, "not below the request timeout"));
    assert_true(other(&t, "outlier.max_ejection_percent", 0)->ignored);
    assert_true(other(&t, "pool.max_retries", 0)->ignored);
    release(&t);
    explain(&t, "istio-ambient@1.31", ROUTE("v", "timeout: 1s, retries: {attempts: 5}"), "/");
    o = other(&t, "request_timeout", 0);
    assert_true(o->ignored);
    assert_non_null(strstr(o->why, "knows no HTTP"));
    assert_string_equal(other(&t, "retry.attempts", 0)->shown, "5");
    release(&t);
    explain(&t, "linkerd@2.19", ROUTE("v", "timeout: 1s"), "/");
    o = other(&t, "", 0);
    assert_string_equal(o->origin, "VirtualService v");
    assert_string_equal(o->why, "not read by linkerd@2.19");
    assert_int_equal(o->source.line, 2);
    release(&t);
}

#define SERVICE(annotations) \
    "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n" annotations "---\n"
#define PROFILE \
    "apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\n" \
    "metadata: {name: a.shop.svc.cluster.local}\n" \
    "spec: {routes: [{name: r, condition: {pathRegex: '/.*'}, isRetryable: true}]}\n"

static void annotations_that_do_not_hold_are_told(void **state)
{
    (void)state;
    struct told t;
    explain(&t, "linkerd@2.15", SERVICE("    retry.linkerd.io/limit: \"3\"\n"), "/");
    const struct other_value *o = other(&t, "", 0);
    assert_string_equal(o->origin, "Service a retry.linkerd.io/limit");
    assert_int_equal(o->source.line, 6);
    assert_string_equal(o->why, "read since Linkerd 2.16");
    release(&t);
    explain(&t, "linkerd@2.16", SERVICE("    retry.linkerd.io/limit: \"3\"\n") PROFILE, "/");
    /* The profile's route has no attempts of its own: the budget alone is the bound. */
    assert_false(t.edge.retry.attempts.set);
    o = other(&t, "retry.attempts", 0);
    assert_string_equal(o->shown, "0");
    o = other(&t, "retry.attempts", 1);
    assert_string_equal(o->shown, "3");
    assert_true(o->ignored);
    assert_string_equal(o->why, "the ServiceProfile turns it off");
    release(&t);
    explain(&t, "linkerd@2.16", SERVICE("    retry.linkerd.io/limit: \"0\"\n"), "/");
    o = other(&t, "retry.attempts", 1);
    assert_string_equal(o->shown, "0");
    assert_non_null(strstr(o->why, "taken as unset"));
    release(&t);
}

static void peers_above_the_nearest_are_told(void **state)
{
    (void)state;
    struct told t;
    explain(&t, "istio@1.31",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n---\n"
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
            "metadata: {name: p, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n---\n"
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
            "metadata: {name: p, namespace: istio-system}\nspec: {mtls: {mode: DISABLE}}\n",
            "/");
    assert_int_equal(t.edge.mtls.accepts.number, MTLS_STRICT);
    const struct other_value *o = other(&t, "mtls.accepts", 1);
    assert_string_equal(o->shown, "DISABLE");
    assert_int_equal(o->source.line, 13);
    assert_string_equal(other(&t, "mtls.accepts", 0)->origin, "default of istio@1.31");
    release(&t);
}

static void what_cannot_be_told_is_said(void **state)
{
    (void)state;
    static const char peer[] =
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        "metadata: {name: p, namespace: shop}\n"
        "spec: {selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        "metadata: {name: v%s}\nspec: {hosts: [a], http: [{timeout: 1s}]}\n";
    static const char *const rows[][2] = {
        {"", "the namespace of the service is not known"},
        {", namespace: shop", "the pods of the service are not known: its Service is not here"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct told t;
        struct text yaml;
        const char *end = strstr(peer, "%s");
        text_init(&yaml, 4096);
        text_add(&yaml, "%.*s%s%s", (int)(end - peer), peer, rows[i][0], end + 2);
        explain(&t, "istio@1.31", text_get(&yaml), "/");
        assert_int_equal(t.edge.mtls.accepts.number, MTLS_PERMISSIVE);
        const struct other_value *o = other(&t, "", 0);
        assert_string_equal(o->origin, "PeerAuthentication p");
        assert_string_equal(o->why, rows[i][1]);
        release(&t);
        text_release(&yaml);
    }
}

static void the_print_and_the_json_have_them(void **state)
{
    (void)state;
    struct told t;
    struct text text;
    text_init(&text, 65536);
    explain(&t, "istio@1.31",
            ROUTE("v", "timeout: 1s, retries: {attempts: 2, perTryTimeout: 1s}")
                RULE("d1", "loadBalancer: {simple: RANDOM}")
                    RULE("d2", "loadBalancer: {simple: ROUND_ROBIN}"),
            "/");
    edge_policy_print(&t.edge, &text);
    static const char *const lines[] = {
        "\n    overridden: LEAST_REQUEST (default of istio@1.31)\n",
        "\n    overridden: ROUND_ROBIN (DestinationRule d2 trafficPolicy.loadBalancer.simple, "
        "a.yaml:14:56): another DestinationRule governs the host\n",
        "\n  retry.per_try_timeout            none\n"
        "    ignored: 1s (VirtualService v http[0].retries.perTryTimeout, a.yaml:4:79): it is not "
        "below the request timeout\n",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        if (strstr(text_get(&text), lines[i]) == NULL)
            fail_msg("%s\nis not in\n%s", lines[i], text_get(&text));
    }
    json_t *json = edge_policy_to_json(&t.edge);
    const json_t *others = json_object_get(json, "others"), *last = NULL;
    assert_int_equal(json_array_size(others), t.edge.other_count);
    for (size_t i = 0; i < json_array_size(others); i++) {
        const json_t *one = json_array_get(others, i);
        if (strcmp(json_string_value(json_object_get(one, "name")), "retry.per_try_timeout") == 0)
            last = one;
    }
    assert_string_equal(json_string_value(json_object_get(last, "is")), "ignored");
    assert_string_equal(json_string_value(json_object_get(last, "shown")), "1s");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(last, "source"), "line")),
                     4);
    struct edge_policy again;
    struct error err = {0};
    assert_true(edge_policy_from_json(json, &t.arena, &again, &err)); /* a journal has none */
    assert_int_equal(again.other_count, 0);
    json_decref(json);
    text_release(&text);
    release(&t);
}

/* A file of hostile size tells no more than a bound, in bounded space. */
static void a_thousand_others_are_the_most(void **state)
{
    (void)state;
    struct told t;
    struct text text;
    text_init(&text, 4 << 20);
    for (int i = 0; i < 3000; i++)
        text_add(&text, ROUTE("v%d", "timeout: %ds"), i, i + 1);
    explain(&t, "istio@1.31", text_get(&text), "/");
    assert_int_equal(t.edge.other_count, 1000);
    text_release(&text);
    release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_that_a_value_replaces_is_told),
        cmocka_unit_test(the_second_object_of_a_host_is_told),
        cmocka_unit_test(what_the_target_does_not_do_is_told),
        cmocka_unit_test(annotations_that_do_not_hold_are_told),
        cmocka_unit_test(peers_above_the_nearest_are_told),
        cmocka_unit_test(what_cannot_be_told_is_said),
        cmocka_unit_test(the_print_and_the_json_have_them),
        cmocka_unit_test(a_thousand_others_are_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
