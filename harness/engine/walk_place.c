#include "engine/walk.h"

#include <arpa/inet.h>
#include <stdlib.h>

/* The lab in network namespaces (`isolation = "netns"`): one a service and one for the client, on
 * one bridge, so that what is done to the packets of one edge touches that edge alone. All are held
 * by descriptors of ours and by the processes in them; nothing is left when those are gone. And
 * places as packets see them: who sends them, and to which addresses. */

#define ENDPOINTS_A_BLOCK 250

/* 10.SERVICE.0.1 calls, 10.SERVICE.1.1 and on are the endpoints; the client is service 0. */
void walk_place_address(size_t service, uint32_t endpoint, char to[WALK_ADDRESS_BYTES])
{
    unsigned net = service == SIZE_MAX ? 0 : (unsigned)(service % 254) + 1;
    unsigned n = endpoint == 0 ? 0 : endpoint - 1;
    snprintf(to, WALK_ADDRESS_BYTES, "10.%u.%u.%u", net,
             endpoint == 0 ? 0 : n / ENDPOINTS_A_BLOCK % 254 + 1,
             endpoint == 0 ? 1 : n % ENDPOINTS_A_BLOCK + 1);
}

/* Where an agent of ${service} lives: SIZE_MAX, with the client. A caller that is no service of
 * the lab is played by the load. */
static size_t home_of(const struct walk *w, const char *service)
{
    return walk_find_service(w, service);
}

static struct netns *netns_of(const struct walk *w, size_t home)
{
    return home == SIZE_MAX ? w->client_netns : w->services[home].netns;
}

static bool join(const struct walk *w, size_t home, struct error *err)
{
    uint32_t endpoints = home == SIZE_MAX ? 0 : w->services[home].plan->endpoints;
    size_t count = (size_t)endpoints + 1;
    char(*texts)[WALK_ADDRESS_BYTES] = check_alloc_zero(count, sizeof(*texts));
    const char **addresses = check_alloc_zero(count, sizeof(*addresses));
    for (size_t i = 0; i < count; i++) {
        walk_place_address(home, (uint32_t)i, texts[i]);
        addresses[i] = texts[i];
    }
    bool ok = netns_join(w->hub, netns_of(w, home), WALK_DEVICE, addresses, count, err);
    free(addresses);
    free(texts);
    return ok;
}

bool walk_place_open(struct walk *w, struct error *err)
{
    const struct lab_plan *lab = &w->scenario->lab;
    struct error why = {0};
    if (!lab->netns)
        return true;
    bool ok = netns_make_hub(&w->hub, &why) && netns_make(&w->client_netns, &why) &&
              join(w, SIZE_MAX, &why);
    for (size_t i = 0; ok && i < w->service_count; i++)
        ok = netns_make(&w->services[i].netns, &why) && join(w, i, &why);
    if (!ok)
        error_at(err, lab->source, why.kind, "lab isolation \"netns\": %s", why.text);
    return ok;
}

void walk_place_free(struct walk *w)
{
    for (size_t i = 0; i < w->service_count; i++)
        netns_release(w->services[i].netns);
    netns_release(w->client_netns);
    netns_release(w->hub);
}

/* Loads of one caller start beside its proxy; those of several, with the client. */
static const char *load_home(const struct walk *w)
{
    const struct scenario *s = w->scenario;
    const char *only = NULL;
    for (size_t i = 0; i <= s->phase_count; i++) {
        const struct load_plan *loads = i == 0 ? s->loads : s->phases[i - 1].loads;
        size_t count = i == 0 ? s->load_count : s->phases[i - 1].load_count;
        for (size_t k = 0; k < count; k++) {
            const char *from = loads[k].on.from.service;
            from = from == NULL ? "client" : from;
            if (only != NULL && strcmp(only, from) != 0)
                return "client";
            only = from;
        }
    }
    return only == NULL ? "client" : only;
}

int walk_place_fd(const struct walk *w, const char *role, const char *service)
{
    if (w->hub == NULL)
        return -1;
    return netns_fd(netns_of(w, home_of(w, strcmp(role, "load") == 0 ? load_home(w) : service)));
}

const char *walk_place_listen(const struct walk *w, const char *service, uint32_t endpoint,
                              char to[WALK_LISTEN_BYTES])
{
    char address[WALK_ADDRESS_BYTES] = "127.0.0.1";
    if (w->hub != NULL)
        walk_place_address(home_of(w, service), endpoint, address);
    snprintf(to, WALK_LISTEN_BYTES, "%s:0", address);
    return to;
}

/* ---- places ---- */

struct search {
    const struct walk *walk;
    const struct place *on;
    const uint16_t *endpoints; /* drawn; ${endpoint_count} 0: all */
    size_t endpoint_count;
    struct walk_flows *found;
    struct error *err;
};

/* The zone that all endpoints of a caller are in; false (with an error) when it calls from
 * ${zone} and from others. */
static bool calls_from(const struct search *s, const char *caller, const char *zone, bool *ret)
{
    size_t service = walk_find_service(s->walk, caller);
    const struct service_plan *plan = service == SIZE_MAX ? NULL : s->walk->services[service].plan;
    uint32_t within = 0, count = plan == NULL ? 0 : plan->endpoints;
    for (uint32_t n = 1; n <= count; n++) {
        const char *own = plan_zone_of(plan, n);
        within += own != NULL && strcmp(own, zone) == 0;
    }
    *ret = within > 0;
    if (within == 0 || within == count)
        return true;
    return error_set(s->err, ERROR_USAGE,
                     "\"%s\": %s has endpoints in zone:%s and elsewhere, and calls by one proxy: "
                     "give it one zone",
                     s->on->text, caller, zone);
}

static bool is_from(const struct search *s, const char *caller, bool *ret)
{
    const struct place_end *from = &s->on->from;
    if (from->zone != NULL)
        return calls_from(s, caller, from->zone, ret);
    *ret = from->service == NULL || strcmp(from->service, caller) == 0;
    if (!*ret || from->endpoint == 0)
        return true;
    size_t service = walk_find_service(s->walk, caller);
    if (service == SIZE_MAX || s->walk->services[service].plan->endpoints == 1)
        return true;
    return error_set(s->err, ERROR_USAGE,
                     "\"%s\": the endpoints of %s call by one proxy: write \"%s -> ...\"",
                     s->on->text, caller, caller);
}

static bool is_to(const struct search *s, const struct service_plan *plan, uint32_t endpoint)
{
    const struct place_end *to = &s->on->to;
    const char *zone = plan_zone_of(plan, endpoint);
    bool drawn = s->endpoint_count == 0;
    if (to->zone != NULL)
        return zone != NULL && strcmp(zone, to->zone) == 0;
    for (size_t i = 0; i < s->endpoint_count; i++)
        drawn = drawn || s->endpoints[i] == endpoint;
    return drawn && strcmp(to->service, plan->name) == 0 &&
           (to->endpoint == 0 || to->endpoint == endpoint);
}

/* NULL before it is started. */
static struct actor *through_of(const struct walk *w, size_t home)
{
    if (home == SIZE_MAX)
        return w->load_count > 0 && w->loads != NULL ? w->loads[0] : NULL;
    return w->services[home].proxy_count > 0 ? w->services[home].proxies[0] : NULL;
}

static struct walk_flow *flow_of(const struct search *s, size_t home)
{
    const struct walk *w = s->walk;
    struct netns *netns = netns_of(w, home);
    for (size_t i = 0; i < s->found->count; i++)
        if (s->found->at[i].home == home)
            return &s->found->at[i];
    struct walk_flow *f = &s->found->at[s->found->count++];
    *f = (struct walk_flow){
        .home = home, .netns = netns, .device = WALK_DEVICE, .through = through_of(w, home)};
    return f;
}

static void put_address(size_t service, uint32_t endpoint, uint8_t to[16])
{
    char text[WALK_ADDRESS_BYTES];
    struct in_addr in;
    walk_place_address(service, endpoint, text);
    INVARIANT(inet_pton(AF_INET, text, &in) == 1);
    memcpy(to, &in, sizeof(in));
}

static bool add_flow(const struct search *s, size_t home, size_t service, uint32_t endpoint)
{
    struct walk_flow *f = flow_of(s, home);
    struct netem_flow *to = &f->scope.flows[f->scope.flow_count];
    if (f->scope.flow_count == NETEM_FLOWS_MOST)
        return error_set(s->err, ERROR_LIMIT,
                         "\"%s\" has more than the %d endpoints that one netem may be scoped to",
                         s->on->text, NETEM_FLOWS_MOST);
    *to = (struct netem_flow){
        .family = AF_INET, .has_local = true, .has_peer = true, .protocol = IPPROTO_TCP};
    put_address(home, 0, to->local);
    put_address(service, endpoint, to->peer);
    f->scope.flow_count++;
    return true;
}

/* Two callers that the load plays send from one place: what is done to one is done to both. */
static bool is_alone(const struct search *s, const char *caller, const char *to)
{
    const struct walk *w = s->walk;
    size_t home = home_of(w, caller);
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++) {
        const struct edge_policy *edge = &w->plan->mesh_edges[i];
        bool ours = true;
        if (strcmp(edge->to, to) != 0 || strcmp(edge->from, caller) == 0 ||
            home_of(w, edge->from) != home)
            continue;
        if (!is_from(s, edge->from, &ours))
            return false;
        if (!ours)
            return error_set(s->err, ERROR_USAGE,
                             "\"%s\": %s and %s are both played by the load and send from one "
                             "place: make %s a service of the lab",
                             s->on->text, caller, edge->from,
                             strcmp(caller, "client") == 0 ? edge->from : caller);
    }
    return true;
}

static bool search_edge(const struct search *s, const struct edge_policy *edge)
{
    size_t service = walk_find_service(s->walk, edge->to);
    bool ours;
    if (!is_from(s, edge->from, &ours))
        return false;
    if (!ours || service == SIZE_MAX)
        return true;
    const struct service_plan *plan = s->walk->services[service].plan;
    for (uint32_t n = 1; n <= plan->endpoints; n++)
        if (is_to(s, plan, n) && (!is_alone(s, edge->from, edge->to) ||
                                  !add_flow(s, home_of(s->walk, edge->from), service, n)))
            return false;
    return true;
}

bool walk_places(const struct walk *w, const struct place *on, const uint16_t *endpoints,
                 size_t endpoint_count, struct walk_flows *ret, struct error *err)
{
    struct search s = {w, on, endpoints, endpoint_count, ret, err};
    *ret = (struct walk_flows){.at = check_alloc_zero(w->service_count + 1, sizeof(*ret->at))};
    bool ok = w->scenario->lab.netns ||
              error_set(err, ERROR_USAGE, "\"%s\" needs lab { isolation = \"netns\" }", on->text);
    for (size_t i = 0; ok && i < w->plan->mesh_edge_count; i++)
        ok = search_edge(&s, &w->plan->mesh_edges[i]);
    if (ok && ret->count == 0)
        ok = error_set(err, ERROR_USAGE, "\"%s\": no edge of the mesh leads there", on->text);
    if (!ok)
        walk_flows_release(ret);
    return ok;
}

void walk_flows_release(struct walk_flows *f)
{
    free(f->at);
    *f = (struct walk_flows){0};
}
