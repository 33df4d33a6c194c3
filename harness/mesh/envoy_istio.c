#include "mesh/envoy_istio.h"

#define HTTP_OPTIONS "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

/* "outbound|8080|v2|payments.shop.svc.cluster.local": what is behind the last bar. */
static const char *host_of(const char *cluster)
{
    const char *bar = strrchr(cluster, '|');
    return bar == NULL ? cluster : bar + 1;
}

/* Our name for one of Istio's clusters: the service's own is first, its subsets follow in order.
 * NULL: of another service. */
static json_t *renamed(const struct mesh_edge *edge, const char *name, const char *cluster)
{
    const char *main_name = json_string_value(json_object_get(edge->istio, "main")), *key;
    json_t *unused;
    unsigned nth = 1;
    if (main_name == NULL || cluster == NULL || strcmp(host_of(cluster), host_of(main_name)) != 0)
        return NULL;
    size_t count = json_object_size(json_object_get(edge->istio, "clusters"));
    if (strcmp(cluster, main_name) == 0 || count == 1)
        return json_string(name);
    json_object_foreach(json_object_get(edge->istio, "clusters"), key, unused)
    {
        if (strcmp(key, cluster) == 0)
            return json_sprintf("%s_%u", name, nth);
        nth += strcmp(key, main_name) != 0;
    }
    return NULL;
}

static bool rename_at(const struct mesh_edge *edge, const char *name, json_t *at, const char *key,
                      struct error *err)
{
    const char *cluster = json_string_value(json_object_get(at, key));
    json_t *ours = renamed(edge, name, cluster);
    if (ours == NULL)
        return error_set(err, ERROR_USAGE,
                         "a route of %s leads to %.120s, which the driver istio does not play",
                         edge->policy.to, cluster == NULL ? "no cluster" : cluster);
    json_object_set_new(at, key, ours);
    return true;
}

bool envoy_istio_routes(const struct mesh_edge *edge, const char *name, json_t **ret,
                        struct error *err)
{
    json_t *routes = json_deep_copy(json_object_get(edge->istio, "routes")), *one, *weighted;
    size_t i, k;
    bool good = json_array_size(routes) > 0 ||
                error_set(err, ERROR_INPUT, "Istio programs no route for %s", edge->policy.to);
    json_array_foreach(routes, i, one)
    {
        json_t *action = json_object_get(one, "route");
        json_t *split = json_object_get(json_object_get(action, "weighted_clusters"), "clusters");
        if (good && json_object_get(action, "cluster") != NULL)
            good = rename_at(edge, name, action, "cluster", err);
        json_array_foreach(split, k, weighted)
        {
            good = good && rename_at(edge, name, weighted, "name", err);
        }
    }
    if (good)
        *ret = routes;
    else
        json_decref(routes);
    return good;
}

/* The endpoints speak HTTP/2 where the service does: Istio knows that by the port's name, which
 * nobody has declared here. */
static void speak_http2(json_t *cluster)
{
    json_t *all = json_object_get(cluster, "typed_extension_protocol_options");
    if (all == NULL) {
        all = json_object();
        json_object_set_new(cluster, "typed_extension_protocol_options", all);
    }
    json_t *options = json_object_get(all, HTTP_OPTIONS);
    if (options == NULL) {
        options = json_pack("{s:s}", "@type", "type.googleapis.com/" HTTP_OPTIONS);
        json_object_set_new(all, HTTP_OPTIONS, options);
    }
    json_object_del(options, "use_downstream_protocol_config");
    json_object_set_new(options, "explicit_http_config",
                        json_pack("{s:{}}", "http2_protocol_options"));
}

static bool add_cluster(const struct mesh_edge *edge, const char *name, const char *theirs,
                        const json_t *from, const json_t *hosts, json_t *clusters,
                        struct error *err)
{
    json_t *ours = renamed(edge, name, theirs);
    const char *lb = json_string_value(json_object_get(from, "lb_policy"));
    if (ours == NULL)
        return error_set(err, ERROR_USAGE,
                         "a route of %s leads to %.120s, which the driver istio does not play",
                         edge->policy.to, theirs);
    if (lb != NULL && strcmp(lb, "CLUSTER_PROVIDED") == 0) {
        json_decref(ours);
        return error_set(err, ERROR_USAGE,
                         "%s: PASSTHROUGH leaves the choice of the endpoint to the client: the "
                         "driver istio has one address a service",
                         edge->policy.to);
    }
    json_t *c = json_deep_copy(from);
    json_object_del(c, "alt_stat_name");
    json_object_set_new(c, "type", json_string("STATIC"));
    json_object_set_new(c, "name", ours);
    json_object_set_new(
        c, "load_assignment",
        json_pack("{s:O, s:o}", "cluster_name", ours, "endpoints", json_deep_copy(hosts)));
    if (edge->http2)
        speak_http2(c);
    json_array_append_new(clusters, c);
    return true;
}

bool envoy_istio_clusters(const struct mesh_edge *edge, const char *name, const json_t *hosts,
                          json_t *clusters, struct error *err)
{
    const char *key;
    json_t *one;
    json_object_foreach(json_object_get(edge->istio, "clusters"), key, one)
    {
        if (!add_cluster(edge, name, key, one, hosts, clusters, err))
            return false;
    }
    return true;
}
