#include "cli/plan_ports.h"

#include "net/loop.h"

#include <stdlib.h>
#include <unistd.h>

#define PORTS_MOST 1024

struct choosing {
    json_t *known; /* address by name, over all scenarios */
    int fds[PORTS_MOST];
    size_t fd_count;
};

static bool choose(struct choosing *c, json_t *to, const char *name, struct error *err)
{
    json_t *address = json_object_get(c->known, name);
    uint16_t port;
    if (address != NULL)
        return json_object_set(to, name, address) == 0;
    if (c->fd_count == PORTS_MOST)
        return error_set(err, ERROR_LIMIT, "more than %d listeners to choose ports for",
                         PORTS_MOST);
    if (!socket_listen("127.0.0.1:0", &c->fds[c->fd_count], &port, err))
        return false;
    c->fd_count++;
    address = json_sprintf("127.0.0.1:%u", port);
    json_object_set_new(c->known, name, address);
    return json_object_set(to, name, address) == 0;
}

static bool choose_endpoints(struct choosing *c, const struct scenario *s, json_t *to,
                             struct error *err)
{
    char name[128];
    for (size_t i = 0; i < s->lab.service_count; i++)
        for (uint32_t n = 1; n <= s->lab.services[i].endpoints; n++) {
            snprintf(name, sizeof(name), "%.100s/%u", s->lab.services[i].name, n);
            if (json_object_get(to, name) == NULL && !choose(c, to, name, err))
                return false;
        }
    return true;
}

static uint32_t endpoints_of(const struct scenario *s, const char *service)
{
    for (size_t i = 0; i < s->lab.service_count; i++)
        if (strcmp(s->lab.services[i].name, service) == 0)
            return s->lab.services[i].endpoints;
    return 0;
}

/* The mesh's own listeners: one for each edge, or one for each endpoint of the caller. */
static bool choose_edge(struct choosing *c, const struct scenario *s, const struct edge_policy *e,
                        json_t *to, struct error *err)
{
    char name[200];
    uint32_t apart = engine_proxies_apart(s, e->from) ? endpoints_of(s, e->from) : 0;
    snprintf(name, sizeof(name), "%.80s -> %.80s", e->from, e->to);
    for (uint32_t n = 1; n <= apart; n++) {
        snprintf(name, sizeof(name), "%.80s/%u -> %.80s", e->from, n, e->to);
        if (!choose(c, to, name, err))
            return false;
    }
    return apart > 0 || choose(c, to, name, err);
}

static bool choose_scenario(struct choosing *c, struct prepared *p, size_t index, struct error *err)
{
    struct scenario *s = &p->plan->scenarios[index];
    const struct prepared_scenario *ps = &p->scenarios[index];
    if (s->lab.netns)
        return error_at(err, s->lab.source, ERROR_USAGE,
                        "--ports: with isolation = \"netns\" each service has a namespace of its "
                        "own, and no port of the host");
    if (ps->driver == DRIVER_EXTERNAL)
        return choose_endpoints(c, s, json_object_get(s->lab.external, "endpoint"), err);
    s->lab.ports = json_object();
    json_array_append_new(p->plan->owned, s->lab.ports);
    for (size_t i = 0; i < ps->edge_count; i++)
        if (!choose_edge(c, s, &ps->edges[i], s->lab.ports, err))
            return false;
    return choose_endpoints(c, s, s->lab.ports, err);
}

bool plan_ports_fix(struct prepared *p, struct error *err)
{
    struct choosing c = {.known = json_object()};
    bool good = true;
    for (size_t i = 0; i < p->plan->scenario_count && good; i++)
        good = choose_scenario(&c, p, i, err);
    for (size_t i = 0; i < c.fd_count; i++)
        close(c.fds[i]);
    json_decref(c.known);
    return good;
}

static void print_table(const json_t *table, const char *of_edge, struct text *to)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)table, name, value)
        text_add(to, "  %-32s %-22s %s\n", name, json_string_value(value),
                 strchr(name, '>') != NULL ? of_edge : "a fault proxy listens");
}

void plan_ports_print(const struct prepared *p, const char *suite, struct text *to)
{
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        const struct scenario *s = &p->plan->scenarios[i];
        text_add(to, "ports of scenario \"%s\"\n", s->name);
        if (p->scenarios[i].driver == DRIVER_EXTERNAL) {
            const char *name;
            json_t *value;
            json_object_foreach(json_object_get(s->lab.external, "to"), name, value)
                text_add(to, "  -> %-29s %-22s the client sends\n", name, json_string_value(value));
            print_table(json_object_get(s->lab.external, "endpoint"), "", to);
        } else {
            print_table(s->lab.ports, "the mesh listens", to);
        }
    }
    text_add(to,
             "run with these: meshproof plan %s --ports --as json >plan.json && meshproof run "
             "plan.json\n",
             suite);
}
