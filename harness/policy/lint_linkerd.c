#include "policy/lint_inside.h"

#include "base/units.h"

#include <stdlib.h>

/* Linkerd's annotations, rate limits and Servers that do other things than they look (D2, D3, D5,
 * D8, H 8). */

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* RT6 and headroom: all tries but the last are cut at P, the last has no timeout of its own. */
static void try_timeout(struct policy *p, const struct retry_rule *rule, const struct value *whole)
{
    const struct value *try = &rule->per_try_timeout;
    char each[32], all[32], most[32];
    uint64_t before_last = rule->attempts.number;
    if (try->number == 0 || try->source.file == NULL || whole->number == 0)
        return;
    units_print_duration(try->number, each, sizeof(each));
    units_print_duration(whole->number, most, sizeof(most));
    if (try->number >= whole->number) {
        lint_add(p, LINT_LINKERD_TRY_INERT, try->source,
                 "%s %s never runs out: the request timeout %s (line %u) is there first",
                 try->origin, each, most, whole->source.line);
        return;
    }
    if (before_last == 0 || try->number > UINT64_MAX / before_last ||
        try->number * before_last < whole->number)
        return;
    units_print_duration(try->number * before_last, all, sizeof(all));
    lint_add(p, LINT_TIMEOUT_HEADROOM, whole->source,
             "%llu tries of %s are %s: timeout %s ends before the last try begins",
             (unsigned long long)before_last, each, all, most);
}

static void no_condition(struct policy *p, const struct retry_rule *rule)
{
    const uint32_t grpc = RETRY_GRPC_CANCELLED | RETRY_GRPC_DEADLINE_EXCEEDED |
                          RETRY_GRPC_INTERNAL | RETRY_GRPC_RESOURCE_EXHAUSTED |
                          RETRY_GRPC_UNAVAILABLE;
    if ((rule->on & (RETRY_STATUS_CODES | grpc)) == 0 && rule->per_try_timeout.number == 0 &&
        rule->conditions.source.file != NULL)
        lint_add(p, LINT_LINKERD_NO_CONDITION, rule->conditions.source,
                 "%s has neither http nor grpc nor timeout: only refused streams are retried",
                 rule->conditions.origin);
}

static void post_too(struct policy *p, const struct retry_rule *rule)
{
    if ((rule->on & RETRY_STATUS_CODES) != 0 && rule->conditions.source.file != NULL)
        lint_add(p, LINT_RETRY_NON_IDEMPOTENT, rule->conditions.source,
                 "%s retries a POST too: one that was executed may be executed %llu times",
                 rule->conditions.origin, (unsigned long long)rule->attempts.number + 1);
}

static void last_try(struct lint *l, const struct service_rule *s)
{
    const struct value *try = &s->retry.per_try_timeout;
    if (!s->has_retry || try->number == 0 || s->request_timeout.number != 0 ||
        lint_route_of(l, s->host.service) != SIZE_MAX)
        return;
    lint_add(l->policy, LINT_LINKERD_LAST_TRY, try->source,
             "%s does not hold for the last try, and nothing else ends it: set "
             "timeout.linkerd.io/request",
             try->origin);
}

/* D5: of whole seconds the jitter is truncated: base 1 s and ratio 0.5 have none up to 2 s. */
static void jitter(struct policy *p, const struct service_rule *s)
{
    const struct accrual_rule *rule = &s->accrual;
    const uint64_t second = UINT64_C(1000000000);
    uint64_t ppm = rule->jitter_ppm.number, least = rule->min_penalty.number;
    char penalty[32];
    if (!rule->present || rule->jitter_ppm.source.file == NULL || ppm == 0 || least % second != 0 ||
        least / second * ppm > 1000000)
        return;
    units_print_duration(1000000 / ppm * second, penalty, sizeof(penalty));
    lint_add(p, LINT_LINKERD_JITTER, rule->jitter_ppm.source,
             "%s has no effect on penalties of whole seconds up to %s: Linkerd drops the fraction",
             rule->jitter_ppm.origin, ppm > 1000000 ? "1s" : penalty);
}

/* "25,8080-8090" */
static bool port_in(const char *list, uint64_t port)
{
    for (struct bytes left = bytes_of(list);;) {
        size_t comma = bytes_find(left, ',');
        struct bytes piece =
            bytes_trim((struct bytes){left.at, comma == SIZE_MAX ? left.len : comma});
        size_t dash = bytes_find(piece, '-');
        uint64_t from = 0, to = 0;
        bool good =
            bytes_to_u64((struct bytes){piece.at, dash == SIZE_MAX ? piece.len : dash}, &from);
        if (dash == SIZE_MAX)
            to = from;
        else
            good = good &&
                   bytes_to_u64((struct bytes){piece.at + dash + 1, piece.len - dash - 1}, &to);
        if (good && port >= from && port <= to)
            return true;
        if (comma == SIZE_MAX)
            return false;
        left = (struct bytes){left.at + comma + 1, left.len - comma - 1};
    }
}

static void opaque(struct policy *p, const struct service_rule *s)
{
    static const char key[] = "config.linkerd.io/opaque-ports";
    const struct yaml_node *ports = yaml_get(s->object->spec, "ports");
    const char *list = yaml_get_text(s->object->annotations, key);
    for (size_t i = 0; list != NULL && i < yaml_count(ports); i++) {
        uint64_t port = 0;
        if (!lint_number(yaml_item(ports, i), "port", &port) || !port_in(list, port))
            return;
    }
    if (list != NULL && yaml_count(ports) > 0)
        lint_add(p, LINT_LINKERD_OPAQUE, lint_source(s->object->annotations, key),
                 "every port of Service %.60s is opaque: Linkerd sees no HTTP there, and its "
                 "retries, timeouts and failure accrual have no effect",
                 s->object->name);
}

static const struct service_rule *service_of(const struct policy *p, const struct map *by_name,
                                             const struct host *host)
{
    uint64_t *slot = host->service == NULL
                         ? NULL
                         : map_find(by_name, map_key_of(host->service, strlen(host->service)));
    const struct service_rule *s = slot == NULL ? NULL : &p->services[*slot - 1];
    return s != NULL && host_match(&s->host, host) != 0 ? s : NULL;
}

/* D2: a route's set of retry annotations takes the place of the Service's whole set. */
static void replaces(struct policy *p, const struct route *r, const struct service_rule *s)
{
    static const char prefix[] = "retry.linkerd.io/";
    const struct yaml_node *own = r->object->annotations, *all = s->object->annotations;
    const struct yaml_pair *first = NULL;
    for (size_t i = 0; own != NULL && i < own->count && first == NULL; i++)
        first = starts(own->pairs[i].key, prefix) ? &own->pairs[i] : NULL;
    for (size_t i = 0; first != NULL && all != NULL && i < all->count; i++) {
        if (!starts(all->pairs[i].key, prefix) || yaml_find(own, all->pairs[i].key) != NULL)
            continue;
        lint_add(p, LINT_LINKERD_ROUTE_REPLACES, first->source,
                 "%s %.60s has retry annotations of its own: %.60s of Service %.60s (line %u) does "
                 "not hold for it",
                 r->object->kind, r->object->name, all->pairs[i].key, s->object->name,
                 all->pairs[i].source.line);
        return;
    }
}

static void annotations(struct lint *l)
{
    struct policy *p = l->policy;
    struct map by_name;
    map_init(&by_name, STORE_MAX_ROUTES);
    for (size_t i = p->service_count; i-- > 0;) {
        const struct service_rule *s = &p->services[i];
        uint64_t *slot =
            map_at(&by_name, map_key_of(s->host.service, strlen(s->host.service)), NULL);
        if (slot != NULL)
            *slot = i + 1;
    }
    for (size_t i = 0; i < p->service_count; i++) {
        const struct service_rule *s = &p->services[i];
        if (s->has_retry) {
            try_timeout(p, &s->retry, &s->request_timeout);
            no_condition(p, &s->retry);
            post_too(p, &s->retry);
            last_try(l, s);
        }
        jitter(p, s);
        opaque(p, s);
    }
    for (size_t i = 0; i < p->route_count; i++) {
        const struct route *r = &p->routes[i];
        const struct service_rule *s = service_of(p, &by_name, &r->host);
        if (!r->has_retry || !lint_is_new(p, i))
            continue;
        try_timeout(p, &r->retry,
                    r->request_timeout.set || s == NULL ? &r->request_timeout
                                                        : &s->request_timeout);
        no_condition(p, &r->retry);
        if (s != NULL)
            replaces(p, r, s);
    }
    map_release(&by_name);
}

/* H 8: a limit of all requests, named as if it were one of retries. */
static void rate_limit(struct policy *p, const struct object *o)
{
    static const char *const words[] = {"retry", "retries", "budget"};
    const struct yaml_node *identity = yaml_get(o->spec, "identity"),
                           *total = yaml_get(o->spec, "total");
    uint64_t of_one = 0, of_all = 0;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strstr(o->name, words[i]) == NULL)
            continue;
        lint_add(p, LINT_LINKERD_RATE_NO_BUDGET, lint_source(yaml_get(o->root, "metadata"), "name"),
                 "%s %.60s limits all requests, first tries too: it is no retry budget", o->kind,
                 o->name);
        break;
    }
    if (lint_number(identity, "requestsPerSecond", &of_one) &&
        lint_number(total, "requestsPerSecond", &of_all) && of_one > of_all)
        lint_add(p, LINT_LINKERD_RATE_ABOVE, lint_source(identity, "requestsPerSecond"),
                 "%s %.60s identity %llu is above total %llu (line %u), which decides first",
                 o->kind, o->name, (unsigned long long)of_one, (unsigned long long)of_all,
                 lint_source(total, "requestsPerSecond").line);
}

/* Whether some authorization of the policy may be for Servers of the namespace. */
static bool authorizes(const struct object *o, const struct object *server)
{
    const struct yaml_node *target = yaml_get(o->spec, "targetRef"),
                           *by = yaml_get(o->spec, "server");
    if (strcmp(o->namespace, server->namespace) != 0)
        return false;
    if (lint_is(o, "ServerAuthorization"))
        return yaml_get(by, "selector") != NULL || lint_says(by, "name", server->name);
    return lint_is(o, "AuthorizationPolicy") &&
           (!lint_says(target, "kind", "Server") || lint_says(target, "name", server->name));
}

static void server(struct policy *p, const struct object *o, const size_t *allowing, size_t count)
{
    const char *access = yaml_get_text(o->spec, "accessPolicy");
    if (access != NULL && strcmp(access, "deny") != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (authorizes(&p->objects[allowing[i]], o))
            return;
    }
    lint_add(p, LINT_LINKERD_SERVER_DENIES, o->kind_source,
             "Server %.60s denies what nobody allows, and nothing here allows anything: requests "
             "are answered 403",
             o->name);
}

static void servers(struct policy *p)
{
    size_t *allowing = check_alloc((p->object_count + 1) * sizeof(*allowing)), count = 0;
    for (size_t i = 0; i < p->object_count; i++) {
        const struct object *o = &p->objects[i];
        if (strcmp(o->group, "policy.linkerd.io") == 0 &&
            (lint_is(o, "ServerAuthorization") || lint_is(o, "AuthorizationPolicy")))
            allowing[count++] = i;
    }
    for (size_t i = 0; i < p->object_count; i++) {
        if (lint_is(&p->objects[i], "Server") && lint_reads(p, &p->objects[i]))
            server(p, &p->objects[i], allowing, count);
    }
    free(allowing);
}

void lint_linkerd(struct lint *l)
{
    struct policy *p = l->policy;
    if (p->options.target.mesh != MESH_LINKERD)
        return;
    annotations(l);
    servers(p);
    for (size_t i = 0; i < p->object_count; i++) {
        /* What a rate limit is named for does not depend on whether the target has the kind. */
        if (lint_is(&p->objects[i], "HTTPLocalRateLimitPolicy"))
            rate_limit(p, &p->objects[i]);
    }
}
