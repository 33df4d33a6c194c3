#include "policy/pods.h"

#include <string.h>

static bool same_namespace(const char *a, const char *b)
{
    return a == NULL || b == NULL || a[0] == '\0' || b[0] == '\0' || strcmp(a, b) == 0;
}

/* Whether a map of labels has each pair of the other. */
static bool has_all(const struct yaml_node *labels, const struct yaml_node *wanted)
{
    for (size_t i = 0; wanted != NULL && i < wanted->count; i++) {
        const struct yaml_node *own = yaml_get(labels, wanted->pairs[i].key),
                               *other = wanted->pairs[i].value;
        if (own == NULL || own->kind != YAML_SCALAR || other->kind != YAML_SCALAR ||
            strcmp(own->text, other->text) != 0)
            return false;
    }
    return true;
}

bool pods_have(const struct pods *pods, const struct yaml_node *wanted)
{
    return has_all(pods->labels, wanted);
}

/* A workload's pod: its labels, annotations and spec. */
static bool pod_of(const struct object *o, const struct yaml_node **labels,
                   const struct yaml_node **annotations, const struct yaml_node **spec)
{
    const struct yaml_node *template = yaml_get(o->spec, "template"),
                           *metadata = yaml_get(template, "metadata");
    *labels = yaml_get(metadata, "labels");
    *annotations = yaml_get(metadata, "annotations");
    *spec = yaml_get(template, "spec");
    if (o->group[0] == '\0' && strcmp(o->kind, "Pod") == 0) {
        *labels = o->labels;
        *annotations = o->annotations;
        *spec = o->spec;
    } else if (strcmp(o->group, "apps") != 0 && strcmp(o->group, "batch") != 0) {
        return false;
    }
    return *labels != NULL;
}

static void read_port(const struct yaml_node *service, struct pods *ret)
{
    const struct yaml_node *ports = yaml_get(service, "ports"), *one = yaml_item(ports, 0);
    const struct yaml_node *to = yaml_get(one, "targetPort");
    if (yaml_count(ports) != 1)
        return;
    if (to == NULL)
        to = yaml_get(one, "port");
    struct error unused = {0}; /* the API server's to say */
    if (to != NULL && !yaml_read_count(to, UINT16_MAX, &ret->port, &unused)) {
        ret->port = 0;
        ret->port_name = to->kind == YAML_SCALAR ? to->text : NULL;
    }
}

/* The namespace in which the objects that name the service short are. */
static const char *namespace_of_names(const struct policy *p, const struct host *to)
{
    for (size_t i = 0; i < p->route_count + p->destination_count; i++) {
        bool route = i < p->route_count;
        size_t k = route ? i : i - p->route_count;
        const struct host *host = route ? &p->routes[k].host : &p->destinations[k].host;
        const struct object *o = route ? p->routes[k].object : p->destinations[k].object;
        if (host->service == NULL || to->service == NULL ||
            strcmp(host->service, to->service) != 0 || strchr(host->service, '.') != NULL)
            continue;
        const char *found = host->namespace != NULL ? host->namespace : o->namespace;
        if (found[0] != '\0')
            return found;
    }
    return NULL;
}

void pods_find(const struct policy *p, const struct host *to, struct pods *ret)
{
    const struct object *service = store_find_service(p, to);
    *ret = (struct pods){.namespace = to->namespace};
    if (ret->namespace == NULL && service != NULL && service->namespace[0] != '\0')
        ret->namespace = service->namespace;
    if (ret->namespace == NULL)
        ret->namespace = namespace_of_names(p, to);
    if (service == NULL)
        return;
    const struct yaml_node *selector = yaml_get(service->spec, "selector");
    read_port(service->spec, ret);
    if (selector == NULL || selector->kind != YAML_MAP || selector->count == 0)
        return;
    ret->labels = selector;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        const struct yaml_node *labels, *annotations, *spec;
        if (!same_namespace(o->namespace, service->namespace) ||
            !pod_of(o, &labels, &annotations, &spec) || !has_all(labels, selector))
            continue;
        const char *account = yaml_get_text(spec, "serviceAccountName");
        ret->labels = labels;
        ret->annotations = annotations;
        ret->account = account == NULL ? "default" : account;
        return;
    }
}

const struct yaml_node *pods_annotation(const struct policy *p, const struct pods *pods,
                                        const char *name, const struct object **ret_namespace)
{
    const struct yaml_node *own = yaml_get(pods->annotations, name);
    *ret_namespace = NULL;
    if (own != NULL || pods->namespace == NULL)
        return own;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (o->group[0] != '\0' || strcmp(o->kind, "Namespace") != 0 ||
            strcmp(o->name, pods->namespace) != 0)
            continue;
        *ret_namespace = o;
        return yaml_get(o->annotations, name);
    }
    return NULL;
}
