#include "kube/copy.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct objects_run run = {
    .run = "7f3a91c2", .namespace = "meshproof", .anchor_uid = "uid-anchor"};

/* A file's first document, as a policy reader sees it, and its copy; compared as JSON. */
static void check(const char *yaml, const char *want)
{
    static const char *const servers[] = {"payments-http", NULL};
    struct copy_names names = {.service = "payments", .namespace = "shop", .servers = servers};
    struct arena arena;
    struct error err = {0};
    size_t nodes = YAML_MAX_NODES, count;
    const struct yaml_node **documents;
    arena_init(&arena, (size_t)16 << 20);
    assert_true(yaml_parse(bytes_of(yaml), "k8s/p.yaml", &nodes, &arena, &documents, &count, &err));
    json_t *object = copy_json(documents[0]), *copy = copy_policy(&run, object, &names);
    if (want == NULL) {
        assert_null(copy);
    } else {
        json_error_t why;
        json_t *wanted = json_loads(want, 0, &why);
        if (wanted == NULL)
            fail_msg("%s", why.text);
        json_object_del(json_object_get(copy, "metadata"), "ownerReferences");
        if (!json_equal(copy, wanted))
            fail_msg("%s\nis not\n%s", json_dumps(copy, JSON_COMPACT), want);
        json_decref(wanted);
    }
    json_decref(object);
    json_decref(copy);
    arena_release(&arena);
}

#define HEAD(name) \
    "\"metadata\":{\"name\":\"" name \
    "\",\"namespace\":\"meshproof\",\"labels\":{\"meshproof.io/run\":" \
    "\"7f3a91c2\"}}"
#define HOST "mp-7f3a91c2-payments.meshproof.svc.cluster.local"

static void a_virtual_service_keeps_all_but_its_hosts(void **state)
{
    (void)state;
    check("apiVersion: networking.istio.io/v1beta1\n"
          "kind: VirtualService\n"
          "metadata:\n"
          "  name: payments\n"
          "  namespace: shop\n"
          "  uid: u\n"
          "  resourceVersion: '7'\n"
          "  generation: 3\n"
          "  managedFields: [{manager: kubectl}]\n"
          "  ownerReferences: [{kind: X}]\n"
          "  labels: {app.kubernetes.io/instance: shop}\n"
          "  annotations:\n"
          "    kubectl.kubernetes.io/last-applied-configuration: '{}'\n"
          "    argocd.argoproj.io/tracking-id: shop\n"
          "spec:\n"
          "  hosts: [payments, other, payments.shop.svc.cluster.local, payments.elsewhere]\n"
          "  http:\n"
          "  - timeout: 2s\n"
          "    retries: {attempts: 3, retryOn: '5xx,reset', perTryTimeout: 600ms}\n"
          "    mirror: {host: shadow}\n"
          "    route:\n"
          "    - destination: {host: payments.shop, subset: v1, port: {number: 80}}\n"
          "      weight: 90\n"
          "    - destination: {host: fallback}\n"
          "      weight: 10\n"
          "    fault: {delay: {percentage: {value: 0.5}}}\n"
          "status: {observedGeneration: 3}\n",
          "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"VirtualService\"," HEAD(
              "mp-7f3a91c2-payments") ",\"spec\":{\"hosts\":[\"" HOST "\",\"other\",\"" HOST
                                      "\",\"payments.elsewhere\"],\"http\":[{\"timeout\":\"2s\","
                                      "\"retries\":{\"attempts\":3,"
                                      "\"retryOn\":\"5xx,reset\",\"perTryTimeout\":\"600ms\"},"
                                      "\"mirror\":{\"host\":\"shadow\"},"
                                      "\"route\":[{\"destination\":{\"host\":\"" HOST
                                      "\",\"subset\":\"v1\",\"port\":{\"number\":80}},\"weight\":"
                                      "90},{\"destination\":{\"host\":"
                                      "\"fallback\"},\"weight\":10}],\"fault\":{\"delay\":{"
                                      "\"percentage\":{\"value\":0.5}}}}]}}");
}

static void a_route_names_the_canary_as_parent_and_backend(void **state)
{
    (void)state;
    check("apiVersion: gateway.networking.k8s.io/v1\n"
          "kind: HTTPRoute\n"
          "metadata: {name: payments-route, namespace: shop}\n"
          "spec:\n"
          "  parentRefs:\n"
          "  - {group: '', kind: Service, name: payments, port: 80}\n"
          "  - {name: payments}\n" /* a Gateway of that name */
          "  rules:\n"
          "  - timeouts: {request: 3s}\n"
          "    retry: {codes: [500, 503], attempts: 2, backoff: 50ms}\n"
          "    filters: [{type: RequestMirror, requestMirror: {backendRef: {name: payments, port: "
          "80}}}]\n"
          "    backendRefs: [{name: payments, namespace: shop, port: 80}, {name: v2, port: 80}]\n",
          "{\"apiVersion\":\"gateway.networking.k8s.io/v1\",\"kind\":\"HTTPRoute\"," HEAD(
              "mp-7f3a91c2-payments-route") ",\"spec\":{\"parentRefs\":[{\"group\":\"\",\"kind\":"
                                            "\"Service\",\"name\":\"mp-7f3a91c2-payments\","
                                            "\"port\":80},"
                                            "{\"name\":\"payments\"}],\"rules\":[{\"timeouts\":{"
                                            "\"request\":\"3s\"},\"retry\":{\"codes\":[500,503],"
                                            "\"attempts\":2,\"backoff\":\"50ms\"},\"filters\":[{"
                                            "\"type\":"
                                            "\"RequestMirror\",\"requestMirror\":{\"backendRef\":{"
                                            "\"name\":"
                                            "\"mp-7f3a91c2-payments\",\"port\":80}}}],"
                                            "\"backendRefs\":[{"
                                            "\"name\":\"mp-7f3a91c2-payments\",\"port\":80},{"
                                            "\"name\":"
                                            "\"v2\",\"port\":80}]}]}}");
}

static void linkerds_objects_follow_the_service(void **state)
{
    (void)state;
    check("apiVersion: linkerd.io/v1alpha2\nkind: ServiceProfile\n"
          "metadata: {name: payments.shop.svc.cluster.local, namespace: shop}\n"
          "spec: {retryBudget: {retryRatio: 0.2}}\n",
          "{\"apiVersion\":\"linkerd.io/v1alpha2\",\"kind\":\"ServiceProfile\"," HEAD(
              HOST) ",\"spec\":{\"retryBudget\":{\"retryRatio\":0.2}}}");
    check(
        "apiVersion: policy.linkerd.io/v1beta1\nkind: Server\n"
        "metadata: {name: payments-http, namespace: shop}\n"
        "spec: {port: 9000, proxyProtocol: HTTP/1, podSelector: {matchLabels: {app: payments}}}\n",
        "{\"apiVersion\":\"policy.linkerd.io/v1beta3\",\"kind\":\"Server\"," HEAD(
            "mp-7f3a91c2-payments-http") ",\"spec\":{\"port\":\"http\",\"proxyProtocol\":\"HTTP/"
                                         "1\","
                                         "\"podSelector\":{\"matchLabels\":{\"meshproof.io/run\":"
                                         "\"7f3a91c2\",\"meshproof.io/role\":\"endpoint\","
                                         "\"meshproof.io/service\":\"payments\"}}}}");
    check("apiVersion: policy.linkerd.io/v1alpha1\nkind: HTTPLocalRateLimitPolicy\n"
          "metadata: {name: limit, namespace: shop}\n"
          "spec: {targetRef: {group: policy.linkerd.io, kind: Server, name: payments-http}, total: "
          "{requestsPerSecond: 100}}\n",
          "{\"apiVersion\":\"policy.linkerd.io/"
          "v1alpha1\",\"kind\":\"HTTPLocalRateLimitPolicy\"," HEAD(
              "mp-7f3a91c2-limit") ",\"spec\":{\"targetRef\":{\"group\":\"policy.linkerd.io\","
                                   "\"kind\":"
                                   "\"Server\",\"name\":\"mp-7f3a91c2-payments-http\"},\"total\":{"
                                   "\"requestsPerSecond\":100}}}");
}

static void what_says_nothing_of_the_service_is_not_copied(void **state)
{
    (void)state;
    check("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
          "metadata: {name: orders, namespace: shop}\nspec: {host: orders}\n",
          NULL);
    /* A short name is of its own namespace. */
    check("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
          "metadata: {name: payments, namespace: other}\nspec: {host: payments}\n",
          NULL);
    check("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
          "metadata: {name: p, namespace: shop}\nspec: {host: payments-old}\n",
          NULL);
    check("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
          "metadata: {name: payments, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n",
          NULL);
    check("apiVersion: v1\nkind: Secret\nmetadata: {name: payments}\n", NULL);
}

static void the_services_own_annotations_are_policy_too(void **state)
{
    json_t *service =
        json_pack("{s:{s:{s:s, s:s, s:s, s:s}}}", "metadata", "annotations",
                  "retry.linkerd.io/http", "5xx", "balancer.linkerd.io/failure-accrual",
                  "consecutive", "argocd.argoproj.io/tracking-id", "x", "team", "a");
    (void)state;
    json_t *read = copy_annotations(service);
    assert_int_equal(json_object_size(read), 2);
    assert_non_null(json_object_get(read, "retry.linkerd.io/http"));
    json_decref(read);
    json_decref(service);
}

/* Scalars as Kubernetes reads them. */
static void yaml_becomes_the_json_that_kubectl_would_send(void **state)
{
    struct arena arena;
    struct error err = {0};
    size_t nodes = YAML_MAX_NODES, count;
    const struct yaml_node **documents;
    (void)state;
    arena_init(&arena, (size_t)16 << 20);
    assert_true(
        yaml_parse(BYTES("{a: 1, b: -2, c: 1.5, d: 'yes', e: true, f: null, g: ~, h: [], i: "
                         "{}, j: 5xx, k: \"1\", l: 9223372036854775807}"),
                   "f", &nodes, &arena, &documents, &count, &err));
    json_t *read = copy_json(documents[0]);
    json_t *want =
        json_loads("{\"a\":1,\"b\":-2,\"c\":1.5,\"d\":\"yes\",\"e\":true,\"f\":null,\"g\":"
                   "null,\"h\":[],\"i\":{},\"j\":\"5xx\",\"k\":\"1\",\"l\":"
                   "9223372036854775807}",
                   0, NULL);
    if (!json_equal(read, want))
        fail_msg("%s", json_dumps(read, 0));
    json_decref(read);
    json_decref(want);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_virtual_service_keeps_all_but_its_hosts),
        cmocka_unit_test(a_route_names_the_canary_as_parent_and_backend),
        cmocka_unit_test(linkerds_objects_follow_the_service),
        cmocka_unit_test(what_says_nothing_of_the_service_is_not_copied),
        cmocka_unit_test(the_services_own_annotations_are_policy_too),
        cmocka_unit_test(yaml_becomes_the_json_that_kubectl_would_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
