#include "cli/istio.h"

#include "mesh/envoy_read.h"
#include "policy/edge.h"

#include <string.h>

/* What Istio programs for an edge, beside what we read of the same policy. */

/* Not of a client's sidecar, or not of Istio. */
static bool is_compared(const struct edge_value *row)
{
    static const char *const others[] = {"accrual", "rate", "mtls"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (strcmp(row->group, others[i]) == 0)
            return false;
    }
    return true;
}

static const char *shown(const struct edge_policy *edge, const struct edge_value *row,
                         struct text *to)
{
    text_clear(to);
    if (!edge_value_get(edge, row)->set)
        return "none";
    edge_value_show(edge, row, to);
    return text_get(to);
}

struct comparison {
    struct text *text; /* NULL: as JSON */
    json_t *rows;
    size_t differ;
};

static void compare_row(const struct edge_policy *ours, const struct edge_policy *theirs,
                        const struct edge_value *row, struct comparison *c)
{
    char name[EDGE_NAME_SIZE];
    struct text mine, read;
    if (!edge_value_get(ours, row)->set && !edge_value_get(theirs, row)->set)
        return;
    text_init(&mine, 4096);
    text_init(&read, 4096);
    edge_value_name(row, name);
    const char *a = shown(theirs, row, &read), *b = shown(ours, row, &mine);
    bool same = strcmp(a, b) == 0;
    c->differ += !same;
    if (c->text != NULL && same)
        text_add(c->text, "  %-32s %s\n", name, a);
    else if (c->text != NULL)
        text_add(c->text, "  %-32s %-24s DIFFERS: we read %s\n", name, a, b);
    else
        json_array_append_new(c->rows, json_pack("{s:s, s:s, s:s, s:b}", "name", name, "istio", a,
                                                 "read", b, "same", same));
    text_release(&mine);
    text_release(&read);
}

/* Conditions and back-offs of no retries are nobody's. */
static struct edge_policy bare(const struct edge_policy *edge)
{
    struct edge_policy own = *edge;
    if (own.retry.attempts.number == 0)
        own.retry = (struct retry_rule){.attempts = {.set = true}};
    if (own.request_timeout.number == 0)
        own.request_timeout.set = false;
    return own;
}

static void compare(const struct edge_policy *edge, const json_t *route, const json_t *cluster,
                    struct comparison *c)
{
    struct edge_policy theirs = *edge, ours = bare(edge);
    size_t count;
    const struct edge_value *rows = edge_values(&count);
    envoy_read_policy(route, cluster, &theirs);
    theirs = bare(&theirs);
    for (size_t i = 0; i < count; i++) {
        if (is_compared(&rows[i]))
            compare_row(&ours, &theirs, &rows[i], c);
    }
}

static void say(const char *why, struct comparison *c)
{
    if (c->text != NULL)
        text_add(c->text, "  %s\n", why);
}

static void programs(const json_t *service, const struct edge_policy *edge, struct comparison *c)
{
    const char *nothing = json_string_value(json_object_get(service, "nothing"));
    const json_t *route = envoy_read_route(json_object_get(service, "routes"), edge->path);
    const char *name = envoy_read_cluster(route);
    const json_t *cluster = json_object_get(json_object_get(service, "clusters"), name);
    if (nothing != NULL)
        say(nothing, c);
    else if (route == NULL)
        say("no route takes this path without headers: the client gets 404", c);
    else if (name == NULL)
        say("the route answers itself: it leads to no endpoint", c);
    else if (cluster == NULL)
        say("the route leads to what Istio knows no service for: the client gets 503", c);
    else
        compare(edge, route, cluster, c);
}

size_t istio_programs_print(const json_t *answer, const struct edge_policy *edge, struct text *to)
{
    struct comparison c = {.text = to};
    const char *version = json_string_value(json_object_get(answer, "istio"));
    text_add(to, "as Istio %s itself programs the sidecar of %s for %s, path %s\n",
             version == NULL ? "" : version, edge->from, edge->to, edge->path);
    programs(json_object_get(json_object_get(answer, "services"), edge->to), edge, &c);
    return c.differ;
}

json_t *istio_programs_json(const json_t *answer, const struct edge_policy *edge)
{
    struct comparison c = {.rows = json_array()};
    json_t *service = json_object_get(json_object_get(answer, "services"), edge->to);
    programs(service, edge, &c);
    return json_pack("{s:o, s:O*}", "values", c.rows, "envoy", service);
}
