#include "policy/testing.h"

/* What no reader asks for is a finding all the same, at every depth. */

#define ISTIO(kind, spec) \
    "apiVersion: networking.istio.io/v1\nkind: " kind "\nmetadata: {name: a}\nspec:\n" spec
#define LINKERD(api, kind, name, spec) \
    "apiVersion: " api "\nkind: " kind "\nmetadata: {name: " name "}\nspec:\n" spec

struct row {
    const char *yaml, *rule;
    uint32_t line;
    const char *part;
};

static void are_told(const char *target, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct policy *p = testing_read(target, 3, rows[i].yaml);
        testing_has(p, rows[i].rule, rows[i].line, rows[i].part);
        policy_free(p);
    }
}

static void a_misspelt_field_is_told_at_every_depth(void **state)
{
    (void)state;
    static const char unknown[] = "istio.unknown_field";
    static const struct row rows[] = {
        {ISTIO("VirtualService", "  hosts: [a]\n  http:\n  - match: [{uri: {prefx: /api}}]\n"),
         unknown, 7, "VirtualService a http[0].match[0].uri has no field \"prefx\""},
        {ISTIO("VirtualService",
               "  hosts: [a]\n  http:\n  - route: [{destination: {host: a}, weigth: 9}]\n"),
         unknown, 7, "route[0] has no field \"weigth\" (did you mean \"weight\"?)"},
        {ISTIO("VirtualService", "  hosts: [a]\n  http:\n  - fault: {abort: {httpStatu: 5}}\n"),
         unknown, 7, "fault.abort has no field"},
        {ISTIO("VirtualService",
               "  hosts: [a]\n  http:\n  - match: [{headers: {x: {exakt: y}}}]\n"),
         unknown, 7, "match[0].headers.x has no field"},
        {ISTIO("DestinationRule", "  host: a\n  subsets:\n  - name: v1\n    trafficPolicy:\n"
                                  "      outlierDetection: {consecutiv5xxErrors: 3}\n"),
         unknown, 9, "subsets[0].trafficPolicy.outlierDetection has no field"},
        {"apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n"
         "spec:\n  mtls: {mod: STRICT}\n",
         unknown, 5, "PeerAuthentication a mtls has no field \"mod\""},
    };
    are_told("istio@1.31", rows, COUNT_OF(rows));
}

static void of_the_gateway_api_too(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n"
         "  rules:\n  - backendRefs: [{name: a, wieght: 3}]\n",
         "gateway.unknown_field", 6, "backendRefs[0] has no field \"wieght\""},
        {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n"
         "  rules:\n  - matches: [{path: {typ: Exact, value: /x}}]\n",
         "gateway.unknown_field", 6, "matches[0].path has no field \"typ\""},
        {"apiVersion: gateway.networking.x-k8s.io/v1alpha1\nkind: XBackendTrafficPolicy\n"
         "metadata: {name: a}\nspec:\n  retryConstraint:\n    budget: {percnt: 10}\n",
         "gateway.unknown_field", 6, "retryConstraint.budget has no field \"percnt\""},
    };
    are_told("istio@1.31", rows, COUNT_OF(rows));
}

static void and_of_linkerd(void **state)
{
    (void)state;
    static const char unknown[] = "linkerd.unknown_field";
    static const struct row rows[] = {
        {LINKERD("linkerd.io/v1alpha2", "ServiceProfile", "a.b.svc.cluster.local",
                 "  routes:\n  - condition: {pathRegex: /a}\n    isRetriable: true\n"),
         unknown, 7, "routes[0] has no field \"isRetriable\" (did you mean \"isRetryable\"?)"},
        {LINKERD("linkerd.io/v1alpha2", "ServiceProfile", "a.b.svc.cluster.local",
                 "  routes:\n  - condition: {all: [{pathRegx: /a}]}\n"),
         unknown, 6, "routes[0].condition.all[0] has no field"},
        {LINKERD("linkerd.io/v1alpha2", "ServiceProfile", "a.b.svc.cluster.local",
                 "  retryBudget: {minRetriesPerSeconds: 4}\n"),
         unknown, 5, "retryBudget has no field"},
        {LINKERD("policy.linkerd.io/v1beta3", "Server", "a", "  port: 80\n  accesPolicy: deny\n"),
         unknown, 6, "Server a has no field \"accesPolicy\""},
        {LINKERD("policy.linkerd.io/v1alpha1", "HTTPLocalRateLimitPolicy", "a",
                 "  targetRef: {group: policy.linkerd.io, kind: Server, name: a}\n"
                 "  total: {requestPerSecond: 10}\n"),
         unknown, 6, "total has no field \"requestPerSecond\""},
    };
    are_told("linkerd@2.19", rows, COUNT_OF(rows));
}

static void a_map_where_a_list_is_due_is_told(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {ISTIO("VirtualService", "  hosts: a\n  http: []\n"), "object.value", 5,
         "VirtualService a hosts is no list"},
        {ISTIO("VirtualService", "  hosts: [a]\n  http: {retries: {attempts: 3}}\n"),
         "object.value", 6, "VirtualService a http is no list"},
        {ISTIO("DestinationRule", "  host: a\n  subsets: {name: v1}\n"), "object.value", 6,
         "DestinationRule a subsets is no list"},
        {"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec:\n"
         "  rules:\n  - retry: {codes: 503, attempts: 1}\n",
         "object.value", 6, "rules[0].retry.codes is no list"},
    };
    are_told("istio@1.31", rows, COUNT_OF(rows));
}

static void so_is_what_stands_beside_the_spec(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n"
         "  annotation: {retry.linkerd.io/limit: \"3\"}\nspec: {ports: []}\n",
         "object.unknown_field", 5,
         "Service a metadata has no field \"annotation\" (did you mean \"annotations\"?)"},
        {"apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: [x]}\n", "object.value",
         3, "Service a metadata.annotations is no map"},
        {"apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\n"
         "metadata: {name: a.b.svc.cluster.local}\nspecs: {}\n",
         "object.unknown_field", 4, "has no field \"specs\" (did you mean \"spec\"?)"},
    };
    are_told("linkerd@2.19", rows, COUNT_OF(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_misspelt_field_is_told_at_every_depth),
        cmocka_unit_test(of_the_gateway_api_too),
        cmocka_unit_test(and_of_linkerd),
        cmocka_unit_test(a_map_where_a_list_is_due_is_told),
        cmocka_unit_test(so_is_what_stands_beside_the_spec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
