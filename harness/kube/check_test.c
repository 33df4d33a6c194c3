/* A row says what it needs. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "kube/preflight.h"

#include "kube/fake_cluster_test.h"

/* A cluster in which a run may begin, as its API server answers (Istio with sidecars, interpose).
 */
static const char good[] =
    "{\"namespace\":{\"metadata\":{\"name\":\"shop\",\"labels\":{\"meshproof.io/allow\":"
    "\"canary.interpose\",\"istio-injection\":\"enabled\"}}},\"lease\":null,"
    "\"services\":[{\"metadata\":{\"name\":\"payments\",\"labels\":{}},\"spec\":{\"type\":"
    "\"ClusterIP\",\"clusterIP\":\"10.96.1.2\",\"sessionAffinity\":\"None\","
    "\"internalTrafficPolicy\":\"Cluster\",\"selector\":{\"app\":\"payments\"},\"ports\":[{"
    "\"name\":"
    "\"http\",\"port\":80,\"targetPort\":8080}]}}],"
    "\"pods\":[{\"metadata\":{\"name\":\"payments-5f6d-a\",\"labels\":{\"app\":\"payments\","
    "\"pod-template-hash\":\"5f6d\"}},\"spec\":{\"containers\":[{\"name\":\"app\"},{\"name\":"
    "\"istio-proxy\"}]}}],"
    "\"endpointslices\":[{\"metadata\":{\"name\":\"payments-x\",\"labels\":{"
    "\"kubernetes.io/service-name\":\"payments\"}},\"endpoints\":[{\"addresses\":[\"10.1.0.1\"],"
    "\"conditions\":{\"ready\":true}},{\"addresses\":[\"10.1.0.2\"],\"conditions\":{}},{"
    "\"addresses\":[\"10.1.0.3\"],\"conditions\":{\"ready\":false}}]}],"
    "\"replicasets\":[{\"metadata\":{\"name\":\"payments-5f6d\"},\"spec\":{\"selector\":{"
    "\"matchLabels\":{\"app\":\"payments\",\"pod-template-hash\":\"5f6d\"}}}}],"
    "\"statefulsets\":[],\"deployments\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{"
    "\"selector\":{\"matchLabels\":{\"app\":\"payments\"}}}}],"
    "\"horizontalpodautoscalers\":[],\"poddisruptionbudgets\":[],\"virtualservices\":[{"
    "\"metadata\":{\"name\":\"payments\"},\"spec\":{\"hosts\":[\"payments\"]}}],"
    "\"destinationrules\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"host\":\"payments\","
    "\"trafficPolicy\":{\"outlierDetection\":{}}}}],\"peerauthentications\":[{\"metadata\":{"
    "\"name\":"
    "\"default\"},\"spec\":{\"mtls\":{\"mode\":\"PERMISSIVE\"}}}],\"authorizationpolicies\":[],"
    "\"httproutes\":[{\"metadata\":{\"name\":\"one\",\"creationTimestamp\":\"2026-01-02T00:00:"
    "00Z\"},"
    "\"spec\":{\"parentRefs\":[{\"kind\":\"Service\",\"name\":\"payments\"}]}}],\"servers\":[],"
    "\"linkerd_authorizationpolicies\":[],"
    "\"dry_pods\":[{\"metadata\":{\"name\":\"mp-7f3a91c2-payments-1\",\"labels\":{"
    "\"meshproof.io/role\":\"endpoint\"}},\"spec\":{\"containers\":[{\"name\":\"agent\"}]}},{"
    "\"metadata\":{\"name\":\"mp-7f3a91c2-load-1\",\"labels\":{\"meshproof.io/role\":\"load\"},"
    "\"annotations\":{\"sidecar.istio.io/status\":\"{}\"}},\"spec\":{\"containers\":[{\"name\":"
    "\"agent\"}],\"initContainers\":[{\"name\":\"istio-proxy\",\"restartPolicy\":\"Always\"}]}}]}";

static const struct {
    enum gvr_id id;
    const char *key;
} kept[] = {{GVR_SERVICES, "services"},
            {GVR_PODS, "pods"},
            {GVR_ENDPOINTSLICES, "endpointslices"},
            {GVR_REPLICASETS, "replicasets"},
            {GVR_STATEFULSETS, "statefulsets"},
            {GVR_DEPLOYMENTS, "deployments"},
            {GVR_HORIZONTALPODAUTOSCALERS, "horizontalpodautoscalers"},
            {GVR_PODDISRUPTIONBUDGETS, "poddisruptionbudgets"},
            {GVR_VIRTUALSERVICES, "virtualservices"},
            {GVR_DESTINATIONRULES, "destinationrules"},
            {GVR_PEERAUTHENTICATIONS, "peerauthentications"},
            {GVR_ISTIO_AUTHORIZATIONPOLICIES, "authorizationpolicies"},
            {GVR_HTTPROUTES, "httproutes"},
            {GVR_SERVERS, "servers"},
            {GVR_LINKERD_AUTHORIZATIONPOLICIES, "linkerd_authorizationpolicies"}};

struct row {
    const char *check; /* NULL: nothing is found */
    enum objects_mesh mesh;
    enum objects_mode mode;
    const char *patch; /* RFC 7396, on ${good} */
    const char *say;   /* in the finding */
    const char *namespace;
    bool edits, uncontrolled;
    uint32_t share_ppm;
};

#define I OBJECTS_ISTIO, OBJECTS_INTERPOSE
#define C OBJECTS_ISTIO, OBJECTS_CANARY
#define L OBJECTS_LINKERD, OBJECTS_INTERPOSE
#define A OBJECTS_AMBIENT, OBJECTS_CANARY
#define LOAD(proxy) \
    "{\"metadata\":{\"name\":\"l\",\"labels\":{\"meshproof.io/role\":\"load\"}},\"spec\":{" \
    "\"containers\":[{\"name\":\"agent\"}" proxy "]}}"

static const struct row rows[] = {
    {NULL, I, "{}", NULL},
    {NULL, C, "{}", NULL},
    {"namespace_denied", I, "{}", "the cluster's or a mesh's own", "kube-system"},
    {"namespace_denied", I, "{}", "the cluster's or a mesh's own", "linkerd-viz"},
    {"not_opted_in", I,
     "{\"namespace\":{\"metadata\":{\"labels\":{\"meshproof.io/allow\":\"canary\"}}}}",
     "kubectl label namespace shop meshproof.io/allow=canary.interpose --overwrite"},
    {"not_opted_in", C, "{\"namespace\":{\"metadata\":{\"labels\":null}}}",
     "kubectl label namespace shop meshproof.io/allow=canary --overwrite"},
    {"not_opted_in", C,
     "{\"namespace\":{\"metadata\":{\"labels\":{\"meshproof.io/allow\":\"canaryx\"}}}}",
     "has not opted in"},
    {"two_data_planes", A,
     "{\"namespace\":{\"metadata\":{\"labels\":{\"istio.io/dataplane-mode\":\"ambient\"}}}}",
     "istio-injection: enabled and istio.io/dataplane-mode: ambient"},
    {"two_data_planes", A,
     "{\"namespace\":{\"metadata\":{\"labels\":{\"istio.io/dataplane-mode\":\"ambient\","
     "\"istio-injection\":null}}}}",
     "pod payments-5f6d-a still has a sidecar"},
    {"harness_injected", I,
     "{\"dry_pods\":[{\"metadata\":{\"name\":\"e\",\"labels\":{\"meshproof.io/"
     "role\":\"endpoint\"}},"
     "\"spec\":{\"containers\":[{\"name\":\"agent\"},{\"name\":\"istio-proxy\"}]}}]}",
     "pod e (endpoint) would be in the mesh"},
    {"harness_injected", C,
     "{\"dry_pods\":[{\"metadata\":{\"name\":\"g\",\"labels\":{\"meshproof.io/role\":\"guardian\"},"
     "\"annotations\":{\"ambient.istio.io/redirection\":\"enabled\"}}}]}",
     "pod g (guardian)"},
    {"load_not_injected", I, "{\"dry_pods\":[" LOAD("") "]}", "is Istio's injector there"},
    {"load_not_injected", L, "{\"dry_pods\":[" LOAD("") "]}", "is Linkerd's injector there"},
    {NULL, L, "{\"dry_pods\":[" LOAD(",{\"name\":\"linkerd-proxy\"}") "]}", NULL},
    {"load_not_injected", A, "{\"dry_pods\":[" LOAD("") "]}",
     "lacks istio.io/dataplane-mode: ambient"},
    {"adopted", I,
     "{\"replicasets\":[{\"metadata\":{\"name\":\"rs\"},\"spec\":{\"selector\":{"
     "\"matchLabels\":{\"app\":\"payments\"}}}}]}",
     "ReplicaSet rs would adopt pod mp-7f3a91c2-payments-1", .uncontrolled = true},
    {NULL, I,
     "{\"replicasets\":[{\"metadata\":{\"name\":\"rs\"},\"spec\":{\"selector\":{"
     "\"matchLabels\":{\"app\":\"payments\"}}}}]}"},
    {"counted", I,
     "{\"horizontalpodautoscalers\":[{\"metadata\":{\"name\":\"hpa\"},\"spec\":{"
     "\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"payments\"}}}]}",
     "HorizontalPodAutoscaler hpa counts our pods"},
    {NULL, I,
     "{\"horizontalpodautoscalers\":[{\"metadata\":{\"name\":\"hpa\"},\"spec\":{"
     "\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"orders\"}}}]}"},
    {"counted", I,
     "{\"poddisruptionbudgets\":[{\"metadata\":{\"name\":\"pdb\"},\"spec\":{\"selector\":{"
     "\"matchLabels\":{\"app\":\"payments\"}}}}]}",
     "PodDisruptionBudget pdb counts our pods"},
    {"strict_mtls", I,
     "{\"peerauthentications\":[{\"metadata\":{\"name\":\"strict\"},\"spec\":{\"mtls\":"
     "{\"mode\":\"STRICT\"}}}]}",
     "PeerAuthentication strict is STRICT"},
    {NULL, I,
     "{\"peerauthentications\":[{\"metadata\":{\"name\":\"strict\"},\"spec\":{\"mtls\":{\"mode\":"
     "\"STRICT\"},\"selector\":{\"matchLabels\":{\"app\":\"orders\"}}}}]}"},
    {NULL, C,
     "{\"peerauthentications\":[{\"metadata\":{\"name\":\"strict\"},\"spec\":{\"mtls\":{\"mode\":"
     "\"STRICT\"}}}]}"},
    {"forced_mtls", I,
     "{\"destinationrules\":[{\"metadata\":{\"name\":\"dr\"},\"spec\":{\"host\":"
     "\"payments.shop\",\"trafficPolicy\":{\"tls\":{\"mode\":\"ISTIO_MUTUAL\"}}}}]}",
     "DestinationRule dr has tls.mode ISTIO_MUTUAL for payments"},
    {NULL, I,
     "{\"destinationrules\":[{\"metadata\":{\"name\":\"dr\"},\"spec\":{\"host\":\"payments-old\","
     "\"trafficPolicy\":{\"tls\":{\"mode\":\"ISTIO_MUTUAL\"}}}}]}"},
    {"authorization", I,
     "{\"authorizationpolicies\":[{\"metadata\":{\"name\":\"ap\"},\"spec\":{\"rules\":["
     "{\"from\":[{\"source\":{\"principals\":[\"a\"]}}]}]}}]}",
     "AuthorizationPolicy ap lets only named callers"},
    {NULL, I,
     "{\"authorizationpolicies\":[{\"metadata\":{\"name\":\"ap\"},\"spec\":{\"action\":\"DENY\","
     "\"rules\":[{\"from\":[{\"source\":{\"principals\":[\"a\"]}}]}]}}]}"},
    {NULL, I,
     "{\"authorizationpolicies\":[{\"metadata\":{\"name\":\"ap\"},\"spec\":{\"selector\":{"
     "\"matchLabels\":{\"app\":\"orders\"}},\"rules\":[{\"from\":[{\"source\":{\"namespaces\":["
     "\"a\"]}}]}]}}]}"},
    {"authorization", L,
     "{\"dry_pods\":[],\"servers\":[{\"metadata\":{\"name\":\"s\"},\"spec\":{\"podSelector\":{"
     "\"matchLabels\":{\"app\":\"payments\"}}}}],\"linkerd_authorizationpolicies\":[{\"metadata\":{"
     "\"name\":\"ap\"},\"spec\":{\"targetRef\":{\"kind\":\"Server\",\"name\":\"s\"},"
     "\"requiredAuthenticationRefs\":[{\"kind\":\"MeshTLSAuthentication\",\"name\":\"m\"}]}}]}",
     "AuthorizationPolicy ap wants MeshTLSAuthentication m"},
    {"gitops", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\",\"annotations\":{"
     "\"argocd.argoproj.io/tracking-id\":\"shop\"}},\"spec\":{\"ports\":[{\"name\":\"http\","
     "\"port\":80}]}}]}",
     "Service payments belongs to a GitOps tool (argocd.argoproj.io/tracking-id)", .edits = true},
    {NULL, I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\",\"annotations\":{"
     "\"argocd.argoproj.io/tracking-id\":\"shop\"}},\"spec\":{\"ports\":[{\"name\":\"http\","
     "\"port\":80}]}}]}"},
    {"gitops", I,
     "{\"virtualservices\":[{\"metadata\":{\"name\":\"vs\",\"labels\":{"
     "\"kustomize.toolkit.fluxcd.io/name\":\"x\"}},\"spec\":{\"hosts\":[\"payments\"]}}]}",
     "VirtualService vs belongs", .edits = true},
    {"helm", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\",\"labels\":{"
     "\"app.kubernetes.io/managed-by\":\"Helm\"}},\"spec\":{\"ports\":[{\"name\":\"http\","
     "\"port\":80}]}}]}",
     "Service payments belongs to a Helm release", .edits = true},
    {"no_waypoint", A,
     "{\"dry_pods\":[],\"namespace\":{\"metadata\":{\"labels\":{\"istio.io/"
     "dataplane-mode\":\"ambient\","
     "\"istio-injection\":null}}},\"pods\":[]}",
     "payments has no waypoint"},
    {NULL, A,
     "{\"dry_pods\":[],\"namespace\":{\"metadata\":{\"labels\":{\"istio.io/"
     "dataplane-mode\":\"ambient\","
     "\"istio-injection\":null,\"istio.io/use-waypoint\":\"w\"}}},\"pods\":[]}"},
    {"route_conflict", I,
     "{\"httproutes\":[{\"metadata\":{\"name\":\"young\",\"creationTimestamp\":\"2026-02-02T00:00:"
     "00Z\"},"
     "\"spec\":{\"parentRefs\":[{\"kind\":\"Service\",\"name\":\"payments\",\"port\":80}]}},{"
     "\"metadata\":{"
     "\"name\":\"old\",\"creationTimestamp\":\"2026-01-02T00:00:00Z\"},\"spec\":{\"parentRefs\":[{"
     "\"kind\":"
     "\"Service\",\"name\":\"payments\"}]}}]}",
     "HTTPRoutes young and old have Service payments as their parent; where both match, the older "
     "one, "
     "old,"},
    {"service_missing", I, "{\"services\":[]}", "namespace shop has no Service payments"},
    {NULL, C, "{\"services\":[]}"},
    {"service_kind", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"type\":"
     "\"ExternalName\",\"ports\":[{\"name\":\"http\",\"port\":80}]}}]}",
     "is of type ExternalName"},
    {"service_kind", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"clusterIP\":"
     "\"None\",\"ports\":[{\"name\":\"http\",\"port\":80}]}}]}",
     "is headless"},
    {"service_kind", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{"
     "\"sessionAffinity\":\"ClientIP\",\"ports\":[{\"name\":\"http\",\"port\":80}]}}]}",
     "sessionAffinity: ClientIP"},
    {"service_kind", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"internalTrafficPolicy\":"
     "\"Local\","
     "\"ports\":[{\"name\":\"http\",\"port\":80}]}}]}",
     "internalTrafficPolicy: Local"},
    {"service_kind", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"publishNotReadyAddresses\":"
     "true,"
     "\"ports\":[{\"name\":\"http\",\"port\":80}]}}]}",
     "the gate that keeps faults away would not hold"},
    {"other_port", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"selector\":{\"app\":"
     "\"payments\"},\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":8080},{\"name\":"
     "\"metrics\",\"port\":9100}]}}]}",
     "Service payments has port 9100 besides 80"},
    {NULL, I, /* by name it is looked up in the pod, and ours has none */
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"selector\":{\"app\":"
     "\"payments\"},\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":8080},{\"name\":"
     "\"metrics\",\"port\":9100,\"targetPort\":\"metrics\"},{\"name\":\"http-too\",\"port\":81,"
     "\"targetPort\":8080}]}}]}"},
    {"port_protocol", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"ports\":[{"
     "\"name\":\"web\",\"port\":80}]}}]}",
     "is not declared as HTTP or gRPC (name \"web\""},
    {"port_protocol", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"ports\":[{"
     "\"name\":\"http\",\"port\":80,\"appProtocol\":\"tcp\"}]}}]}",
     "appProtocol \"tcp\""},
    {NULL, I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"ports\":[{\"name\":\"web\","
     "\"port\":80,\"appProtocol\":\"kubernetes.io/h2c\"}]}}]}"},
    {"port_protocol", I,
     "{\"services\":[{\"metadata\":{\"name\":\"payments\"},\"spec\":{\"ports\":[{"
     "\"name\":\"http\",\"port\":81}]}}]}",
     "has no port 80"},
    {"opaque_port", L,
     "{\"dry_pods\":[],\"services\":[{\"metadata\":{\"name\":\"payments\",\"annotations\":{"
     "\"config.linkerd.io/opaque-ports\":\"25,70-90\"}},\"spec\":{}}]}",
     "Service payments has port 80 in config.linkerd.io/opaque-ports"},
    {NULL, L,
     "{\"dry_pods\":[],\"services\":[{\"metadata\":{\"name\":\"payments\",\"annotations\":{"
     "\"config.linkerd.io/opaque-ports\":\"25,,x,443-8080x\"}},\"spec\":{}}]}"},
    {"opaque_port", I,
     "{\"namespace\":{\"metadata\":{\"annotations\":{"
     "\"traffic.sidecar.istio.io/excludeInboundPorts\":\"80\"}}}}",
     "Namespace shop has port 80"},
    {"too_few_ready", I,
     "{\"endpointslices\":[{\"metadata\":{\"labels\":{\"kubernetes.io/"
     "service-name\":\"payments\"}},"
     "\"endpoints\":[{\"addresses\":[\"10.1.0.1\"]},{\"conditions\":{\"ready\":false}},{"
     "\"targetRef\":{"
     "\"name\":\"mp-7f3a91c2-payments-1\"}}]}]}",
     "Service payments has 1 ready endpoint of its own"},
    {"share", I, "{}", "1 of 3 endpoints of payments would be ours, more than the cap of 30.0 %",
     .share_ppm = 300000},
    {NULL, I, "{}", .share_ppm = 340000},
    {"lease_held", I,
     "{\"lease\":{\"spec\":{\"holderIdentity\":\"00000001/pod\",\"renewTime\":\"t\"}}}",
     "in the hands of run 00000001"},
    {NULL, I, "{\"lease\":{\"spec\":{\"holderIdentity\":\"7f3a91c2/pod\"}}}"},
};

static const struct objects_service payments = {
    .name = "payments", .endpoints = 1, .port = 80, .port_name = "http", .listen_port = 8080};

static void look(const struct row *row, const json_t *cluster, struct preflight_findings *found)
{
    struct objects_run run = {.run = "7f3a91c2",
                              .namespace = row->namespace != NULL ? row->namespace : "shop",
                              .image = "i",
                              .conductor = "c:1",
                              .mesh = row->mesh,
                              .mode = row->mode};
    struct objects_service service = payments;
    json_t *selector = json_pack("{s:s}", "app", "payments");
    service.selector = selector;
    json_t *objects = objects_in_order(&run, &service, 1, NULL, 1, "aa");
    if (row->mesh == OBJECTS_AMBIENT)
        json_array_append_new(objects, json_pack("{s:s}", "kind", "DestinationRule"));
    struct preflight_view v = {.run = &run,
                               .service = &service,
                               .edits = row->edits,
                               .share_ppm = row->share_ppm,
                               .controlled = !row->uncontrolled,
                               .objects = objects};
    v.namespace = json_incref(json_object_get(cluster, "namespace"));
    v.lease = json_incref(json_object_get(cluster, "lease"));
    v.dry_pods = json_incref(json_object_get(cluster, "dry_pods"));
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        v.lists[kept[i].id] = json_pack("{s:O}", "items", json_object_get(cluster, kept[i].key));
    preflight_check(&v, found);
    preflight_view_release(&v);
    json_decref(objects);
    json_decref(selector);
}

static void each_check_says_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct preflight_findings found = {0};
        json_error_t why;
        json_t *cluster = json_loads(good, 0, &why), *patch = json_loads(row->patch, 0, &why);
        if (cluster == NULL || patch == NULL)
            fail_msg("row %zu: %s", i, why.text);
        json_t *patched = fake_merge(cluster, patch);
        look(row, patched, &found);
        bool said = row->check == NULL;
        for (size_t k = 0; k < found.count; k++) {
            if (row->check == NULL || strcmp(found.items[k].check, row->check) != 0) {
                /* A Service without a selector has no pods, and so on: those are named too. */
                if (row->check == NULL)
                    fail_msg("row %zu: %s: %s", i, found.items[k].check, found.items[k].text);
                continue;
            }
            said = said || strstr(found.items[k].text, row->say) != NULL;
        }
        if (!said)
            fail_msg("row %zu: %s: \"%s\" was not said, but %s", i, row->check, row->say,
                     found.count > 0 ? found.items[0].text : "nothing");
        preflight_findings_release(&found);
        json_decref(cluster);
        json_decref(patch);
        json_decref(patched);
    }
}

/* Every row of checks.def is one of the cases above. */
static void every_check_has_a_case(void **state)
{
    static const char *const ids[] = {
#define CHECK(id, weight, reads, what) #id,
#include "kube/checks.def"
#undef CHECK
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        bool has = false;
        for (size_t k = 0; k < COUNT_OF(rows); k++)
            has = has || (rows[k].check != NULL && strcmp(rows[k].check, ids[i]) == 0);
        if (!has)
            fail_msg("%s has no case", ids[i]);
    }
}

/* Bytes of a cluster: each value of the good one replaced by another type, one after the other. */
static void no_answer_of_another_shape_breaks_a_check(void **state)
{
    static const char *const odd[] = {"null", "7", "\"x\"", "[]", "{}", "[7]", "{\"items\":{}}"};
    json_t *cluster = json_loads(good, 0, NULL), *value;
    const char *key;
    void *next;
    (void)state;
    json_object_foreach_safe(cluster, next, key, value) for (size_t i = 0; i < COUNT_OF(odd); i++)
    {
        json_t *other = json_deep_copy(cluster);
        json_object_set_new(other, key, json_loads(odd[i], JSON_DECODE_ANY, NULL));
        for (size_t k = 0; k < 4; k++) {
            struct row row = {NULL, (enum objects_mesh)k, OBJECTS_INTERPOSE, .edits = true};
            struct preflight_findings found = {0};
            look(&row, other, &found);
            preflight_findings_release(&found);
        }
        json_decref(other);
    }
    json_decref(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_check_says_what_is_wrong),
        cmocka_unit_test(every_check_has_a_case),
        cmocka_unit_test(no_answer_of_another_shape_breaks_a_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
