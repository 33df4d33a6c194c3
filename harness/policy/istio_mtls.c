#include "policy/istio_traffic.h"

/* PeerAuthentication, and trafficPolicy.tls of a DestinationRule (policy-semantics.md E): what the
 * called side's proxy takes, and what the calling side's sends. */

/* UNSET, or nothing: unset, so that what stands above holds. */
static struct value read_mode(struct place mtls)
{
    const char *mode = NULL;
    struct source source = {0};
    struct value none = {0};
    if (!place_text(mtls, "mode", &mode, &source) || strcmp(mode, "UNSET") == 0)
        return none;
    for (uint64_t i = 0; i < MTLS_MODES; i++) {
        if (strcmp(mtls_mode_names[i], mode) == 0)
            return value_set(i, source, place_field(mtls, "mode"));
    }
    lint_add(mtls.policy, LINT_OBJECT_VALUE, source,
             "%s is \"%.40s\"; it must be STRICT, PERMISSIVE, DISABLE or UNSET",
             place_field(mtls, "mode"), mode);
    return none;
}

static void read_ports(struct place at, struct peer_rule *rule)
{
    struct place ports = place_at(at, "portLevelMtls");
    if (ports.map == NULL)
        return;
    rule->ports = ARENA_ARRAY(at.policy->arena, struct peer_port, ports.map->count + 1);
    for (size_t i = 0; i < ports.map->count; i++) {
        const char *key = ports.map->pairs[i].key;
        uint64_t port = 0;
        struct value mode = read_mode(place_at(ports, key));
        if (bytes_to_u64(bytes_of(key), &port) && port > 0 && port <= UINT16_MAX && mode.set)
            rule->ports[rule->port_count++] = (struct peer_port){port, mode};
    }
    if (rule->labels == NULL)
        lint_add(at.policy, LINT_ISTIO_INERT_FIELD, place_source(at, "portLevelMtls"),
                 "%s does nothing without a selector", place_field(at, "portLevelMtls"));
}

void istio_read_peer(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o);
    struct peer_rule rule = {.object = o};
    struct place labels = place_at(place_at(at, "selector"), "matchLabels");
    if (labels.map != NULL && labels.map->count > 0)
        rule.labels = labels.map;
    rule.mode = read_mode(place_at(at, "mtls"));
    read_ports(at, &rule);
    *STORE_ADD(p, peer_rule) = rule;
}

/* The one name that the certificate of the called side may have. */
static const char *one_name(struct place at)
{
    const struct yaml_node *names = yaml_get(at.map, "subjectAltNames"), *one = yaml_item(names, 0);
    return yaml_count(names) == 1 && one->kind == YAML_SCALAR ? one->text : NULL;
}

void istio_read_tls(struct place at, struct destination *d)
{
    static const struct {
        const char *word;
        enum mtls_mode sends;
    } modes[] = {{"DISABLE", MTLS_DISABLE},
                 {"SIMPLE", MTLS_DISABLE}, /* TLS, and no certificate of the caller's */
                 {"MUTUAL", MTLS_STRICT},
                 {"ISTIO_MUTUAL", MTLS_STRICT}};
    const char *mode = "DISABLE"; /* the first of the API's words, and so its default */
    if (at.map == NULL)
        return;
    place_text(at, "mode", &mode, NULL);
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        if (strcmp(modes[i].word, mode) == 0)
            d->sends = value_set(
                modes[i].sends, place_source(at, "mode"),
                arena_printf(at.policy->arena, "%s %s", place_field(at, "mode"), modes[i].word));
    }
    if (!d->sends.set)
        lint_add(at.policy, LINT_OBJECT_VALUE, place_source(at, "mode"),
                 "%s is \"%.40s\"; it must be DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL",
                 place_field(at, "mode"), mode);
    if (strcmp(mode, "SIMPLE") == 0)
        lint_add(at.policy, LINT_POLICY_NOT_JUDGED, place_source(at, "mode"),
                 "%s is TLS without a certificate of the caller: in force, and not judged by "
                 "meshproof",
                 place_field(at, "mode"));
    place_not_judged(at, (const char *const[]){"sni", "insecureSkipVerify"}, 2);
    d->identity = one_name(at);
}
