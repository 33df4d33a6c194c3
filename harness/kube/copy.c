#include "kube/copy.h"

#include "kube/body.h"
#include "kube/gvr.h"

#include <stdlib.h>

/* --- YAML as JSON --- */

static json_t *scalar_json(const struct yaml_node *node)
{
    char *end;
    switch (yaml_scalar_type(node)) {
    case YAML_NULL:
        return json_null();
    case YAML_BOOL:
        return json_boolean(node->text[0] == 't' || node->text[0] == 'T' || node->text[0] == 'y' ||
                            node->text[0] == 'Y' || strcasecmp(node->text, "on") == 0);
    case YAML_INT: {
        struct error none = {0};
        uint64_t count;
        if (yaml_read_count(node, INT64_MAX, &count, &none))
            return json_integer((json_int_t)count);
        json_t *whole = json_loads(node->text, JSON_DECODE_ANY, NULL);
        return whole != NULL ? whole : json_string(node->text);
    }
    case YAML_FLOAT: {
        double number = strtod(node->text, &end);
        json_t *real =
            *end == '\0' ? json_real(number) : NULL; /* NULL of what JSON has not: .inf */
        return real != NULL ? real : json_string(node->text);
    }
    case YAML_TEXT:
        return json_string(node->text);
    }
    UNREACHABLE();
}

json_t *copy_json(const struct yaml_node *node)
{
    json_t *out;
    if (node == NULL)
        return json_null();
    switch (node->kind) {
    case YAML_SCALAR:
        out = scalar_json(node);
        return out != NULL ? out : json_string("");
    case YAML_MAP:
        out = json_object();
        for (size_t i = 0; i < node->count; i++)
            json_object_set_new(out, node->pairs[i].key, copy_json(node->pairs[i].value));
        return out;
    case YAML_SEQUENCE:
        out = json_array();
        for (size_t i = 0; i < node->count; i++)
            json_array_append_new(out, copy_json(node->pairs[i].value));
        return out;
    }
    UNREACHABLE();
}

/* --- the copy --- */

struct copying {
    const struct objects_run *run;
    const struct copy_names *names;
    const char *own_namespace; /* of the original: what a short name is relative to */
    char host[200];            /* the canary's, whole */
    char service[OBJECTS_NAME_MOST + 1];
    bool touched;
};

/* "payments", "payments.shop", "payments.shop.svc", "payments.shop.svc.cluster.local". */
static bool is_target_host(const struct copying *c, const char *host)
{
    const char *rest;
    size_t name = strlen(c->names->service), space = strlen(c->names->namespace);
    if (strncmp(host, c->names->service, name) != 0)
        return false;
    rest = host + name;
    if (*rest == '\0')
        return strcmp(c->own_namespace, c->names->namespace) == 0;
    if (*rest != '.' || strncmp(rest + 1, c->names->namespace, space) != 0)
        return false;
    rest += 1 + space;
    return *rest == '\0' || strcmp(rest, ".svc") == 0 || strcmp(rest, ".svc.cluster.local") == 0;
}

static bool is_server(const struct copying *c, const char *name)
{
    for (size_t i = 0; c->names->servers != NULL && c->names->servers[i] != NULL; i++)
        if (strcmp(c->names->servers[i], name) == 0)
            return true;
    return false;
}

/* One of parentRefs, backendRefs, targetRefs. ${kind}: where the reference names none. */
static void rewrite_ref(struct copying *c, json_t *ref, const char *kind)
{
    const char *of = *body_text(ref, "kind") != '\0' ? body_text(ref, "kind") : kind;
    const char *space =
        *body_text(ref, "namespace") != '\0' ? body_text(ref, "namespace") : c->own_namespace;
    const char *name = body_text(ref, "name");
    char renamed[OBJECTS_NAME_MOST + 1];
    if (strcmp(space, c->names->namespace) != 0)
        return;
    if (strcmp(of, "Service") == 0 && strcmp(name, c->names->service) == 0)
        json_object_set_new(ref, "name", json_string(c->service));
    else if (strcmp(of, "Server") == 0 && is_server(c, name))
        json_object_set_new(ref, "name",
                            json_string(objects_name(c->run, name, 0, renamed, sizeof(renamed))));
    else
        return;
    json_object_del(ref, "namespace");
    c->touched = true;
}

static void rewrite_host(struct copying *c, json_t *map, const char *key)
{
    if (!is_target_host(c, body_text(map, key)))
        return;
    json_object_set_new(map, key, json_string(c->host));
    c->touched = true;
}

static void rewrite_hosts(struct copying *c, json_t *hosts)
{
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const char *host = json_string_value(json_array_get(hosts, i));
        if (host == NULL || !is_target_host(c, host))
            continue;
        json_array_set_new(hosts, i, json_string(c->host));
        c->touched = true;
    }
}

/* Everywhere below ${node}, for routes nest: http[].route[].destination.host, filters' mirrors. */
static void rewrite(struct copying *c, json_t *node)
{
    const char *key;
    json_t *value;
    size_t i;
    json_array_foreach(node, i, value) rewrite(c, value);
    if (!json_is_object(node))
        return;
    rewrite_host(c, node, "host");
    rewrite_hosts(c, json_object_get(node, "hosts"));
    json_array_foreach(json_object_get(node, "parentRefs"), i, value)
        rewrite_ref(c, value, "Gateway");
    json_array_foreach(json_object_get(node, "backendRefs"), i, value)
        rewrite_ref(c, value, "Service");
    json_array_foreach(json_object_get(node, "targetRefs"), i, value) rewrite_ref(c, value, "");
    if (json_is_object(json_object_get(node, "backendRef")))
        rewrite_ref(c, json_object_get(node, "backendRef"), "Service");
    if (json_is_object(json_object_get(node, "targetRef")))
        rewrite_ref(c, json_object_get(node, "targetRef"), "");
    json_object_foreach(node, key, value) rewrite(c, value);
}

/* What the API server writes, and what would make somebody else's tool take the copy for its own.
 */
static void clean_metadata(json_t *meta)
{
    static const char *const dropped[] = {"managedFields",
                                          "uid",
                                          "ownerReferences",
                                          "resourceVersion",
                                          "generation",
                                          "creationTimestamp",
                                          "selfLink",
                                          "finalizers",
                                          "generateName",
                                          "deletionTimestamp",
                                          "deletionGracePeriodSeconds"};
    static const char *const owners[] = {"app.kubernetes.io/instance",
                                         "app.kubernetes.io/managed-by",
                                         "argocd.argoproj.io/",
                                         "kustomize.toolkit.fluxcd.io/",
                                         "helm.toolkit.fluxcd.io/",
                                         "meta.helm.sh/",
                                         "kubectl.kubernetes.io/last-applied-configuration"};
    static const char *const maps[] = {"labels", "annotations"};
    for (size_t i = 0; i < COUNT_OF(dropped); i++)
        json_object_del(meta, dropped[i]);
    for (size_t m = 0; m < COUNT_OF(maps); m++) {
        json_t *map = json_object_get(meta, maps[m]), *value;
        const char *key;
        void *next;
        json_object_foreach_safe(
            map, next, key, value) for (size_t i = 0; i < COUNT_OF(owners);
                                        i++) if (strncmp(key, owners[i], strlen(owners[i])) == 0)
        {
            json_object_del(map, key);
            break;
        }
        if (map != NULL && json_object_size(map) == 0)
            json_object_del(meta, maps[m]);
    }
}

/* A Server names the target's pods: the copy names ours, by the port that they have. */
static void retarget_server(struct copying *c, json_t *copy)
{
    json_t *spec = json_object_get(copy, "spec");
    json_object_set_new(spec, "podSelector",
                        json_pack("{s:{s:s, s:s, s:s}}", "matchLabels", OBJECTS_RUN_LABEL,
                                  c->run->run, OBJECTS_ROLE_LABEL, "endpoint",
                                  OBJECTS_SERVICE_LABEL, c->names->service));
    json_object_set_new(spec, "port", json_string("http"));
    c->touched = true;
}

static void rename_copy(struct copying *c, const struct gvr *g, json_t *copy)
{
    char name[OBJECTS_NAME_MOST + 1], version[96];
    json_t *meta = json_object_get(copy, "metadata"), *labels = json_object_get(meta, "labels");
    /* The version that we ask the API server for: the fields are those of all versions of a group.
     */
    json_object_set_new(copy, "apiVersion",
                        json_string(gvr_api_version(g, version, sizeof(version))));
    /* A ServiceProfile is found by its name, which is the host's. */
    if (g->id == GVR_SERVICEPROFILES)
        json_object_set_new(meta, "name", json_string(c->host));
    else
        json_object_set_new(
            meta, "name",
            json_string(objects_name(c->run, body_text(meta, "name"), 0, name, sizeof(name))));
    json_object_set_new(meta, "namespace", json_string(c->run->namespace));
    if (labels == NULL) {
        labels = json_object();
        json_object_set_new(meta, "labels", labels);
    }
    json_object_set_new(labels, OBJECTS_RUN_LABEL, json_string(c->run->run));
}

static void own_copy(const struct objects_run *r, json_t *meta)
{
    char name[OBJECTS_NAME_MOST + 1];
    if (r->anchor_uid == NULL)
        return;
    json_object_set_new(meta, "ownerReferences",
                        json_pack("[{s:s, s:s, s:s, s:s, s:b, s:b}]", "apiVersion", "v1", "kind",
                                  "ConfigMap", "name", objects_name(r, NULL, 0, name, sizeof(name)),
                                  "uid", r->anchor_uid, "controller", 1, "blockOwnerDeletion", 0));
}

json_t *copy_policy(const struct objects_run *r, const json_t *object,
                    const struct copy_names *names)
{
    const json_t *meta = json_object_get(object, "metadata");
    const struct gvr *g = gvr_of_kind(body_text(object, "apiVersion"), body_text(object, "kind"));
    struct copying c = {.run = r, .names = names, .own_namespace = body_text(meta, "namespace")};
    if (g == NULL || !gvr_has(g->id, GVR_COPIED) || *body_text(meta, "name") == '\0')
        return NULL;
    if (*c.own_namespace == '\0')
        c.own_namespace = names->namespace;
    objects_name(r, names->service, 0, c.service, sizeof(c.service));
    snprintf(c.host, sizeof(c.host), "%s.%s.svc.cluster.local", c.service, r->namespace);
    if (g->id == GVR_SERVICEPROFILES)
        c.touched = is_target_host(&c, body_text(meta, "name"));
    json_t *copy = json_deep_copy(object), *copied = json_object_get(copy, "metadata");
    json_object_del(copy, "status");
    rewrite(&c, json_object_get(copy, "spec"));
    if (g->id == GVR_SERVERS && is_server(&c, body_text(meta, "name")))
        retarget_server(&c, copy);
    if (!c.touched) {
        json_decref(copy);
        return NULL;
    }
    clean_metadata(copied);
    rename_copy(&c, g, copy);
    own_copy(r, copied);
    return copy;
}

json_t *copy_annotations(const json_t *service)
{
    static const char *const read[] = {"retry.linkerd.io/", "timeout.linkerd.io/",
                                       "balancer.linkerd.io/", "networking.istio.io/"};
    json_t *out = json_object(), *value;
    json_t *all = json_object_get(json_object_get(service, "metadata"), "annotations");
    const char *key;
    json_object_foreach(all, key, value) for (size_t i = 0; i < COUNT_OF(read);
                                              i++) if (strncmp(key, read[i], strlen(read[i])) == 0)
        json_object_set(out, key, value);
    return out;
}
