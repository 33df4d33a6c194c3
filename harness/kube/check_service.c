#include "kube/check_inside.h"
#include "kube/incumbent.h"

#include <stdlib.h>

/* The target's Service, its port, its endpoints, its lock. */

void check_service_missing(const struct preflight_view *v, struct preflight_findings *f)
{
    if (v->run->mode == OBJECTS_INTERPOSE && v->lists[GVR_SERVICES] != NULL && target_of(v) == NULL)
        preflight_add(f, "service_missing", "namespace %s has no Service %s", v->run->namespace,
                      v->service->name);
}

void check_service_kind(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *spec = json_object_get(target_of(v), "spec");
    const char *name = v->service->name;
    if (spec == NULL || v->run->mode != OBJECTS_INTERPOSE)
        return;
    if (strcmp(body_text(spec, "type"), "ExternalName") == 0)
        preflight_add(f, "service_kind",
                      "Service %s is of type ExternalName: it is a name of DNS and has no "
                      "endpoints",
                      name);
    if (strcmp(body_text(spec, "clusterIP"), "None") == 0)
        preflight_add(f, "service_kind",
                      "Service %s is headless: clients pick pods themselves, the mesh does not",
                      name);
    if (strcmp(body_text(spec, "sessionAffinity"), "ClientIP") == 0)
        preflight_add(f, "service_kind",
                      "Service %s has sessionAffinity: ClientIP: our endpoint would get all of a "
                      "client, or nothing",
                      name);
    if (strcmp(body_text(spec, "internalTrafficPolicy"), "Local") == 0)
        preflight_add(f, "service_kind",
                      "Service %s has internalTrafficPolicy: Local: our endpoint is on one node, "
                      "and callers of others would not reach it",
                      name);
    if (json_is_true(json_object_get(spec, "publishNotReadyAddresses")))
        preflight_add(f, "service_kind",
                      "Service %s has publishNotReadyAddresses: true: the gate that keeps faults "
                      "away would not hold",
                      name);
}

static const json_t *port_of(const struct preflight_view *v)
{
    const json_t *one;
    size_t i;
    json_array_foreach(at(target_of(v), "spec", "ports"), i,
                       one) if (json_integer_value(json_object_get(one, "port")) ==
                                v->service->port) return one;
    return NULL;
}

/* An endpoint is one of each port of its Service: callers of the others would be refused by ours. A
 * port with a name is looked up in the pod, and ours does not have it. */
void check_other_port(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *one;
    size_t i;
    if (v->run->mode != OBJECTS_INTERPOSE)
        return;
    json_array_foreach(at(target_of(v), "spec", "ports"), i, one)
    {
        json_int_t port = json_integer_value(json_object_get(one, "port"));
        const json_t *target = json_object_get(one, "targetPort");
        json_int_t number = target == NULL ? port : json_integer_value(target);
        if (port != v->service->port && !json_is_string(target) &&
            number != v->service->listen_port)
            preflight_add(f, "other_port",
                          "Service %s has port %lld besides %u: our endpoint would be one of it "
                          "too, and refuse its callers (a targetPort by name would leave it out)",
                          v->service->name, (long long)port, (unsigned)v->service->port);
    }
}

void check_port_protocol(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *port = port_of(v);
    if (target_of(v) == NULL || (v->run->mesh != OBJECTS_ISTIO && v->run->mesh != OBJECTS_AMBIENT))
        return;
    if (port == NULL)
        preflight_add(f, "port_protocol", "Service %s has no port %u", v->service->name,
                      (unsigned)v->service->port);
    else if (!incumbent_is_http(incumbent_protocol(port)))
        preflight_add(
            f, "port_protocol",
            "port %u of Service %s is not declared as HTTP or gRPC (name \"%s\", "
            "appProtocol \"%s\"): Istio guesses, or does TCP, and policy for HTTP may not "
            "hold",
            (unsigned)v->service->port, v->service->name, body_text(port, "name"),
            body_text(port, "appProtocol"));
}

/* "25,443,1000-2000": whether a list of ports has this one. */
static bool has_port(const char *list, unsigned port)
{
    while (*list != '\0') {
        char *end;
        unsigned long from = strtoul(list, &end, 10), to = from;
        if (end == list) {
            list++; /* a comma, or what is no port */
            continue;
        }
        if (*end == '-')
            to = strtoul(end + 1, &end, 10);
        if (from <= port && port <= to)
            return true;
        list = end;
    }
    return false;
}

void check_opaque_port(const struct preflight_view *v, struct preflight_findings *f)
{
    static const char *const linkerd[] = {"config.linkerd.io/opaque-ports",
                                          "config.linkerd.io/skip-inbound-ports",
                                          "config.linkerd.io/skip-outbound-ports"};
    static const char *const istio[] = {"traffic.sidecar.istio.io/excludeInboundPorts",
                                        "traffic.sidecar.istio.io/excludeOutboundPorts"};
    bool is_linkerd = v->run->mesh == OBJECTS_LINKERD;
    const char *const *keys = is_linkerd ? linkerd : istio;
    size_t count = is_linkerd ? COUNT_OF(linkerd) : COUNT_OF(istio);
    const json_t *places[] = {target_of(v), v->namespace};
    for (size_t i = 0; v->run->mesh != OBJECTS_NO_MESH && i < count; i++)
        for (size_t p = 0; p < COUNT_OF(places); p++)
            if (has_port(annotation_of(places[p], keys[i]), v->service->port))
                preflight_add(
                    f, "opaque_port",
                    "%s %s has port %u in %s: the mesh does not read its requests, and no "
                    "policy for HTTP holds",
                    p == 0 ? "Service" : "Namespace", name_of(places[p]),
                    (unsigned)v->service->port, keys[i]);
}

/* Ready endpoints of the target that are not ours. */
static size_t ready(const struct preflight_view *v)
{
    const json_t *slice, *one;
    size_t i, k, count = 0;
    json_array_foreach(items_of(v, GVR_ENDPOINTSLICES), i, slice)
    {
        if (strcmp(label_of(slice, "kubernetes.io/service-name"), v->service->name) != 0 ||
            *label_of(slice, OBJECTS_RUN_LABEL) != '\0')
            continue;
        json_array_foreach(json_object_get(slice, "endpoints"), k, one)
            /* Absent is true (discovery.k8s.io/v1 EndpointConditions). */
            count += !json_is_false(at(one, "conditions", "ready")) &&
                     strncmp(body_text(json_object_get(one, "targetRef"), "name"), "mp-", 3) != 0;
    }
    return count;
}

void check_too_few_ready(const struct preflight_view *v, struct preflight_findings *f)
{
    if (v->run->mode != OBJECTS_INTERPOSE || v->lists[GVR_ENDPOINTSLICES] == NULL ||
        target_of(v) == NULL)
        return;
    size_t real = ready(v);
    if (real < PREFLIGHT_READY_LEAST)
        preflight_add(f, "too_few_ready",
                      "Service %s has %zu ready endpoint%s of its own, a run beside them wants %d",
                      v->service->name, real, real == 1 ? "" : "s", PREFLIGHT_READY_LEAST);
}

void check_share(const struct preflight_view *v, struct preflight_findings *f)
{
    if (v->run->mode != OBJECTS_INTERPOSE || v->share_ppm == 0 ||
        v->lists[GVR_ENDPOINTSLICES] == NULL)
        return;
    uint64_t ours = v->service->endpoints, real = ready(v);
    if (ours * 1000000 > v->share_ppm * (ours + real))
        preflight_add(f, "share",
                      "%llu of %llu endpoints of %s would be ours, more than the cap of %u.%u %%",
                      (unsigned long long)ours, (unsigned long long)(ours + real), v->service->name,
                      (unsigned)(v->share_ppm / 10000), (unsigned)(v->share_ppm / 1000 % 10));
}

void check_lease_held(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *spec = json_object_get(v->lease, "spec");
    const char *holder = body_text(spec, "holderIdentity");
    if (*holder == '\0' || lease_is_of(holder, v->run->run))
        return;
    int run = (int)strcspn(holder, "/");
    preflight_add(
        f, "lease_held",
        "%s of %s is in the hands of run %.*s (renewed at %s by its own clock): meshproof "
        "recover --on kubernetes -n %s --run %.*s, if that is dead",
        v->service->name, v->run->namespace, run, holder, body_text(spec, "renewTime"),
        v->run->namespace, run, holder);
}
