#include "engine/walk.h"
#include "engine/walk_world.h"

#include "base/clock.h"
#include "plan/limits.h"

/* What each agent is told before the first phase. Addresses flow from one stage's READY into the
 * next one's SETUP: stubs, then the proxies before them, then the mesh before those, then the load.
 * A stub's own calls go through the mesh, so it learns their addresses afterwards (ROUTE). */

#define READY_WITHIN_NS (60 * NS_PER_S)

/* Sidecars that stand behind the caller's own proxies come before those. */
enum stage { STAGE_STUB, STAGE_PROXY, STAGE_INNER, STAGE_MESH, STAGE_LOAD, STAGES };
#define DIRECT_BYTES_MOST ((size_t)64 * 1024) /* of the addresses of one service */

static bool check_phase(const struct scenario *s, const struct phase *phase, struct error *err)
{
    size_t awaits = 0;
    for (size_t i = 0; i < phase->step_count; i++)
        awaits += phase->steps[i].kind == STEP_AWAIT;
    if (phase->ends == PHASE_BY_CLOCK && phase->lasting_ns == 0)
        return error_at(err, phase->source, ERROR_USAGE, "phase \"%s\" of \"%s\" lasts for no time",
                        phase->name, s->name);
    if (phase->ends == PHASE_DECIDED && phase->atmost_ns == 0)
        return error_at(err, phase->source, ERROR_USAGE, "phase \"%s\" of \"%s\" has no `atmost`",
                        phase->name, s->name);
    if (phase->ends == PHASE_BY_AWAITS && awaits == 0)
        return error_at(err, phase->source, ERROR_USAGE,
                        "phase \"%s\" of \"%s\" has nothing to wait for", phase->name, s->name);
    for (size_t i = 0; i < phase->step_count; i++) {
        struct await await;
        if (phase->steps[i].kind == STEP_AWAIT && !await_parse(&phase->steps[i], &await, err))
            return false;
    }
    return true;
}

static bool has_edge(const struct walk *w, const char *from, const char *to)
{
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++) {
        const struct edge_policy *edge = &w->plan->mesh_edges[i];
        if (strcmp(edge->from, from) == 0 && strcmp(edge->to, to) == 0)
            return true;
    }
    return false;
}

const char *walk_port_of(const struct walk *w, const char *name)
{
    return json_string_value(json_object_get(w->scenario->lab.ports, name));
}

static const char *external_text(const struct walk *w, const char *table, const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(w->scenario->lab.external, table), key));
}

static bool check_edge(const struct walk *w, const char *from, const char *to, struct source source,
                       struct error *err)
{
    if (w->plan->driver == DRIVER_EXTERNAL) {
        if (external_text(w, "to", to) == NULL)
            return error_at(err, source, ERROR_USAGE,
                            "lab.external names no address in `to` for \"%s\"", to);
        return true;
    }
    if (walk_find_service(w, to) == SIZE_MAX)
        return error_at(err, source, ERROR_USAGE, "the lab has no service \"%s\"", to);
    if (!has_edge(w, from, to))
        return error_at(err, source, ERROR_USAGE, "the mesh has no edge \"%s -> %s\"", from, to);
    return true;
}

static const char *caller_of(const struct load_plan *load)
{
    return load->on.from.service == NULL ? "client" : load->on.from.service;
}

bool walk_is_http2(const char *protocol)
{
    return protocol != NULL && (strcmp(protocol, "http2") == 0 || strcmp(protocol, "grpc") == 0);
}

static bool speaks_http1_only(const struct walk *w)
{
    return w->plan->driver == DRIVER_BUILTIN || w->plan->driver == DRIVER_NONE;
}

static const char *player(const struct walk *w)
{
    return w->plan->driver == DRIVER_NONE ? "arm without a mesh" : "driver builtin";
}

static bool check_loads(const struct walk *w, const struct load_plan *loads, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (loads[i].on.to.service == NULL)
            return error_at(err, loads[i].source, ERROR_USAGE,
                            "load: on must be an edge, such as \"client -> payments\"");
        if (speaks_http1_only(w) && walk_is_http2(loads[i].protocol))
            return error_at(err, loads[i].source, ERROR_USAGE,
                            "load: the %s speaks http1, not %s; use envoy", player(w),
                            loads[i].protocol);
        if (!check_edge(w, caller_of(&loads[i]), loads[i].on.to.service, loads[i].source, err))
            return false;
    }
    return true;
}

static bool check_external(const struct walk *w, struct error *err)
{
    char key[128];
    for (size_t i = 0; w->plan->driver == DRIVER_EXTERNAL && i < w->service_count; i++) {
        const struct service_plan *s = w->services[i].plan;
        for (uint32_t n = 1; n <= s->endpoints; n++) {
            snprintf(key, sizeof(key), "%s/%u", s->name, n);
            if (external_text(w, "endpoint", key) == NULL)
                return error_at(err, w->scenario->lab.source, ERROR_USAGE,
                                "lab.external names no address in `endpoint` for \"%s\"", key);
        }
    }
    return true;
}

/* HTTP/2 needs a mesh that speaks it. */
static bool check_protocols(const struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->service_count; i++) {
        const struct service_plan *s = w->services[i].plan;
        if (!walk_is_http2(s->protocol))
            continue;
        if (speaks_http1_only(w))
            return error_at(err, s->source, ERROR_USAGE,
                            "service \"%s\": the %s speaks http1, not %s; use envoy", s->name,
                            player(w), s->protocol);
    }
    return true;
}

bool walk_setup_check(const struct walk *w, struct error *err)
{
    const struct scenario *s = w->scenario;
    if (!check_external(w, err) || !check_protocols(w, err) ||
        !check_loads(w, s->loads, s->load_count, err))
        return false;
    for (size_t i = 0; i < s->phase_count; i++)
        if (!check_phase(s, &s->phases[i], err) ||
            !check_loads(w, s->phases[i].loads, s->phases[i].load_count, err))
            return false;
    for (size_t i = 0; i < w->service_count; i++) {
        const struct service_plan *service = w->services[i].plan;
        for (size_t k = 0; k < service->call_count; k++)
            if (!check_edge(w, service->name, service->calls[k].to, service->calls[k].source, err))
                return false;
    }
    return true;
}

/* The scenario alone, in the plan's own printed form. */
static json_t *scenario_json(const struct walk *w)
{
    struct plan *p = plan_new();
    struct scenario copy = *w->scenario;
    p->suite = "";
    p->scenarios = &copy;
    p->scenario_count = 1;
    json_t *json = plan_to_json(p);
    p->scenarios = NULL;
    p->scenario_count = 0;
    plan_free(p);
    return json;
}

/* Without a mesh: all endpoints, of which each connection takes the next. */
static json_t *direct_address(const struct walk *w, const char *to)
{
    size_t service = walk_find_service(w, to);
    const struct walk_service *s = service == SIZE_MAX ? NULL : &w->services[service];
    struct text list;
    text_init(&list, DIRECT_BYTES_MOST);
    for (uint32_t n = 1; s != NULL && n <= s->plan->endpoints; n++)
        text_add(&list, "%s%s", n == 1 ? "" : ",", walk_proxy_address(s, n));
    json_t *address = list.len == 0 || list.full ? NULL : json_string(text_get(&list));
    text_release(&list);
    return address;
}

static json_t *edge_address(const struct walk *w, const char *from, uint32_t endpoint,
                            const char *to)
{
    const char *address;
    if (w->plan->driver == DRIVER_NONE)
        return direct_address(w, to);
    address = w->plan->driver == DRIVER_EXTERNAL ? external_text(w, "to", to)
                                                 : walk_mesh_address(w, from, endpoint, to);
    return address == NULL ? NULL : json_string(address);
}

/* ${endpoint}: of the caller; 0: any. */
static void add_address(const struct walk *w, json_t *to, const char *from, uint32_t endpoint,
                        const char *service)
{
    char edge[160];
    json_t *address = edge_address(w, from, endpoint, service);
    snprintf(edge, sizeof(edge), "%s -> %s", from, service);
    if (address != NULL)
        json_object_set_new(to, edge, address);
}

static void add_load_addresses(const struct walk *w, json_t *to, const struct load_plan *loads,
                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_address(w, to, caller_of(&loads[i]), 0, loads[i].on.to.service);
}

/* ${shard}: from 0, of all the load agents. */
static json_t *load_setup(const struct walk *w, size_t shard)
{
    json_t *addresses = json_object();
    const struct scenario *s = w->scenario;
    add_load_addresses(w, addresses, s->loads, s->load_count);
    for (size_t i = 0; i < s->phase_count; i++)
        add_load_addresses(w, addresses, s->phases[i].loads, s->phases[i].load_count);
    return json_pack("{so sO* so sI sb sI sI}", "plan", scenario_json(w), "hosts",
                     json_object_get(w->scenario->lab.external, "host"), "addresses", addresses,
                     "inflight_most", (json_int_t)w->context->options->inflight_most, "pace_sleep",
                     w->context->options->pace_sleep, "shard", (json_int_t)shard, "shards",
                     (json_int_t)w->load_count);
}

/* What a proxy holds itself to (scenario-language.md 2.3). */
static json_t *limits_setup(const struct walk *w)
{
    struct limits limits;
    limits_of(w->scenario, &limits);
    return json_pack("{sI sI sI}", "share_ppm", (json_int_t)limits.share_ppm, "delay_ns",
                     (json_int_t)limits.delay_ns, "ttl_ns", (json_int_t)limits.ttl_ns);
}

struct actor *walk_stub_of(const struct walk_service *s, uint32_t endpoint)
{
    return s->stub_count == 1 ? s->stubs[0] : s->stubs[endpoint - 1];
}

struct actor *walk_proxy_of(const struct walk_service *s, uint32_t endpoint)
{
    return s->proxy_count == 1 ? s->proxies[0] : s->proxies[endpoint - 1];
}

const char *walk_proxy_address(const struct walk_service *s, uint32_t endpoint)
{
    return walk_proxy_of(s, endpoint)->addresses[s->proxy_count == 1 ? endpoint - 1 : 0];
}

struct actor *walk_certified(const struct walk_service *s, uint32_t endpoint)
{
    return plan_is_plain(s->plan) ? NULL : walk_proxy_of(s, endpoint);
}

bool walk_is_proxy(const struct walk_service *s, const struct actor *a)
{
    for (size_t i = 0; i < s->proxy_count; i++)
        if (s->proxies[i] == a)
            return true;
    return false;
}

uint32_t walk_proxy_first(const struct walk_service *s, size_t i, uint32_t *ret_count)
{
    *ret_count = s->proxy_count == 1 ? s->plan->endpoints : 1;
    return (uint32_t)i + 1;
}

static const char *stub_address_of(const struct walk_service *s, uint32_t endpoint)
{
    if (s->stub_count == 0) /* it runs already */
        return s->plan->addresses[endpoint - 1];
    return walk_stub_of(s, endpoint)->addresses[s->stub_count == 1 ? endpoint - 1 : 0];
}

static json_t *proxy_setup(const struct walk *w, const struct walk_service *s, size_t proxy)
{
    uint32_t count, first = walk_proxy_first(s, proxy, &count);
    size_t service = (size_t)(s - w->services);
    char key[128];
    json_t *endpoints = json_array();
    for (uint32_t n = first; n < first + count; n++) {
        snprintf(key, sizeof(key), "%s/%u", s->plan->name, n);
        const char *given = w->plan->driver == DRIVER_EXTERNAL ? external_text(w, "endpoint", key)
                                                               : walk_port_of(w, key);
        char listen[WALK_LISTEN_BYTES];
        walk_place_listen(w, s->plan->name, n, listen);
        json_array_append_new(endpoints, json_pack("{sI ss ss so*}", "number", (json_int_t)n,
                                                   "listen", given == NULL ? listen : given,
                                                   "upstream", stub_address_of(s, n), "tls",
                                                   walk_certs_setup(w, service, n)));
    }
    json_t *setup = json_pack("{so ss so}", "endpoints", endpoints, "protocol",
                              s->plan->protocol == NULL ? "http1" : s->plan->protocol, "limits",
                              limits_setup(w));
    if (setup != NULL && plan_is_raw(s->plan->protocol))
        json_object_set_new(setup, "tags", plan_tags(w->scenario));
    if (setup != NULL && s->proxy_count > 1)
        json_object_set_new(setup, "part", json_true());
    json_t *impairs = walk_impair_setup(w, service);
    if (setup != NULL && impairs != NULL)
        json_object_set_new(setup, "impairs", impairs);
    if (setup != NULL && w->plan->group != NULL)
        json_object_set_new(setup, "draw_base", json_integer((json_int_t)w->actors[0].proc));
    if (setup != NULL && s->plan->effects != NULL)
        json_object_set_new(setup, "effects", json_string(s->plan->effects));
    return setup;
}

/* Of one that was started again: where its proxy still looks for it. */
static json_t *stub_setup(const struct walk *w, const struct walk_service *s, size_t i)
{
    const struct actor *a = s->stubs[i];
    json_t *setup = json_pack("{so}", "plan", scenario_json(w));
    if (s->stub_count > 1 || s->plan->run != NULL)
        json_object_set_new(setup, "endpoint", json_integer((json_int_t)i + 1));
    if (s->folder != NULL) {
        char log[600];
        snprintf(log, sizeof(log), "%s/%s-%zu.log", s->folder, s->plan->name, i + 1);
        json_object_set_new(setup, "log", json_string(log));
    }
    if (a->former_count > 0) {
        json_t *listen = json_array();
        for (size_t k = 0; k < a->former_count; k++)
            json_array_append_new(listen, json_string(a->former[k]));
        json_object_set_new(setup, "listen", listen);
    }
    return setup;
}

static json_t *setup_of(const struct walk *w, const struct actor *a)
{
    for (size_t i = 0; i < w->service_count; i++) {
        const struct walk_service *s = &w->services[i];
        for (size_t k = 0; k < s->stub_count; k++)
            if (a == s->stubs[k])
                return stub_setup(w, s, k);
        for (size_t k = 0; k < s->proxy_count; k++)
            if (a == s->proxies[k])
                return proxy_setup(w, s, k);
    }
    for (size_t i = 0; i < w->load_count; i++)
        if (a == w->loads[i])
            return load_setup(w, i);
    const struct walk_mesh *mesh = walk_mesh_of(w, a);
    INVARIANT(mesh != NULL);
    return walk_mesh_setup(w, mesh);
}

static bool has_addresses(const struct actor *a, size_t count, struct error *err)
{
    char who[96];
    return a->state != ACTOR_READY || a->address_count == count ||
           error_set(err, ERROR_PEER, "the %s has %zu addresses; it must have %zu",
                     actor_print(a, who, sizeof(who)), a->address_count, count);
}

/* An agent must have as many addresses as it was asked for, before anyone indexes them. */
static bool check_addresses(const struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->service_count; i++) {
        const struct walk_service *s = &w->services[i];
        for (size_t k = 0; k < s->stub_count; k++)
            if (!has_addresses(s->stubs[k], s->plan->endpoints / s->stub_count, err))
                return false;
        for (size_t k = 0; k < s->proxy_count; k++)
            if (!has_addresses(s->proxies[k], s->plan->endpoints / s->proxy_count, err))
                return false;
    }
    for (size_t i = 0; i < w->mesh_count; i++) {
        const struct walk_mesh *m = &w->meshes[i];
        if (!has_addresses(m->actor, m->edge_count, err))
            return false;
    }
    return true;
}

bool walk_setup_route(const struct walk *w, struct actor *a, struct error *err)
{
    size_t i = strcmp(a->role, "stub") == 0 ? walk_find_service(w, a->service) : SIZE_MAX;
    const struct service_plan *service = i == SIZE_MAX ? NULL : w->services[i].plan;
    if (service == NULL || service->call_count == 0)
        return true;
    json_t *addresses = json_object();
    uint32_t endpoint = 0;
    for (size_t k = 0; w->services[i].stub_count > 1 && k < w->services[i].stub_count; k++)
        endpoint = w->services[i].stubs[k] == a ? (uint32_t)k + 1 : endpoint;
    for (size_t k = 0; k < service->call_count; k++)
        add_address(w, addresses, service->name, endpoint, service->calls[k].to);
    return actor_send(a, CONTROL_ROUTE, json_pack("{so}", "addresses", addresses), err);
}

static bool send_routes(const struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->service_count; i++)
        for (size_t k = 0; k < w->services[i].stub_count; k++)
            if (!walk_setup_route(w, w->services[i].stubs[k], err))
                return false;
    return true;
}

bool walk_setup_send(const struct walk *w, struct actor *a, struct error *err)
{
    const struct engine_options *o = w->context->options;
    uint64_t seed = rng_mix(o->seed ^ rng_mix(w->plan->draws_as + 1U));
    json_t *body = setup_of(w, a);
    INVARIANT(body != NULL);
    return actor_setup(a, body, o->run, seed, o->linger_ns, err);
}

static enum stage stage_of(const struct walk *w, const struct actor *a)
{
    if (strcmp(a->role, "stub") == 0)
        return STAGE_STUB;
    if (strcmp(a->role, "proxy") == 0)
        return STAGE_PROXY;
    if (strcmp(a->role, "load") == 0)
        return STAGE_LOAD;
    const struct walk_mesh *m = walk_mesh_of(w, a);
    return m != NULL && m->inner ? STAGE_INNER : STAGE_MESH;
}

static bool is_due(const struct walk *w, const struct actor *a)
{
    return (int)stage_of(w, a) == w->stage;
}

static bool send_stage(struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        if (is_due(w, a) && a->state == ACTOR_WAITING && !walk_setup_send(w, a, err))
            return false;
    }
    return true;
}

/* The least far of the stage's agents; ACTOR_READY when it has none. */
static enum actor_state stage_state(const struct walk *w)
{
    enum actor_state least = ACTOR_READY;
    for (size_t i = 0; i < w->actor_count; i++)
        if (is_due(w, &w->actors[i]) && w->actors[i].state < least)
            least = w->actors[i].state;
    return least;
}

static uint64_t ready_within_ns(const struct walk *w)
{
    return w->fleet != NULL ? w->fleet->hello_within_ns : READY_WITHIN_NS;
}

/* Nothing is armed, and yet told so: what is ready to be shot at goes into service. */
static void open_endpoints(struct walk *w)
{
    for (size_t i = 0; w->fleet != NULL && i < w->service_count; i++)
        walk_arm_send(w, i);
}

static void on_ready_late(struct hold *h, uint64_t now_ns)
{
    struct walk *w = (struct walk *)((char *)h - offsetof(struct walk, stage_hold));
    struct error err = {0};
    char who[FLEET_ID_BYTES + 32];
    (void)now_ns;
    for (size_t i = 0; i < w->actor_count; i++)
        if (w->actors[i].state < ACTOR_READY && is_due(w, &w->actors[i]))
            error_set(&err, ERROR_PEER, "the %s was not ready within %d s",
                      actor_print(&w->actors[i], who, sizeof(who)),
                      (int)(ready_within_ns(w) / NS_PER_S));
    walk_break(w, &err);
}

void walk_setup_step(struct walk *w)
{
    struct loop *loop = w->context->loop;
    struct error err = {0};
    if (w->state != WALK_SETUP || w->broken.kind != ERROR_NONE)
        return; /* broken: what an agent lacks must not be asked of it */
    if (hold_is_idle(&w->stage_hold))
        loop_hold_add(loop, &w->stage_hold, loop_now_ns(loop) + ready_within_ns(w), on_ready_late);
    while (stage_state(w) == ACTOR_READY) {
        if (!check_addresses(w, &err) || (w->stage == STAGE_MESH && !send_routes(w, &err))) {
            walk_break(w, &err);
            return;
        }
        if (w->stage + 1 == STAGES) {
            loop_hold_remove(loop, &w->stage_hold);
            open_endpoints(w);
            w->state = WALK_READY;
            w->context->on_change(w->context->cookie, w);
            return;
        }
        w->stage++;
    }
    if (stage_state(w) == ACTOR_WAITING && !send_stage(w, &err))
        walk_break(w, &err);
}
