#include "mesh/envoy_dynamic.h"

#include "mesh/envoy_config.h"

#define TYPE "type.googleapis.com/envoy."
#define TYPE_TLS TYPE "extensions.transport_sockets.tls.v3."
/* Often enough that a change is there at once, seldom enough that 77 KB a poll are nothing. */
#define REFRESH "0.200s"
#define ANSWER_WITHIN "1s"

static const char *const channel_names[XDS_CHANNELS] = {
    [XDS_CONFIG] = "control_plane", [XDS_IDENTITY] = "control_plane_identity"};

/* Where to ask. */
static json_t *source_of(enum xds_channel channel)
{
    return json_pack("{s:s, s:{s:s, s:s, s:[s], s:s, s:s}}", "resource_api_version", "V3",
                     "api_config_source", "api_type", "REST", "transport_api_version", "V3",
                     "cluster_names", channel_names[channel], "refresh_delay", REFRESH,
                     "request_timeout", ANSWER_WITHIN);
}

/* Every "sds_config" below ${at} asks the control plane. */
static void redirect_secrets(json_t *at)
{
    const char *key;
    json_t *value;
    void *next;
    size_t i;
    json_object_foreach_safe(at, next, key, value)
    {
        if (strcmp(key, "sds_config") == 0)
            json_object_set_new(at, key, source_of(XDS_IDENTITY));
        else
            redirect_secrets(value);
    }
    json_array_foreach(at, i, value)
    {
        redirect_secrets(value);
    }
}

static void add_type(json_t *resources, const char *type)
{
    json_t *one;
    size_t i;
    json_array_foreach(resources, i, one)
    {
        json_object_set_new(one, "@type", json_string(type));
    }
}

/* The cluster's endpoints become a resource of their own. */
static void split_endpoints(json_t *clusters, json_t *endpoints)
{
    json_t *one;
    size_t i;
    json_array_foreach(clusters, i, one)
    {
        json_t *assignment = json_incref(json_object_get(one, "load_assignment"));
        INVARIANT(assignment != NULL);
        json_object_del(one, "load_assignment");
        json_object_set_new(one, "type", json_string("EDS"));
        json_object_set_new(one, "eds_cluster_config",
                            json_pack("{s:o}", "eds_config", source_of(XDS_CONFIG)));
        json_array_append_new(endpoints, assignment);
    }
}

/* The control plane itself is a static cluster: of whom else could Envoy ask for it? */
static bool own_cluster(const struct xds *x, enum xds_channel channel, json_t *to,
                        struct error *err)
{
    const char *address = xds_address(x, channel), *name = channel_names[channel];
    json_t *assignment;
    if (!envoy_dynamic_endpoints(name, &address, 1, &assignment, err))
        return false;
    json_object_del(assignment, "@type");
    json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:o}", "name", name, "type", "STATIC",
                                        "connect_timeout", ANSWER_WITHIN, "load_assignment",
                                        assignment));
    return true;
}

bool envoy_dynamic_split(json_t *bootstrap, struct xds *x, struct error *err)
{
    json_t *from = json_object_get(bootstrap, "static_resources"), *endpoints = json_array();
    json_t *clusters = json_incref(json_object_get(from, "clusters")),
           *listeners = json_incref(json_object_get(from, "listeners")), *own = json_array();
    INVARIANT(clusters != NULL && listeners != NULL);
    split_endpoints(clusters, endpoints);
    redirect_secrets(clusters);
    add_type(clusters, TYPE "config.cluster.v3.Cluster");
    add_type(listeners, TYPE "config.listener.v3.Listener");
    add_type(endpoints, TYPE "config.endpoint.v3.ClusterLoadAssignment");
    xds_put(x, XDS_CLUSTERS, clusters);
    xds_put(x, XDS_LISTENERS, listeners);
    xds_put(x, XDS_ENDPOINTS, endpoints);
    bool ok = own_cluster(x, XDS_CONFIG, own, err) && own_cluster(x, XDS_IDENTITY, own, err);
    json_object_set_new(bootstrap, "static_resources", json_pack("{s:o}", "clusters", own));
    json_object_set_new(bootstrap, "dynamic_resources",
                        json_pack("{s:o, s:o}", "cds_config", source_of(XDS_CONFIG), "lds_config",
                                  source_of(XDS_CONFIG)));
    return ok;
}

bool envoy_dynamic_endpoints(const char *cluster, const char *const *addresses, size_t count,
                             json_t **ret, struct error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *address;
        if (addresses[i][0] == '\0')
            continue;
        if (!envoy_config_address(addresses[i], &address, err)) {
            json_decref(list);
            return false;
        }
        json_array_append_new(list, json_pack("{s:{s:o}}", "endpoint", "address", address));
    }
    *ret =
        json_pack("{s:s, s:s, s:[{s:o}]}", "@type", TYPE "config.endpoint.v3.ClusterLoadAssignment",
                  "cluster_name", cluster, "endpoints", "lb_endpoints", list);
    INVARIANT(*ret != NULL);
    return true;
}

static json_t *file(const char *folder, const char *name)
{
    return json_pack("{s:o}", "filename", json_sprintf("%s/%s", folder, name));
}

json_t *envoy_dynamic_secrets(const char *folder)
{
    json_t *ret =
        json_pack("[{s:s, s:s, s:{s:o, s:o}}, {s:s, s:s, s:{s:o}}]", "@type", TYPE_TLS "Secret",
                  "name", "own", "tls_certificate", "certificate_chain", file(folder, "tls.crt"),
                  "private_key", file(folder, "tls.key"), "@type", TYPE_TLS "Secret", "name", "ca",
                  "validation_context", "trusted_ca", file(folder, "ca.crt"));
    INVARIANT(ret != NULL);
    return ret;
}
