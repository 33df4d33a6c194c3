#include "policy/istio_traffic.h"

/* ServiceEntry: its hosts are services, with all that routes and DestinationRules say of them
 * (policy-semantics.md B1 to B3). Where none of its ports is HTTP there are no retries and no
 * timeouts (B6, IST0118). */

/* The protocol of the first port when none of them is HTTP. */
static const char *other_protocol(const struct object *o, struct source *ret)
{
    static const char *const others[] = {"HTTPS", "TCP", "TLS", "MONGO", "MYSQL", "REDIS", "UDP"};
    const struct yaml_node *ports = yaml_get(o->spec, "ports");
    const char *first = NULL;
    for (size_t i = 0; i < yaml_count(ports); i++) {
        const struct yaml_node *one = yaml_get(yaml_item(ports, i), "protocol");
        const char *found = NULL;
        for (size_t k = 0; one != NULL && one->kind == YAML_SCALAR && k < COUNT_OF(others); k++)
            found = strcmp(others[k], one->text) == 0 ? others[k] : found;
        if (found == NULL)
            return NULL; /* HTTP, or to be found out when it is called */
        if (first == NULL) {
            first = found;
            *ret = one->source;
        }
    }
    return first;
}

void istio_read_entry(struct policy *p, const struct object *o)
{
    struct place at = place_of(p, o);
    const struct yaml_node *hosts = yaml_get(at.map, "hosts");
    const char *location = yaml_get_text(at.map, "location");
    struct entry common = {.object = o, .source = o->kind_source};
    common.protocol = other_protocol(o, &common.source);
    common.external = location == NULL || strcmp(location, "MESH_INTERNAL") != 0;
    for (size_t i = 0; i < yaml_count(hosts); i++) {
        const struct yaml_node *host = yaml_item(hosts, i);
        if (host->kind != YAML_SCALAR)
            continue;
        struct entry *to = (struct entry *)store_grow((void **)&p->entries, &p->entry_count,
                                                      &p->entry_capacity, sizeof(common));
        *to = common;
        to->host = host_parse(host->text, p->arena);
        store_add_name(p, to->host.service);
    }
}
