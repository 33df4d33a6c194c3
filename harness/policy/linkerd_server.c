#include "policy/linkerd.h"

/* What the called side's own proxy of Linkerd does: who may call (policy-semantics.md D8, E4), and
 * how often (D8). */

static bool is_text(const struct yaml_node *map, const char *key, const char *wanted)
{
    const char *text = yaml_get_text(map, key);
    return text != NULL && strcmp(text, wanted) == 0;
}

/* Whether the authorization is for the Server, itself or with its namespace. */
static bool is_for(const struct object *o, const struct object *server)
{
    const struct yaml_node *target = yaml_get(o->spec, "targetRef"),
                           *by = yaml_get(o->spec, "server");
    if (strcmp(o->group, "policy.linkerd.io") != 0 || strcmp(o->namespace, server->namespace) != 0)
        return false;
    if (strcmp(o->kind, "ServerAuthorization") == 0)
        return yaml_get(by, "selector") != NULL || is_text(by, "name", server->name);
    return strcmp(o->kind, "AuthorizationPolicy") == 0 &&
           (is_text(target, "kind", "Namespace") ||
            (is_text(target, "kind", "Server") && is_text(target, "name", server->name)));
}

/* An authorization that asks for no identity, only for a network, lets plaintext in. */
static bool asks_identity(const struct object *o)
{
    const struct yaml_node *refs = yaml_get(o->spec, "requiredAuthenticationRefs"),
                           *open = yaml_get(yaml_get(o->spec, "client"), "unauthenticated");
    bool anybody = false;
    struct error unused = {0}; /* the API server's to say */
    if (strcmp(o->kind, "ServerAuthorization") == 0)
        return open == NULL || !yaml_read_bool(open, &anybody, &unused) || !anybody;
    for (size_t i = 0; i < yaml_count(refs); i++) {
        if (!is_text(yaml_item(refs, i), "kind", "NetworkAuthentication"))
            return true;
    }
    return false;
}

/* E4: plaintext falls to "unauthenticated", which is refused where identity is asked for. */
bool linkerd_access_asks(const char *access)
{
    return strcmp(access, "all-authenticated") == 0 ||
           strcmp(access, "cluster-authenticated") == 0 || strcmp(access, "deny") == 0;
}

void linkerd_read_server(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o);
    const char *access = NULL;
    struct source source = {0};
    if (o->refused)
        return;
    struct server_rule *rule = STORE_ADD(p, server_rule);
    *rule = (struct server_rule){.object = o, .origin = at.origin};
    if (place_text(at, "accessPolicy", &access, &source) && strcmp(access, "deny") != 0)
        rule->accepts = value_set(linkerd_access_asks(access) ? MTLS_STRICT : MTLS_PERMISSIVE,
                                  source, place_field(at, "accessPolicy"));
}

/* D8: a Server denies what nobody allows. */
struct value linkerd_server_accepts(const struct policy *p, const struct server_rule *server)
{
    if (server->accepts.set)
        return server->accepts;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *by = &p->objects[i];
        if (is_for(by, server->object) && !asks_identity(by))
            return value_set(MTLS_PERMISSIVE, by->kind_source, server->origin);
    }
    return value_set(MTLS_STRICT, server->object->kind_source, server->origin);
}

/* D8: per pod; a bucket of R tokens that R a second fill. One caller is one identity, whose limit
 * stands below that of all. */
static void read_limits(struct place at, struct server_limit *limit)
{
    struct policy *p = at.policy;
    struct place total = place_at(at, "total"), identity = place_at(at, "identity");
    struct value all = {0}, one = {0};
    total.spoken = &limit->spoken;
    place_count(total, "requestsPerSecond", UINT32_MAX, &all);
    place_count(identity, "requestsPerSecond", UINT32_MAX, &one);
    if (yaml_count(yaml_get(at.map, "overrides")) > 0)
        place_not_judged(at, (const char *const[]){"overrides"}, 1);
    struct value rate = one.set && (!all.set || one.number <= all.number) ? one : all;
    if (rate.set && all.set && one.set)
        place_speak(total, "rate.per_second", rate.origin == one.origin ? &all : &one,
                    "the lower limit decides for one caller");
    limit->rule = (struct rate_rule){.present = rate.set, .per_second = rate};
    if (rate.set)
        limit->rule.burst = value_default(p, rate.number);
}

void linkerd_read_limit(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o), target = place_at(at, "targetRef");
    const char *kind = yaml_get_text(target.map, "kind"),
               *group = yaml_get_text(target.map, "group"),
               *name = yaml_get_text(target.map, "name");
    if (kind == NULL || strcmp(kind, "Server") != 0 || group == NULL ||
        strcmp(group, "policy.linkerd.io") != 0) {
        lint_add(p, LINT_LINKERD_TARGET_REF,
                 target.map == NULL ? o->kind_source : place_source(target, "kind"),
                 "%s is %.40s of group \"%.60s\"; it must be Server of policy.linkerd.io",
                 place_field(at, "targetRef"), kind == NULL ? "unset" : kind,
                 group == NULL ? "" : group);
        return;
    }
    if (name == NULL)
        return;
    struct server_limit *limit = STORE_ADD(p, server_limit);
    limit->object = o;
    limit->server = name;
    limit->refused = o->refused;
    read_limits(at, limit);
}

bool linkerd_limit_is_of(const struct server_limit *limit, const struct server_rule *server)
{
    return strcmp(limit->server, server->object->name) == 0 &&
           strcmp(limit->object->namespace, server->object->namespace) == 0;
}

void linkerd_check_limits(struct policy *p)
{
    for (size_t i = 0; i < p->server_limit_count; i++) {
        const struct server_limit *limit = &p->server_limits[i];
        size_t k = 0;
        if (limit->refused)
            continue;
        while (k < p->server_rule_count && !linkerd_limit_is_of(limit, &p->server_rules[k]))
            k++;
        if (k == p->server_rule_count)
            lint_add(p, LINT_POLICY_NOT_JUDGED, limit->object->kind_source,
                     "%s %.60s is not judged: its Server %.100s is not in the policy, and with it "
                     "which pods it is for",
                     limit->object->kind, limit->object->name, limit->server);
    }
}
