#include "policy/lint_inside.h"

/* Ambient: policies that nothing plays, pods that are not captured (B6, H 4 and 5). */

static const char mode_label[] = "istio.io/dataplane-mode";

static void without_waypoint(struct policy *p)
{
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *d = &p->destinations[i];
        if (!policy_has_waypoint(p, &d->host))
            lint_add(
                p, LINT_AMBIENT_NO_WAYPOINT, d->object->kind_source,
                "DestinationRule %.60s has no effect between services: nothing shows a waypoint "
                "for %.100s",
                d->object->name, d->host.service == NULL ? "its host" : d->host.service);
    }
    const struct object *last = NULL;
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        if (r->object != last && !policy_has_waypoint(p, &r->host))
            lint_add(p, LINT_AMBIENT_NO_WAYPOINT, r->object->kind_source,
                     "%s %.60s has no effect between services: nothing shows a waypoint for %.100s",
                     r->object->kind, r->object->name,
                     r->host.service == NULL ? "its host" : r->host.service);
        last = r->object;
    }
}

/* The container of the proxy beside one of the application's own; a gateway has it alone. */
static bool has_sidecar(const struct yaml_node *spec, struct source *ret)
{
    static const char *const lists[] = {"containers", "initContainers"};
    size_t found = 0, others = 0;
    for (size_t k = 0; k < COUNT_OF(lists); k++) {
        const struct yaml_node *list = yaml_get(spec, lists[k]);
        for (size_t i = 0; i < yaml_count(list); i++) {
            const struct yaml_node *one = yaml_item(list, i);
            if (lint_says(one, "name", "istio-proxy")) {
                *ret = lint_source(one, "name");
                found++;
            } else if (k == 0) {
                others++;
            }
        }
    }
    return found > 0 && others > 0;
}

/* What makes, or made, a pod one with a sidecar; labels of the pod that also say ambient are the
 * reader's own finding. */
static bool leftover(const struct yaml_node *metadata, const struct yaml_node *spec,
                     struct source *ret)
{
    const struct yaml_node *labels = yaml_get(metadata, "labels"),
                           *annotations = yaml_get(metadata, "annotations"),
                           *inject = yaml_get(labels, "sidecar.istio.io/inject");
    const char *templates = yaml_get_text(annotations, "inject.istio.io/templates");
    if (yaml_find(labels, mode_label) != NULL ||
        (templates != NULL && strstr(templates, "gateway") != NULL))
        return false;
    if (inject != NULL && inject->kind == YAML_SCALAR && strcmp(inject->text, "true") == 0) {
        *ret = inject->source;
        return true;
    }
    const struct yaml_pair *status = yaml_find(annotations, "sidecar.istio.io/status");
    if (status != NULL) {
        *ret = status->source;
        return true;
    }
    return has_sidecar(spec, ret);
}

static void pod(struct policy *p, const struct object *o, bool in_namespace)
{
    const struct yaml_node *metadata = lint_pod(o, "metadata"), *spec = lint_pod(o, "spec");
    const struct yaml_node *labels = yaml_get(metadata, "labels"),
                           *network = yaml_get(spec, "hostNetwork");
    const char *mode = yaml_get_text(labels, mode_label);
    struct source at = {0};
    bool captured = mode == NULL ? in_namespace : strcmp(mode, "ambient") == 0, host = false;
    if (!captured)
        return;
    if (leftover(metadata, spec, &at))
        lint_add(p, LINT_AMBIENT_LEFTOVER_SIDECAR, at,
                 "%s %.60s has a sidecar in the ambient namespace %.60s: ambient leaves it out",
                 o->kind, o->name, o->namespace);
    if (network != NULL && yaml_read_bool(network, &host, NULL) && host)
        lint_add(p, LINT_AMBIENT_HOST_NETWORK, network->source,
                 "%s %.60s is on the host's network: ambient never captures it", o->kind, o->name);
}

static void pods(struct policy *p)
{
    struct map namespaces;
    map_init(&namespaces, STORE_MAX_ROUTES);
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        const char *mode = object_label(o, mode_label);
        if (o->group[0] == '\0' && lint_is(o, "Namespace") && mode != NULL &&
            strcmp(mode, "ambient") == 0)
            map_at(&namespaces, map_key_of(o->name, strlen(o->name)), NULL);
    }
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (lint_pod(o, "spec") != NULL && o->row != NULL)
            pod(p, o,
                map_find(&namespaces, map_key_of(o->namespace, strlen(o->namespace))) != NULL);
    }
    map_release(&namespaces);
}

void lint_ambient(struct lint *l)
{
    struct policy *p = l->policy;
    if (!policy_is_istio(p))
        return;
    pods(p);
    if (p->options.target.mesh != MESH_ISTIO_AMBIENT)
        return;
    without_waypoint(p);
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (lint_is(o, "EnvoyFilter") && lint_reads(p, o))
            lint_add(
                p, LINT_AMBIENT_ENVOY_FILTER, o->kind_source,
                "EnvoyFilter %.60s does not hold at a waypoint or in ztunnel, at gateways only",
                o->name);
    }
}
