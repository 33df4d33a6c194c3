#include "kube/check_inside.h"

/* Policies of the mesh that would decide the run, and owners that would undo an edit. */

void check_strict_mtls(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *one;
    size_t i;
    /* A canary's endpoints are outside of the mesh: what it accepts inside is not asked there. */
    if (v->run->mode != OBJECTS_INTERPOSE || our_endpoint(v) == NULL)
        return;
    json_array_foreach(items_of(v, GVR_PEERAUTHENTICATIONS), i, one)
    {
        const json_t *selector = at(one, "spec", "selector");
        const char *mode = body_text(at(one, "spec", "mtls"), "mode");
        if (strcmp(mode, "STRICT") == 0 &&
            (selector == NULL || selector_takes(selector, labels_of(our_endpoint(v)))))
            preflight_add(f, "strict_mtls",
                          "PeerAuthentication %s is STRICT for our endpoint, which has no proxy: "
                          "the mesh would send it nothing that it could read",
                          name_of(one));
    }
}

/* "mp-1-payments", "mp-1-payments.ns", "mp-1-payments.ns.svc...." */
static bool host_is(const char *host, const char *service)
{
    size_t length = strlen(service);
    return strncmp(host, service, length) == 0 && (host[length] == '\0' || host[length] == '.');
}

static void one_rule(const json_t *rule, const char *host, struct preflight_findings *f)
{
    const char *mode = body_text(at(at(rule, "spec", "trafficPolicy"), "tls", NULL), "mode");
    if (host_is(body_text(json_object_get(rule, "spec"), "host"), host) &&
        (strcmp(mode, "ISTIO_MUTUAL") == 0 || strcmp(mode, "MUTUAL") == 0))
        preflight_add(f, "forced_mtls",
                      "DestinationRule %s has tls.mode %s for %s, whose endpoints here have no "
                      "proxy: every request would be a 503, which says nothing about retries",
                      name_of(rule), mode, host);
}

void check_forced_mtls(const struct preflight_view *v, struct preflight_findings *f)
{
    char canary[OBJECTS_NAME_MOST + 1];
    const char *host = v->service->name;
    const json_t *one;
    size_t i;
    if (v->run->mode == OBJECTS_CANARY)
        host = objects_name(v->run, v->service->name, 0, canary, sizeof(canary));
    json_array_foreach(items_of(v, GVR_DESTINATIONRULES), i, one) one_rule(one, host, f);
    json_array_foreach(v->objects, i, one) if (strcmp(body_text(one, "kind"), "DestinationRule") ==
                                               0) one_rule(one, host, f);
}

static bool names_callers(const json_t *policy)
{
    const json_t *rule, *from;
    size_t i, k;
    json_array_foreach(at(policy, "spec", "rules"), i, rule)
        json_array_foreach(json_object_get(rule, "from"), k, from)
    {
        const json_t *source = json_object_get(from, "source");
        if (json_array_size(json_object_get(source, "principals")) > 0 ||
            json_array_size(json_object_get(source, "namespaces")) > 0 ||
            json_array_size(json_object_get(source, "serviceAccounts")) > 0)
            return true;
    }
    return false;
}

static void istio_authorization(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *one;
    size_t i;
    json_array_foreach(items_of(v, GVR_ISTIO_AUTHORIZATIONPOLICIES), i, one)
    {
        const char *action = body_text(json_object_get(one, "spec"), "action");
        if ((*action == '\0' || strcmp(action, "ALLOW") == 0) && names_callers(one) &&
            takes_target_pod(v, at(one, "spec", "selector")))
            preflight_add(f, "authorization",
                          "AuthorizationPolicy %s lets only named callers reach pods of %s: what "
                          "our relay passes on comes from meshproof-agent, and would be refused",
                          name_of(one), v->service->name);
    }
}

/* Linkerd: a policy of a Server that selects the target's pods, or of the namespace. */
static bool linkerd_takes(const struct preflight_view *v, const json_t *policy)
{
    const json_t *ref = at(policy, "spec", "targetRef"), *server;
    size_t i;
    if (strcmp(body_text(ref, "kind"), "Namespace") == 0)
        return takes_target_pod(v, NULL);
    json_array_foreach(items_of(v, GVR_SERVERS), i,
                       server) if (strcmp(name_of(server), body_text(ref, "name")) ==
                                   0) return takes_target_pod(v, at(server, "spec", "podSelector"));
    return false;
}

static void linkerd_authorization(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *one, *ref;
    size_t i, k;
    json_array_foreach(items_of(v, GVR_LINKERD_AUTHORIZATIONPOLICIES), i, one)
        json_array_foreach(at(one, "spec", "requiredAuthenticationRefs"), k,
                           ref) if (strcmp(body_text(ref, "kind"), "MeshTLSAuthentication") == 0 &&
                                    linkerd_takes(v, one))
    {
        preflight_add(f, "authorization",
                      "AuthorizationPolicy %s wants MeshTLSAuthentication %s of who calls "
                      "pods of %s: our relay has no such identity, and would be refused",
                      name_of(one), body_text(ref, "name"), v->service->name);
        break;
    }
}

void check_authorization(const struct preflight_view *v, struct preflight_findings *f)
{
    if (v->run->mode != OBJECTS_INTERPOSE)
        return;
    istio_authorization(v, f);
    linkerd_authorization(v, f);
}

/* What --allow edit would touch. */
static const enum gvr_id edited[] = {GVR_SERVICES, GVR_VIRTUALSERVICES, GVR_HTTPROUTES};

static bool of_target(const struct preflight_view *v, enum gvr_id id, const json_t *object)
{
    const json_t *one;
    size_t i;
    if (id == GVR_SERVICES)
        return strcmp(name_of(object), v->service->name) == 0;
    json_array_foreach(at(object, "spec", "hosts"), i,
                       one) if (json_is_string(one) &&
                                host_is(json_string_value(one), v->service->name)) return true;
    json_array_foreach(at(object, "spec", "parentRefs"), i,
                       one) if (strcmp(body_text(one, "kind"), "Service") == 0 &&
                                strcmp(body_text(one, "name"), v->service->name) == 0) return true;
    return false;
}

void check_gitops(const struct preflight_view *v, struct preflight_findings *f)
{
    static const char *const marks[] = {
        "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"};
    const json_t *one;
    size_t i;
    for (size_t k = 0; v->edits && k < COUNT_OF(edited); k++)
        json_array_foreach(items_of(v, edited[k]), i,
                           one) for (size_t m = 0;
                                     of_target(v, edited[k], one) && m < COUNT_OF(marks);
                                     m++) if (*annotation_of(one, marks[m]) != '\0' ||
                                              *label_of(one, marks[m]) != '\0')
        {
            preflight_add(f, "gitops",
                          "%s %s belongs to a GitOps tool (%s), which would set an edit "
                          "back within the run: leave --allow edit out, or suspend it",
                          gvr_get(edited[k])->kind, name_of(one), marks[m]);
            break;
        }
}

void check_helm(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *one;
    size_t i;
    for (size_t k = 0; v->edits && k < COUNT_OF(edited); k++)
        json_array_foreach(items_of(v, edited[k]), i,
                           one) if (of_target(v, edited[k], one) &&
                                    strcmp(label_of(one, "app.kubernetes.io/managed-by"), "Helm") ==
                                        0)
            preflight_add(f, "helm",
                          "%s %s belongs to a Helm release: no upgrade of it while the run "
                          "lasts",
                          gvr_get(edited[k])->kind, name_of(one));
}

static bool names_target(const struct preflight_view *v, enum gvr_id id)
{
    const json_t *one;
    size_t i;
    json_array_foreach(items_of(v, id), i, one)
    {
        if (of_target(v, id, one))
            return true;
    }
    return false;
}

static bool is_l7(const struct preflight_view *v)
{
    static const char *const kinds[] = {"VirtualService", "DestinationRule", "HTTPRoute",
                                        "GRPCRoute"};
    const json_t *one;
    size_t i;
    if (v->run->mode == OBJECTS_INTERPOSE) { /* what is in force is under test, not copies */
        json_array_foreach(items_of(v, GVR_DESTINATIONRULES), i, one)
        {
            if (host_is(body_text(json_object_get(one, "spec"), "host"), v->service->name))
                return true;
        }
        return names_target(v, GVR_VIRTUALSERVICES) || names_target(v, GVR_HTTPROUTES);
    }
    json_array_foreach(v->objects, i, one) for (size_t k = 0; k < COUNT_OF(kinds);
                                                k++) if (strcmp(body_text(one, "kind"), kinds[k]) ==
                                                         0) return true;
    return false;
}

void check_no_waypoint(const struct preflight_view *v, struct preflight_findings *f)
{
    const char *of = v->service->waypoint != NULL ? v->service->waypoint : "";
    if (*of == '\0')
        of = label_of(target_of(v), "istio.io/use-waypoint");
    if (*of == '\0')
        of = label_of(v->namespace, "istio.io/use-waypoint");
    if (v->run->mesh == OBJECTS_AMBIENT && is_l7(v) && (*of == '\0' || strcmp(of, "none") == 0))
        preflight_add(f, "no_waypoint",
                      "%s has no waypoint (label istio.io/use-waypoint): ambient then does nothing "
                      "of its policy for HTTP, and there is nothing to judge",
                      v->service->name);
}

/* The parent Service of a route and its port; false: it has none of this name. */
static bool parent_of(const json_t *route, const char *service, json_int_t *ret_port)
{
    const json_t *ref;
    size_t i;
    json_array_foreach(at(route, "spec", "parentRefs"), i,
                       ref) if (strcmp(body_text(ref, "kind"), "Service") == 0 &&
                                strcmp(body_text(ref, "name"), service) == 0)
    {
        *ret_port = json_integer_value(json_object_get(ref, "port"));
        return true;
    }
    return false;
}

static const char *age_of(const json_t *object)
{
    return body_meta_text(object, "creationTimestamp");
}

void check_route_conflict(const struct preflight_view *v, struct preflight_findings *f)
{
    const json_t *items = items_of(v, GVR_HTTPROUTES), *a, *b;
    json_int_t a_port, b_port;
    size_t i, k;
    json_array_foreach(items, i, a)
        json_array_foreach(items, k, b) if (k > i && parent_of(a, v->service->name, &a_port) &&
                                            parent_of(b, v->service->name, &b_port) &&
                                            (a_port == 0 || b_port == 0 || a_port == b_port))
    {
        /* RFC 3339 times sort as text. */
        bool a_first = strcmp(age_of(a), age_of(b)) <= 0;
        preflight_add(f, "route_conflict",
                      "HTTPRoutes %s and %s have Service %s as their parent; where both "
                      "match, the older one, %s, is what counts",
                      name_of(a), name_of(b), v->service->name, a_first ? name_of(a) : name_of(b));
    }
}
