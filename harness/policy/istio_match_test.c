#include "policy/testing.h"

/* Which of several entries and objects is in force for a call. All but the expressions are also
 * asked of Istio itself (suites/selftest/istio/policies 87 to 97). */

#define SERVICE \
    "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n" \
    "spec: {ports: [{name: http, port: 8080}]}\n---\n"
#define ENTRIES(first) \
    SERVICE \
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\n" \
    "metadata: {name: v, namespace: shop}\nspec:\n  hosts: [a]\n  http:\n" \
    "  - {match: [" first "], timeout: 3s}\n  - {timeout: 7s}\n"
#define RULE(name, namespace, more, failures) \
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n" \
    "metadata: {name: " name \
    ", namespace: " namespace "}\n" \
                              "spec: {" more \
                              "trafficPolicy: {outlierDetection: {consecutive5xxErrors: " failures \
                              "}}}\n---\n"
#define IN(namespace) \
    "apiVersion: v1\nkind: Service\nmetadata: {name: front, namespace: " namespace "}\n---\n"
#define WHOLE "host: a.shop.svc.cluster.local, "
#define WILD "host: '*.shop.svc.cluster.local', "

static void an_entry_is_ours_by_path_port_and_namespace(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *path;
        uint64_t seconds;
    } rows[] = {
        {ENTRIES("{uri: {regex: '/v[0-9]+/.*'}}"), "/v12/x", 3},
        {ENTRIES("{uri: {regex: '/v[0-9]+/.*'}}"), "/v12", 7}, /* both ends are anchored */
        {ENTRIES("{uri: {regex: '(?i)/v'}}"), "/v", 7},        /* not read, and told */
        {ENTRIES("{uri: {prefix: /API}, ignoreUriCase: true}"), "/api/x", 3},
        {ENTRIES("{uri: {exact: /API}, ignoreUriCase: true}"), "/api", 3},
        {ENTRIES("{uri: {prefix: /API}}"), "/api/x", 7},
        {ENTRIES("{port: 8080}"), "/", 3},
        {ENTRIES("{port: 9999}"), "/", 7},
        {ENTRIES("{sourceNamespace: shop}"), "/", 3},
        {ENTRIES("{sourceNamespace: bank}"), "/", 7},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = testing_read("istio@1.31", 3, rows[i].yaml);
        struct edge_policy e = testing_resolve(p, "a", rows[i].path);
        if (e.request_timeout.number != rows[i].seconds * TESTING_S)
            fail_msg("row %zu: %llu", i, (unsigned long long)e.request_timeout.number);
        policy_free(p);
    }
    struct policy *p = testing_read("istio@1.31", 3, ENTRIES("{uri: {regex: '(?i)/v'}}"));
    testing_has(p, "policy.narrowed", 12, "http[0].match[0] holds for some requests only");
    policy_free(p);
    p = testing_read("istio@1.31", 3, ENTRIES("{port: 8080}"));
    testing_has_none(p, "policy.narrowed");
    policy_free(p);
}

static void a_rule_is_of_its_namespace_and_its_callers(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *from;
        uint64_t failures; /* 0: none is in force */
    } rows[] = {
        {SERVICE RULE("r", "bank", WHOLE, "2"), "client", 2}, /* who may be there */
        {SERVICE RULE("r", "shop", WHOLE, "3") RULE("s", "bank", WHOLE, "2"), "client", 3},
        {SERVICE IN("shop") RULE("r", "bank", WHOLE, "2"), "front", 0},
        {SERVICE IN("bank") RULE("r", "shop", WHOLE, "3") RULE("s", "bank", WHOLE, "2"), "front",
         2},
        {SERVICE IN("bank") RULE("r", "shop", WHOLE "exportTo: [bank], ", "3"), "front", 3},
        {SERVICE RULE("r", "istio-system", WHOLE, "2"), "client", 2},
        {SERVICE RULE("r", "istio-system", WHOLE, "2") RULE("s", "shop", "host: a, ", "3"),
         "client", 3},
        {SERVICE RULE("r", "istio-system", WHOLE, "2") RULE("s", "shop", WILD, "3"), "client", 3},
        {SERVICE RULE("r", "shop", WILD, "2") RULE("s", "shop", "host: a, ", "3"), "client", 3},
        {SERVICE RULE("r", "shop", "host: a, exportTo: [bank], ", "2"), "client", 0},
        {SERVICE RULE("r", "shop", "host: a, exportTo: ['.', bank], ", "2"), "client", 2},
        {SERVICE RULE("r", "shop", "host: a, exportTo: ['*'], ", "2"), "client", 2},
        {SERVICE RULE("r", "shop", "host: a, ", "2")
             RULE("s", "shop", "host: a, workloadSelector: {matchLabels: {app: front}}, ", "3"),
         "front", 3},
        {SERVICE RULE("r", "shop", "host: a, ", "2")
             RULE("s", "shop", "host: a, workloadSelector: {matchLabels: {app: front}}, ", "3"),
         "client", 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = testing_read("istio@1.31", 3, rows[i].yaml);
        struct edge_policy e;
        policy_resolve(p, rows[i].from, "a", NULL, 3, &e);
        if (e.outlier.consecutive_5xx.number != rows[i].failures ||
            e.outlier.present != (rows[i].failures > 0))
            fail_msg("row %zu: %llu", i, (unsigned long long)e.outlier.consecutive_5xx.number);
        policy_free(p);
    }
}

static void what_is_for_other_callers_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *part;
    } rows[] = {
        {RULE("r", "shop", "host: a, exportTo: [bank], ", "2"),
         "is not exported to namespace shop"},
        {"apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
         "metadata: {name: v, namespace: shop}\n"
         "spec: {hosts: [a], exportTo: [bank], http: [{timeout: 1s}]}\n",
         "VirtualService v is not exported to namespace shop"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct policy *p = testing_read("istio@1.31", 3, rows[i].yaml);
        testing_has(p, "policy.not_judged", 2, rows[i].part);
        policy_free(p);
    }
    struct policy *p = testing_read("istio@1.31", 3, RULE("r", "istio-system", WHOLE, "2"));
    testing_has_none(p, "policy.not_judged");
    policy_free(p);
}

/* A canary that gets nothing yet, or has all. */
static void a_weight_of_zero_leads_nowhere(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3,
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n"
        "  hosts: [a]\n  http:\n  - route:\n"
        "    - {destination: {host: a, subset: old}, weight: 0}\n"
        "    - {destination: {host: a, subset: new}, weight: 100}\n---\n"
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec:\n"
        "  host: a\n  subsets:\n  - {name: old}\n  - name: new\n"
        "    trafficPolicy: {outlierDetection: {consecutive5xxErrors: 4}}\n");
    assert_int_equal(testing_resolve(p, "a", NULL).outlier.consecutive_5xx.number, 4);
    policy_free(p);
}

static void zeros_and_stars_are_as_istio_has_them(void **state)
{
    (void)state;
    struct policy *p = testing_read(
        "istio@1.31", 3,
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r}\nspec:\n"
        "  host: a\n  trafficPolicy: {retryBudget: {percent: 0, minRetryConcurrency: 0}}\n");
    struct edge_policy e = testing_resolve(p, "a", NULL);
    assert_int_equal(e.budget.ratio_ppm.number, 0);
    assert_int_equal(e.budget.least.number, 3);
    policy_free(p);
    p = testing_read("istio@1.31", 3,
                     "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                     "metadata: {name: v}\nspec:\n  hosts: ['*']\n  http: [{timeout: 1s}]\n");
    testing_has(p, "object.value", 5, "hosts[0] is \"*\", which Istio's webhook refuses");
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_ours_by_path_port_and_namespace),
        cmocka_unit_test(a_rule_is_of_its_namespace_and_its_callers),
        cmocka_unit_test(what_is_for_other_callers_is_told),
        cmocka_unit_test(a_weight_of_zero_leads_nowhere),
        cmocka_unit_test(zeros_and_stars_are_as_istio_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
