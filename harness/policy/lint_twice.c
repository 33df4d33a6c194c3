#include "policy/lint_inside.h"

#include <stdlib.h>

/* Two objects that say something of one host, where one alone is in force: DestinationRules of one
 * namespace keep the traffic policy of the oldest, VirtualServices do not add up (B1, B2). */

#define LOOK_BACK 64 /* objects of one host: more are found by the first of them */

/* The rows of each host, newest first. */
struct hosts {
    struct map last;
    size_t *before;
};

static void hosts_init(struct hosts *h, size_t count)
{
    map_init(&h->last, STORE_MAX_ROUTES);
    h->before = check_alloc((count + 1) * sizeof(*h->before));
}

static void hosts_release(struct hosts *h)
{
    map_release(&h->last);
    free(h->before);
}

/* Adds row ${i}; returns the one before it of the same host, or SIZE_MAX. */
static size_t hosts_add(struct hosts *h, const struct host *host, size_t i)
{
    char text[300];
    snprintf(text, sizeof(text), "%s%.290s", host->pattern != NULL ? "*" : "",
             host->pattern != NULL ? host->pattern : (host->service == NULL ? "" : host->service));
    uint64_t *slot = map_at(&h->last, map_key_of(text, strlen(text)), NULL);
    h->before[i] = slot == NULL || *slot == 0 ? SIZE_MAX : (size_t)*slot - 1;
    if (slot != NULL)
        *slot = i + 1;
    return h->before[i];
}

static bool equal_or_unknown(const char *a, const char *b)
{
    return a[0] == '\0' || b[0] == '\0' || strcmp(a, b) == 0;
}

/* The namespace that a short host is of. */
static const char *namespace_of(const struct host *host, const struct object *o)
{
    return host->namespace != NULL ? host->namespace : o->namespace;
}

/* Whether both are for the same host, as callers see them: objects of two namespaces, or such as
 * are exported to some only, may be meant for different callers. */
static bool collide(const struct host *a, const struct object *of_a, const struct host *b,
                    const struct object *of_b)
{
    bool limited =
        yaml_get(of_a->spec, "exportTo") != NULL || yaml_get(of_b->spec, "exportTo") != NULL;
    bool dotted = a->pattern != NULL || (a->service != NULL && strchr(a->service, '.') != NULL);
    return !limited && strcmp(of_a->namespace, of_b->namespace) == 0 &&
           (dotted || equal_or_unknown(namespace_of(a, of_a), namespace_of(b, of_b)));
}

/* "line 9", or the file too where it is another. */
static const char *place(const struct object *of, const struct object *seen_from, char *to,
                         size_t size)
{
    struct source at = of->kind_source, from = seen_from->kind_source;
    if (at.file != NULL && from.file != NULL && strcmp(at.file, from.file) != 0)
        source_format(at, false, to, size);
    else
        snprintf(to, size, "line %u", at.line);
    return to;
}

static void destinations(struct policy *p)
{
    char at[200];
    struct hosts hosts;
    hosts_init(&hosts, p->destination_count);
    for (size_t i = 0; i < p->destination_count; i++) {
        const struct destination *b = &p->destinations[i];
        if (b->port != 0 || b->subset != NULL || yaml_get(b->object->spec, "trafficPolicy") == NULL)
            continue;
        size_t left = LOOK_BACK;
        const struct object *first = NULL;
        for (size_t k = hosts_add(&hosts, &b->host, i); k != SIZE_MAX && left-- > 0;
             k = hosts.before[k]) {
            const struct destination *a = &p->destinations[k];
            if (collide(&a->host, a->object, &b->host, b->object))
                first = a->object;
        }
        if (first != NULL)
            lint_add(
                p, LINT_OBJECT_TWICE, b->object->kind_source,
                "DestinationRule %.60s is for the host of %.60s (%s), which is judged as in force",
                b->object->name, first->name, place(first, b->object, at, sizeof(at)));
    }
    hosts_release(&hosts);
}

/* Routes of one Service are one table, whatever their number. */
static bool adds_up(const struct object *a, const struct object *b)
{
    return a == b || (!lint_is(a, "VirtualService") && !lint_is(b, "VirtualService"));
}

static void routes(struct policy *p)
{
    char at[200];
    struct hosts hosts;
    const struct object *told = NULL;
    hosts_init(&hosts, p->route_count);
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *b = &p->routes[i];
        size_t left = LOOK_BACK;
        const struct object *first = NULL;
        for (size_t k = hosts_add(&hosts, &b->host, i); k != SIZE_MAX && left-- > 0;
             k = hosts.before[k]) {
            const struct route *a = &p->routes[k];
            if (!adds_up(a->object, b->object) && collide(&a->host, a->object, &b->host, b->object))
                first = a->object;
        }
        if (first == NULL || told == b->object)
            continue;
        told = b->object;
        /* Of a route and a VirtualService the route is in force, whichever is read first. */
        bool swap = lint_is(first, "VirtualService") && !lint_is(b->object, "VirtualService");
        const struct object *is = swap ? b->object : first, *other = swap ? first : b->object;
        lint_add(p, LINT_OBJECT_TWICE, other->kind_source,
                 "%s %.60s is for the host of %s %.60s (%s), which is judged as in force",
                 other->kind, other->name, is->kind, is->name, place(is, other, at, sizeof(at)));
    }
    hosts_release(&hosts);
}

/* The first object that is for a service of that name, with its namespace. */
struct named {
    const char *namespace;
    const struct object *object;
};

/* Suites name services without a namespace. */
static void one_name(struct policy *p, struct map *names, const struct host *host,
                     const struct object *o)
{
    char at[200];
    const char *namespace = namespace_of(host, o);
    if (host->service == NULL || namespace[0] == '\0' || strchr(host->service, '.') != NULL)
        return;
    uint64_t *slot = map_at(names, map_key_of(host->service, strlen(host->service)), NULL);
    if (slot == NULL)
        return;
    struct named *first = (struct named *)(uintptr_t)*slot;
    if (first == NULL) {
        first = ARENA_ARRAY(p->arena, struct named, 1);
        *first = (struct named){namespace, o};
        *slot = (uint64_t)(uintptr_t)first;
    } else if (strcmp(first->namespace, namespace) != 0) {
        lint_add(
            p, LINT_OBJECT_TWO_NAMESPACES, o->kind_source,
            "%s %.60s is for %.60s of namespace %.60s, %s %.60s (%s) for that of %.60s: a suite's "
            "\"%.60s\" is judged by the first",
            o->kind, o->name, host->service, namespace, first->object->kind, first->object->name,
            place(first->object, o, at, sizeof(at)), first->namespace, host->service);
    }
}

static void names(struct policy *p)
{
    struct map names;
    map_init(&names, STORE_MAX_TEXTS);
    for (size_t i = 0; i < p->route_count; i++)
        one_name(p, &names, &p->routes[i].host, p->routes[i].object);
    for (size_t i = 0; i < p->destination_count; i++)
        one_name(p, &names, &p->destinations[i].host, p->destinations[i].object);
    map_release(&names);
}

void lint_twice(struct lint *l)
{
    destinations(l->policy);
    routes(l->policy);
    names(l->policy);
}
