#include "policy/lint_inside.h"

#include "base/units.h"

/* Mutual TLS that hides a failure, refuses its own callers, or leaves no time to rotate (E). */

static const char *mode_of(const struct object *o)
{
    return yaml_get_text(yaml_get(o->spec, "mtls"), "mode");
}

static bool is_peer(const struct policy *p, const struct object *o)
{
    return lint_is(o, "PeerAuthentication") && lint_reads(p, o);
}

static void permissive(struct policy *p, const struct object *o)
{
    const char *mode = mode_of(o);
    if (mode != NULL && strcmp(mode, "PERMISSIVE") == 0)
        lint_add(p, LINT_MTLS_PERMISSIVE, lint_source(yaml_get(o->spec, "mtls"), "mode"),
                 "PeerAuthentication %.60s takes plaintext too: certificates that fail, in a "
                 "rotation too, may go unseen",
                 o->name);
}

/* The STRICT object that holds for every workload of the namespace; NULL: none, or it is not to be
 * told, for one with a selector may say otherwise. */
static const struct object *strict_of(const struct policy *p, const char *namespace)
{
    const struct object *own = NULL, *root = NULL;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        bool here = strcmp(o->namespace, namespace) == 0;
        if (!is_peer(p, o))
            continue;
        if (here &&
            (yaml_get(o->spec, "selector") != NULL || yaml_get(o->spec, "portLevelMtls") != NULL))
            return NULL;
        if (mode_of(o) == NULL || strcmp(mode_of(o), "UNSET") == 0)
            continue;
        if (here)
            own = o;
        else if (strcmp(o->namespace, "istio-system") == 0)
            root = o;
    }
    const struct object *in_force = own != NULL ? own : root;
    return in_force != NULL && strcmp(mode_of(in_force), "STRICT") == 0 ? in_force : NULL;
}

static void plaintext(struct policy *p, const struct destination *d)
{
    const struct yaml_node *traffic, *tls = lint_part(d, "tls", &traffic);
    const char *namespace = d->host.namespace != NULL ? d->host.namespace : d->object->namespace;
    if (!lint_says(tls, "mode", "DISABLE") || d->host.service == NULL || namespace[0] == '\0' ||
        strchr(d->host.service, '.') != NULL)
        return;
    const struct object *strict = strict_of(p, namespace);
    if (strict == NULL)
        return;
    lint_add(p, LINT_MTLS_STRICT, lint_source(tls, "mode"),
             "DestinationRule %.60s sends plaintext to %.60s, where PeerAuthentication %.60s "
             "(%.100s:%u) is STRICT: every call is reset",
             d->object->name, d->host.service, strict->name, strict->kind_source.file,
             strict->kind_source.line);
}

/* The leaves that an old issuer signed live for 24 h (E2, E3): it must not end before them. The
 * secrets are those from which the two control planes read their issuer. */
static void issuer(struct policy *p, const struct object *o)
{
    static const char *const secrets[] = {"linkerd-identity-issuer", "cacerts", "istio-ca-secret"};
    const uint64_t leaf_ns = UINT64_C(24) * 3600 * 1000000000;
    const char *secret = yaml_get_text(o->spec, "secretName");
    uint64_t left_ns = 0;
    bool known = false, authority = false;
    for (size_t i = 0; secret != NULL && i < COUNT_OF(secrets); i++)
        known = known || strcmp(secrets[i], secret) == 0;
    const struct yaml_node *is_ca = yaml_get(o->spec, "isCA");
    if (!known || is_ca == NULL || !yaml_read_bool(is_ca, &authority, NULL) || !authority ||
        !lint_duration(o->spec, "renewBefore", &left_ns) || left_ns >= leaf_ns)
        return;
    char left[32];
    units_print_duration(left_ns, left, sizeof(left));
    lint_add(p, LINT_ROTATION_ISSUER, lint_source(o->spec, "renewBefore"),
             "Certificate %.60s is renewed %s before it ends, and leaves that it signed live 24h: "
             "there is no overlap for the last of them",
             o->name, left);
}

void lint_mtls(struct lint *l)
{
    struct policy *p = l->policy;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (strcmp(o->group, "cert-manager.io") == 0 && lint_is(o, "Certificate"))
            issuer(p, o);
        else if (is_peer(p, o))
            permissive(p, o);
    }
    for (size_t i = 0; policy_is_istio(p) && i < p->destination_count; i++)
        plaintext(p, &p->destinations[i]);
}
