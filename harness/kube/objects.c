#include "kube/objects_inside.h"

#include "base/map.h"

#include <arpa/inet.h>

const char *const objects_mode_words[] = {"canary", "interpose", NULL};

void set_text(json_t *map, const char *key, const char *value)
{
    if (value != NULL)
        json_object_set_new(map, key, json_string(value));
}

void set_count(json_t *map, const char *key, uint64_t value)
{
    json_object_set_new(map, key, json_integer((json_int_t)value));
}

void set_true(json_t *map, const char *key, bool value)
{
    json_object_set_new(map, key, json_boolean(value));
}

void set_new(json_t *map, const char *key, json_t *take_value)
{
    json_object_set_new(map, key, take_value);
}

const char *objects_name(const struct objects_run *r, const char *service, uint32_t n, char *to,
                         size_t size)
{
    char number[16] = "";
    if (n > 0)
        snprintf(number, sizeof(number), "-%u", (unsigned)n);
    size_t fixed = strlen("mp-") + strlen(r->run) + strlen(number);
    size_t room = OBJECTS_NAME_MOST - fixed - 1;
    if (service == NULL)
        snprintf(to, size, "mp-%s%s", r->run, number);
    else if (strlen(service) <= room)
        snprintf(to, size, "mp-%s-%s%s", r->run, service, number);
    else
        snprintf(to, size, "mp-%s-%.*s-%08x%s", r->run, (int)room - 9, service,
                 (unsigned)map_hash(service, strlen(service)), number);
    return to;
}

json_t *objects_head(const struct objects_run *r, const char *api_version, const char *kind,
                     const char *name)
{
    json_t *object = json_object(), *meta = json_object(), *labels = json_object();
    set_text(object, "apiVersion", api_version);
    set_text(object, "kind", kind);
    set_text(meta, "name", name);
    set_text(meta, "namespace", r->namespace);
    set_text(labels, OBJECTS_RUN_LABEL, r->run);
    set_new(meta, "labels", labels);
    set_new(object, "metadata", meta);
    return object;
}

json_t *objects_labels(json_t *object)
{
    return json_object_get(json_object_get(object, "metadata"), "labels");
}

json_t *objects_annotations(json_t *object)
{
    json_t *meta = json_object_get(object, "metadata");
    json_t *found = json_object_get(meta, "annotations");
    if (found == NULL) {
        found = json_object();
        set_new(meta, "annotations", found);
    }
    return found;
}

static void add_owner(json_t *object, const char *api_version, const char *kind, const char *name,
                      const char *uid, bool controls)
{
    json_t *owner = json_object(), *owners = json_array();
    set_text(owner, "apiVersion", api_version);
    set_text(owner, "kind", kind);
    set_text(owner, "name", name);
    set_text(owner, "uid", uid);
    set_true(owner, "controller", controls);
    /* True would need a right on the owner's finalizers (2.2). */
    set_true(owner, "blockOwnerDeletion", false);
    json_array_append_new(owners, owner);
    set_new(json_object_get(object, "metadata"), "ownerReferences", owners);
}

void objects_own(const struct objects_run *r, json_t *object)
{
    char name[OBJECTS_NAME_MOST + 1];
    if (r->anchor_uid != NULL)
        add_owner(object, "v1", "ConfigMap", objects_name(r, NULL, 0, name, sizeof(name)),
                  r->anchor_uid, true);
}

json_t *objects_anchor(const struct objects_run *r)
{
    char name[OBJECTS_NAME_MOST + 1];
    json_t *anchor =
        objects_head(r, "v1", "ConfigMap", objects_name(r, NULL, 0, name, sizeof(name)));
    /* A Job that controlled it would claim our pods as its own (trap 2). */
    if (r->job_uid != NULL && r->job_name != NULL)
        add_owner(anchor, "batch/v1", "Job", r->job_name, r->job_uid, false);
    set_new(anchor, "data", json_pack("{s:s}", "journal.json", "[]"));
    return anchor;
}

static const char *secret_name(const struct objects_run *r, char *to, size_t size)
{
    snprintf(to, size, "mp-%s-agents", r->run);
    return to;
}

json_t *objects_secret(const struct objects_run *r, const char *psk)
{
    char name[OBJECTS_NAME_MOST + 1];
    json_t *secret = objects_head(r, "v1", "Secret", secret_name(r, name, sizeof(name)));
    objects_own(r, secret);
    set_text(secret, "type", "Opaque");
    set_new(secret, "stringData", json_pack("{s:s}", "psk", psk));
    return secret;
}

json_t *objects_selector(const struct objects_run *r, const struct objects_service *s)
{
    return json_pack("{s:s, s:s, s:s}", OBJECTS_RUN_LABEL, r->run, OBJECTS_ROLE_LABEL, "endpoint",
                     OBJECTS_SERVICE_LABEL, s->name);
}

static json_t *port_of(const char *name, uint16_t port, const char *target,
                       const char *app_protocol)
{
    json_t *one = json_object(), *all = json_array();
    set_text(one, "name", name);
    set_count(one, "port", port);
    set_text(one, "targetPort", target);
    set_text(one, "appProtocol", app_protocol);
    json_array_append_new(all, one);
    return all;
}

json_t *objects_service(const struct objects_run *r, const struct objects_service *s)
{
    char name[OBJECTS_NAME_MOST + 1];
    json_t *service =
        objects_head(r, "v1", "Service", objects_name(r, s->name, 0, name, sizeof(name)));
    if (r->mesh == OBJECTS_AMBIENT)
        set_text(objects_labels(service), "istio.io/use-waypoint", s->waypoint);
    if (json_object_size(s->annotations) > 0)
        json_object_update((json_t *)objects_annotations(service),
                           (json_t *)(uintptr_t)s->annotations);
    objects_own(r, service);
    json_t *spec = json_object();
    if (!r->ports)
        set_new(spec, "selector", objects_selector(r, s));
    set_new(
        spec, "ports",
        port_of(s->port_name != NULL ? s->port_name : "http", s->port, "http", s->app_protocol));
    set_new(service, "spec", spec);
    return service;
}

const char *objects_direct_name(const struct objects_run *r, const char *service, char *to,
                                size_t size)
{
    char direct[OBJECTS_NAME_MOST + 32];
    snprintf(direct, sizeof(direct), "%s-direct", service);
    return objects_name(r, direct, 0, to, size);
}

json_t *objects_direct_service(const struct objects_run *r, const struct objects_service *s,
                               bool selectorless)
{
    char name[OBJECTS_NAME_MOST + 1];
    json_t *service =
        objects_head(r, "v1", "Service", objects_direct_name(r, s->name, name, sizeof(name)));
    objects_own(r, service);
    json_t *spec = json_object(), *ports = port_of("tcp-direct", s->port, s->listen_name, "tcp");
    if (!selectorless && s->selector != NULL)
        set_new(spec, "selector", json_deep_copy(s->selector));
    if (s->listen_name == NULL && s->listen_port != 0) /* where the real pods are, as the target */
        set_count(json_array_get(ports, 0), "targetPort", s->listen_port);
    /* The agent's own proxy does L4 and mTLS only on this leg: no second set of retries. */
    set_new(spec, "ports", ports);
    set_new(service, "spec", spec);
    return service;
}

static bool loopback(const char *ip)
{
    struct in6_addr six;
    struct in_addr four;
    if (inet_pton(AF_INET, ip, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, ip, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static json_t *address_of(const struct objects_run *r, const struct objects_address *a)
{
    json_t *one = json_object();
    set_new(one, "addresses", json_pack("[s]", a->ip));
    set_new(one, "conditions", json_pack("{s:b}", "ready", a->ready ? 1 : 0));
    if (a->pod != NULL) {
        json_t *target = json_object();
        set_text(target, "kind", "Pod");
        set_text(target, "namespace", r->namespace);
        set_text(target, "name", a->pod);
        set_text(target, "uid", a->pod_uid);
        set_new(one, "targetRef", target);
    }
    return one;
}

json_t *objects_slice(const struct objects_run *r, const char *service, uint32_t n, uint16_t port,
                      const char *port_name, const struct objects_address *addresses, size_t count,
                      struct error *err)
{
    char name[OBJECTS_NAME_MOST + 1];
    for (size_t i = 0; i < count; i++)
        if (loopback(addresses[i].ip)) {
            error_set(err, ERROR_INPUT,
                      "%.60s is a loopback address, which the API refuses in an EndpointSlice",
                      addresses[i].ip);
            return NULL;
        }
    json_t *slice = objects_head(r, "discovery.k8s.io/v1", "EndpointSlice",
                                 objects_name(r, "ports", n, name, sizeof(name)));
    set_text(objects_labels(slice), "kubernetes.io/service-name", service);
    set_text(objects_labels(slice), "endpointslice.kubernetes.io/managed-by", "meshproof.io");
    objects_own(r, slice);
    set_text(slice, "addressType",
             count > 0 && strchr(addresses[0].ip, ':') != NULL ? "IPv6" : "IPv4");
    json_t *endpoints = json_array(), *ports = json_array(), *one = json_object();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(endpoints, address_of(r, &addresses[i]));
    set_text(one, "name", port_name);
    set_count(one, "port", port);
    set_text(one, "appProtocol", strncmp(port_name, "tcp", 3) == 0 ? "tcp" : "http");
    json_array_append_new(ports, one);
    set_new(slice, "endpoints", endpoints);
    set_new(slice, "ports", ports);
    return slice;
}

json_t *objects_result(const struct objects_run *r, const json_t *data)
{
    char name[OBJECTS_NAME_MOST + 1];
    snprintf(name, sizeof(name), "mp-%s-result", r->run);
    json_t *result = objects_head(r, "v1", "ConfigMap", name);
    set_text(objects_labels(result), OBJECTS_RESULT_LABEL, "true");
    set_new(result, "data", json_deep_copy(data));
    return result;
}

json_t *objects_gate(bool armed, const char *wall_time)
{
    json_t *condition = json_object();
    set_text(condition, "type", OBJECTS_ARMED_GATE);
    set_text(condition, "status", armed ? "True" : "False");
    set_text(condition, "lastTransitionTime", wall_time);
    return json_pack("{s:{s:[o]}}", "status", "conditions", condition);
}

static void add_endpoints(const struct objects_run *r, const struct objects_service *s, json_t *to)
{
    bool job = r->indexed && !r->ports;
    uint32_t pods = job ? 0 : r->ports ? 1 : s->endpoints;
    if (job && s->endpoints > 0)
        json_array_append_new(to, objects_endpoint_job(r, s));
    for (uint32_t n = 1; n <= pods; n++)
        json_array_append_new(to, objects_endpoint_pod(r, s, n));
}

json_t *objects_in_order(const struct objects_run *r, const struct objects_service *services,
                         size_t service_count, const json_t *policies, uint32_t loads,
                         const char *psk)
{
    json_t *all = json_array();
    json_array_append_new(all, objects_anchor(r));
    json_array_append_new(all, objects_secret(r, psk));
    json_array_append_new(all, objects_guardian_pod(r));
    for (size_t i = 0; i < service_count; i++)
        json_array_append_new(all, r->mode == OBJECTS_CANARY
                                       ? objects_service(r, &services[i])
                                       : objects_direct_service(r, &services[i], !r->swap));
    if (policies != NULL)
        json_array_extend(all, (json_t *)(uintptr_t)policies);
    for (size_t i = 0; i < service_count; i++)
        add_endpoints(r, &services[i], all);
    if (r->indexed && loads > 0)
        json_array_append_new(all, objects_load_job(r, loads));
    for (uint32_t n = 1; !r->indexed && n <= loads; n++)
        json_array_append_new(all, objects_load_pod(r, n));
    return all;
}

const char *objects_run_of(const json_t *object)
{
    const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
    return json_string_value(json_object_get(labels, OBJECTS_RUN_LABEL));
}
