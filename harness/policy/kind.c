#include "policy/kind.h"

#include <string.h>

#define ISTIO "networking.istio.io"
#define SECURITY "security.istio.io"
#define GATEWAY "gateway.networking.k8s.io"
#define GATEWAY_X "gateway.networking.x-k8s.io"
#define LINKERD "policy.linkerd.io"

#define BY_ISTIO (MESH_BIT(MESH_ISTIO) | MESH_BIT(MESH_ISTIO_AMBIENT))
#define BY_LINKERD MESH_BIT(MESH_LINKERD)
#define BY_ROUTES (BY_ISTIO | BY_LINKERD | MESH_BIT(MESH_GATEWAY_API))
#define BY_ALL (~0U)

/* Groups with all of their kinds (B5, C, D1, D8); core's are those that a policy folder may hold.
 */
static const struct kind kinds[] = {
    {ISTIO, "VirtualService", "v1 v1beta1 v1alpha3", DIALECT_ISTIO, BY_ISTIO, 0, 0, 0},
    {ISTIO, "DestinationRule", "v1 v1beta1 v1alpha3", DIALECT_ISTIO, BY_ISTIO, 0, 0, 0},
    {ISTIO, "EnvoyFilter", "v1alpha3", DIALECT_NOT_JUDGED, BY_ISTIO, 0, 0, 0},
    {ISTIO, "Gateway", "v1 v1beta1 v1alpha3", DIALECT_NONE, BY_ISTIO, 0, 0, 0},
    {ISTIO, "ProxyConfig", "v1beta1", DIALECT_NONE, BY_ISTIO, 0, 0, 0},
    {ISTIO, "ServiceEntry", "v1 v1beta1 v1alpha3", DIALECT_ISTIO, BY_ISTIO, 0, 0, 0},
    {ISTIO, "Sidecar", "v1 v1beta1 v1alpha3", DIALECT_NOT_JUDGED, BY_ISTIO, 0, 0, 0},
    {ISTIO, "WorkloadEntry", "v1 v1beta1 v1alpha3", DIALECT_NONE, BY_ISTIO, 0, 0, 0},
    {ISTIO, "WorkloadGroup", "v1 v1beta1 v1alpha3", DIALECT_NONE, BY_ISTIO, 0, 0, 0},
    {SECURITY, "AuthorizationPolicy", "v1 v1beta1", DIALECT_NOT_JUDGED, BY_ISTIO, 0, 0, 0},
    {SECURITY, "PeerAuthentication", "v1 v1beta1", DIALECT_ISTIO, BY_ISTIO, 0, 0, 0},
    {SECURITY, "RequestAuthentication", "v1 v1beta1", DIALECT_NOT_JUDGED, BY_ISTIO, 0, 0, 0},
    {"telemetry.istio.io", "Telemetry", "v1 v1alpha1", DIALECT_NONE, BY_ISTIO, 0, 0, 0},
    {"extensions.istio.io", "WasmPlugin", "v1alpha1", DIALECT_NOT_JUDGED, BY_ISTIO, 0, 0, 0},
    {"extensions.istio.io", "TrafficExtension", "", DIALECT_NOT_JUDGED, BY_ISTIO, 0, 0, 0},
    {GATEWAY, "HTTPRoute", "v1 v1beta1 v1alpha2", DIALECT_GATEWAY_API, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "Gateway", "v1 v1beta1 v1alpha2", DIALECT_GATEWAY_API, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "GatewayClass", "v1 v1beta1 v1alpha2", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "GRPCRoute", "v1 v1alpha2", DIALECT_GATEWAY_API, BY_ROUTES, 2, 16, BY_LINKERD},
    {GATEWAY, "TCPRoute", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "TLSRoute", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "UDPRoute", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "ReferenceGrant", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "BackendTLSPolicy", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY, "ListenerSet", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY_X, "XBackendTrafficPolicy", "", DIALECT_GATEWAY_API,
     BY_ISTIO | MESH_BIT(MESH_GATEWAY_API), 1, 26, BY_ISTIO},
    {GATEWAY_X, "XListenerSet", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {GATEWAY_X, "XMesh", "", DIALECT_NONE, BY_ROUTES, 0, 0, 0},
    {LINKERD, "HTTPRoute", "v1alpha1 v1beta1 v1beta2 v1beta3", DIALECT_GATEWAY_API, BY_LINKERD, 0,
     0, 0},
    {LINKERD, "HTTPLocalRateLimitPolicy", "v1alpha1", DIALECT_LINKERD, BY_LINKERD, 2, 17,
     BY_LINKERD},
    {LINKERD, "EgressNetwork", "v1alpha1", DIALECT_NONE, BY_LINKERD, 2, 17, BY_LINKERD},
    {LINKERD, "Server", "v1alpha1 v1beta1 v1beta2 v1beta3", DIALECT_LINKERD, BY_LINKERD, 0, 0, 0},
    {LINKERD, "ServerAuthorization", "v1alpha1 v1beta1", DIALECT_NONE, BY_LINKERD, 0, 0, 0},
    {LINKERD, "AuthorizationPolicy", "v1alpha1", DIALECT_NONE, BY_LINKERD, 0, 0, 0},
    {LINKERD, "MeshTLSAuthentication", "v1alpha1", DIALECT_NONE, BY_LINKERD, 0, 0, 0},
    {LINKERD, "NetworkAuthentication", "v1alpha1", DIALECT_NONE, BY_LINKERD, 0, 0, 0},
    {"linkerd.io", "ServiceProfile", "v1alpha1 v1alpha2", DIALECT_LINKERD, BY_LINKERD, 0, 0, 0},
    {"", "Namespace", "v1", DIALECT_KUBERNETES, BY_ALL, 0, 0, 0},
    {"", "Service", "v1", DIALECT_KUBERNETES, BY_ALL, 0, 0, 0},
    {"", "Pod", "v1", DIALECT_KUBERNETES, BY_ALL, 0, 0, 0},
    {"", "ConfigMap", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "Secret", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "ServiceAccount", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "Endpoints", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "PersistentVolume", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "PersistentVolumeClaim", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "ReplicationController", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "LimitRange", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "ResourceQuota", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "PodTemplate", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "Node", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "Event", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
    {"", "Binding", "v1", DIALECT_NONE, BY_ALL, 0, 0, 0},
};

/* Workloads: their pod template carries the labels and annotations that a mesh reads. */
static const struct kind workload = {"apps", "workload", "", DIALECT_KUBERNETES, BY_ALL, 0, 0, 0};

const struct kind *kind_find(const char *group, const char *kind)
{
    if (strcmp(group, "apps") == 0 || strcmp(group, "batch") == 0)
        return &workload;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i].group, group) == 0 && strcmp(kinds[i].kind, kind) == 0)
            return &kinds[i];
    }
    return NULL;
}

bool kind_group_known(const char *group)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        /* Core has more kinds than the table; the experimental group gets new ones with each
         * release. */
        if (strcmp(kinds[i].group, group) == 0)
            return group[0] != '\0' && strcmp(group, GATEWAY_X) != 0;
    }
    return false;
}

bool kind_has_version(const struct kind *kind, const char *version)
{
    size_t n = strlen(version);
    if (kind->versions[0] == '\0')
        return true;
    for (const char *at = kind->versions; n > 0 && at != NULL; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, version, n) == 0 && (at[n] == ' ' || at[n] == '\0'))
            return true;
    }
    return false;
}
