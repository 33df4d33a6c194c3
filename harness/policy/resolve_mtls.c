#include "policy/linkerd.h"
#include "policy/resolve.h"

/* Mutual TLS and rate of an edge: what the proxy of the called side does (policy-semantics.md E,
 * D8), and what the caller's sends. */

static bool in_namespace(const struct object *o, const struct pods *pods)
{
    return strcmp(o->namespace, pods->namespace == NULL ? "" : pods->namespace) == 0;
}

/* The first of its layer holds: objects of one layer that differ are decided by their age, which a
 * file does not say. */
static void take(struct value *layer, const struct value *mode)
{
    if (!layer->set && mode->set)
        *layer = *mode;
}

size_t resolve_peers(const struct policy *p, const struct governing *g,
                     struct value layers[RESOLVE_LAYERS])
{
    struct value found[RESOLVE_LAYERS] = {0};
    size_t count = 0;
    for (size_t i = 0; i < p->peer_rule_count; i++) {
        const struct peer_rule *rule = &p->peer_rules[i];
        bool here = in_namespace(rule->object, &g->pods);
        if (rule->labels == NULL) {
            if (strcmp(rule->object->namespace, STORE_ROOT_NAMESPACE) == 0)
                take(&found[0], &rule->mode);
            if (here)
                take(&found[1], &rule->mode);
            continue;
        }
        if (!here || g->pods.labels == NULL || !pods_have(&g->pods, rule->labels))
            continue;
        take(&found[2], &rule->mode);
        for (size_t k = 0; k < rule->port_count; k++) {
            if (rule->ports[k].port == g->pods.port)
                take(&found[3], &rule->ports[k].mode);
        }
    }
    for (size_t i = 0; i < RESOLVE_LAYERS; i++) {
        if (found[i].set)
            layers[count++] = found[i];
    }
    return count;
}

/* Nothing said: the called side takes both, and the caller sends mutual TLS where that can take it
 * ("auto mTLS"), which is never outside of the mesh. */
static void resolve_istio(const struct policy *p, const struct governing *g, struct mtls_rule *ret)
{
    struct value layers[RESOLVE_LAYERS];
    bool external = g->entry != NULL && g->entry->external;
    ret->sends = value_default(p, MTLS_PERMISSIVE);
    if (external)
        ret->sends = value_set(
            MTLS_DISABLE, g->entry->object->kind_source,
            store_printf(p, "ServiceEntry %.253s is outside of the mesh", g->entry->object->name));
    else {
        size_t count = resolve_peers(p, g, layers);
        ret->accepts = count > 0 ? layers[count - 1] : value_default(p, MTLS_PERMISSIVE);
    }
    /* B6: between workloads of ambient it is ztunnel that sends, and it reads no DestinationRule.
     */
    if (g->destination != NULL && p->options.target.mesh == MESH_ISTIO) {
        if (g->destination->sends.set)
            ret->sends = g->destination->sends;
        ret->identity = g->destination->identity;
    }
    if (ret->identity == NULL && !external && g->pods.account != NULL && g->pods.namespace != NULL)
        ret->identity = store_printf(p, "spiffe://cluster.local/ns/%.253s/sa/%.253s",
                                     g->pods.namespace, g->pods.account); /* E1 */
}

static bool is_of(const struct server_rule *server, const struct pods *pods)
{
    const struct yaml_node *selector = yaml_get(server->object->spec, "podSelector"),
                           *wanted = yaml_get(selector, "matchLabels"),
                           *port = yaml_get(server->object->spec, "port");
    struct error unused = {0}; /* a name, then */
    uint64_t number = 0;
    if (selector == NULL || yaml_get(selector, "matchExpressions") != NULL ||
        pods->labels == NULL || !in_namespace(server->object, pods) || !pods_have(pods, wanted))
        return false;
    if (port == NULL || port->kind != YAML_SCALAR)
        return false;
    if (yaml_read_count(port, UINT16_MAX, &number, &unused))
        return number == pods->port;
    return pods->port_name != NULL && strcmp(port->text, pods->port_name) == 0;
}

static const struct server_rule *find_server(const struct policy *p, const struct governing *g)
{
    for (size_t i = 0; i < p->server_rule_count; i++) {
        if (is_of(&p->server_rules[i], &g->pods))
            return &p->server_rules[i];
    }
    return NULL;
}

/* A Server stands above the annotation of the workload, and that above its namespace's. */
static void resolve_linkerd(const struct policy *p, const struct governing *g,
                            struct mtls_rule *ret)
{
    static const char key[] = "config.linkerd.io/default-inbound-policy";
    const struct object *namespace = NULL;
    const struct server_rule *server = find_server(p, g);
    const struct yaml_node *n = pods_annotation(p, &g->pods, key, &namespace);
    ret->sends = value_default(p, MTLS_PERMISSIVE);
    ret->accepts = value_default(p, MTLS_PERMISSIVE);
    if (server != NULL)
        ret->accepts = linkerd_server_accepts(p, server);
    else if (n != NULL && n->kind == YAML_SCALAR)
        ret->accepts = value_set(
            linkerd_access_asks(n->text) ? MTLS_STRICT : MTLS_PERMISSIVE, n->source,
            namespace == NULL ? "config.linkerd.io/default-inbound-policy of the pods"
                              : store_printf(p, "Namespace %.60s %s", namespace->name, key));
    if (g->pods.account != NULL && g->pods.namespace != NULL)
        ret->identity =
            store_printf(p, "%.253s.%.253s.serviceaccount.identity.linkerd.cluster.local",
                         g->pods.account, g->pods.namespace); /* E1 */
}

void resolve_mtls(const struct policy *p, const struct governing *g, struct edge_policy *ret)
{
    if (policy_is_istio(p))
        resolve_istio(p, g, &ret->mtls);
    else if (p->options.target.mesh == MESH_LINKERD)
        resolve_linkerd(p, g, &ret->mtls);
}

const struct server_limit *resolve_limit(const struct policy *p, const struct governing *g)
{
    const struct server_rule *server = p->server_limit_count == 0 ? NULL : find_server(p, g);
    for (size_t i = 0; i < p->server_limit_count && server != NULL; i++) {
        if (linkerd_limit_is_of(&p->server_limits[i], server))
            return &p->server_limits[i];
    }
    return NULL;
}

void resolve_rate(const struct policy *p, const struct governing *g, struct edge_policy *ret)
{
    const struct server_limit *limit = resolve_limit(p, g);
    if (limit != NULL && !limit->refused)
        ret->rate = limit->rule;
}
