#include "policy/reader.h"

/* Namespaces, Services and workloads: the labels that say which data plane is there
 * (policy-semantics.md B6). */

static const char mode_label[] = "istio.io/dataplane-mode";

static bool says(const struct yaml_node *labels, const char *name, const char *value)
{
    const char *found = yaml_get_text(labels, name);
    return found != NULL && strcmp(found, value) == 0;
}

/* Kubernetes label values are text; a plain `true` is refused by the API server, but meant. */
static bool says_true(const struct yaml_node *labels, const char *name)
{
    const struct yaml_node *n = yaml_get(labels, name);
    return n != NULL && n->kind == YAML_SCALAR && strcmp(n->text, "true") == 0;
}

static void check_labels(struct policy *p, const struct object *o, const struct yaml_node *labels)
{
    bool ambient = says(labels, mode_label, "ambient");
    bool sidecar = says(labels, "istio-injection", "enabled") ||
                   yaml_get(labels, "istio.io/rev") != NULL ||
                   says_true(labels, "sidecar.istio.io/inject");
    if (!ambient || !policy_is_istio(p))
        return;
    struct source at = yaml_find(labels, mode_label)->source;
    if (sidecar)
        lint_add(
            p, LINT_AMBIENT_LEFTOVER_SIDECAR, at,
            "%s %.60s has a label for sidecars and one for ambient: new pods get a sidecar, and "
            "ambient leaves them out",
            o->kind, o->name);
    else if (p->options.target.mesh == MESH_ISTIO)
        lint_add(p, LINT_AMBIENT_LABEL, at,
                 "%s %.60s is captured by ambient, the target is Istio with sidecars", o->kind,
                 o->name);
}

/* The bind label on a Namespace holds for its services, on a Service for that one. */
static void read_waypoint(struct policy *p, const struct object *o)
{
    const char *waypoint = object_label(o, "istio.io/use-waypoint");
    if (waypoint == NULL)
        return;
    struct waypoint *w = STORE_ADD(p, waypoint);
    bool service = strcmp(o->kind, "Service") == 0;
    const char *namespace = service ? o->namespace : o->name;
    w->service = service ? o->name : NULL;
    w->namespace = namespace[0] == '\0' ? NULL : namespace;
    w->by = service ? WAYPOINT_SERVICE : WAYPOINT_NAMESPACE;
    w->none = strcmp(waypoint, "none") == 0;
}

void kubernetes_read(struct policy *p, const struct object *o)
{
    bool namespace = strcmp(o->kind, "Namespace") == 0, service = strcmp(o->kind, "Service") == 0;
    const struct yaml_node *pod = yaml_get(yaml_get(o->spec, "template"), "metadata");
    if (namespace || service)
        read_waypoint(p, o);
    if (namespace || strcmp(o->kind, "Pod") == 0)
        check_labels(p, o, o->labels);
    else if (!service)
        check_labels(p, o, yaml_get(pod, "labels"));
    if (service && p->options.target.mesh == MESH_LINKERD)
        linkerd_read_service(p, o);
}
