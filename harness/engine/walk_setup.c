#include "engine/walk.h"

#include "base/clock.h"

/* What each agent is told before the first phase. Addresses flow from one stage's READY into the
 * next one's SETUP: stubs, then the proxies before them, then the mesh before those, then the load.
 * A stub's own calls go through the mesh, so it learns their addresses afterwards (ROUTE). */

#define READY_WITHIN_NS (60 * NS_PER_S)

static const char *const stages[] = {"stub", "proxy", "mesh", "load"};
#define STAGE_MESH 2

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

static const struct edge_policy *find_edge(const struct walk *w, const char *from, const char *to,
                                           size_t *ret_index)
{
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++) {
        const struct edge_policy *edge = &w->plan->mesh_edges[i];
        if (strcmp(edge->from, from) == 0 && strcmp(edge->to, to) == 0) {
            *ret_index = i;
            return edge;
        }
    }
    return NULL;
}

static const char *external_text(const struct walk *w, const char *table, const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(w->scenario->lab.external, table), key));
}

static bool check_edge(const struct walk *w, const char *from, const char *to, struct source source,
                       struct error *err)
{
    size_t index;
    if (w->plan->driver == DRIVER_EXTERNAL) {
        if (external_text(w, "to", to) == NULL)
            return error_at(err, source, ERROR_USAGE,
                            "lab.external names no address in `to` for \"%s\"", to);
        return true;
    }
    if (walk_find_service(w, to) == SIZE_MAX)
        return error_at(err, source, ERROR_USAGE, "the lab has no service \"%s\"", to);
    if (find_edge(w, from, to, &index) == NULL)
        return error_at(err, source, ERROR_USAGE, "the mesh has no edge \"%s -> %s\"", from, to);
    return true;
}

static const char *caller_of(const struct load_plan *load)
{
    return load->on.from.service == NULL ? "client" : load->on.from.service;
}

/* grpc too. */
static bool is_http2(const char *protocol)
{
    return protocol != NULL && (strcmp(protocol, "http2") == 0 || strcmp(protocol, "grpc") == 0);
}

static bool check_loads(const struct walk *w, const struct load_plan *loads, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (loads[i].on.to.service == NULL)
            return error_at(err, loads[i].source, ERROR_USAGE,
                            "load: on must be an edge, such as \"client -> payments\"");
        if (w->plan->driver == DRIVER_BUILTIN && is_http2(loads[i].protocol))
            return error_at(err, loads[i].source, ERROR_USAGE,
                            "load: the driver builtin speaks http1, not %s; use envoy",
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
        if (!is_http2(s->protocol))
            continue;
        if (w->plan->driver == DRIVER_BUILTIN)
            return error_at(err, s->source, ERROR_USAGE,
                            "service \"%s\": the driver builtin speaks http1, not %s; use envoy",
                            s->name, s->protocol);
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

static const char *edge_address(const struct walk *w, const char *from, const char *to)
{
    size_t index = 0;
    if (w->plan->driver == DRIVER_EXTERNAL)
        return external_text(w, "to", to);
    if (find_edge(w, from, to, &index) == NULL || index >= w->mesh->address_count)
        return NULL;
    return w->mesh->addresses[index];
}

static void add_address(const struct walk *w, json_t *to, const char *from, const char *service)
{
    char edge[160];
    const char *address = edge_address(w, from, service);
    snprintf(edge, sizeof(edge), "%s -> %s", from, service);
    if (address != NULL)
        json_object_set_new(to, edge, json_string(address));
}

static void add_load_addresses(const struct walk *w, json_t *to, const struct load_plan *loads,
                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_address(w, to, caller_of(&loads[i]), loads[i].on.to.service);
}

static json_t *load_setup(const struct walk *w)
{
    json_t *addresses = json_object();
    const struct scenario *s = w->scenario;
    add_load_addresses(w, addresses, s->loads, s->load_count);
    for (size_t i = 0; i < s->phase_count; i++)
        add_load_addresses(w, addresses, s->phases[i].loads, s->phases[i].load_count);
    return json_pack("{so so sI sb}", "plan", scenario_json(w), "addresses", addresses,
                     "inflight_most", (json_int_t)w->context->options->inflight_most, "pace_sleep",
                     w->context->options->pace_sleep);
}

static json_t *proxy_setup(const struct walk *w, const struct walk_service *s)
{
    size_t service = (size_t)(s - w->services);
    char key[128];
    json_t *endpoints = json_array();
    for (uint32_t n = 1; n <= s->plan->endpoints && n <= s->stub->address_count; n++) {
        snprintf(key, sizeof(key), "%s/%u", s->plan->name, n);
        const char *listen =
            w->plan->driver == DRIVER_EXTERNAL ? external_text(w, "endpoint", key) : NULL;
        json_array_append_new(endpoints,
                              json_pack("{sI ss ss so*}", "number", (json_int_t)n, "listen",
                                        listen == NULL ? "127.0.0.1:0" : listen, "upstream",
                                        s->stub->addresses[n - 1], "tls",
                                        walk_certs_setup(w, service, n)));
    }
    json_t *setup = json_pack("{so ss}", "endpoints", endpoints, "protocol",
                              s->plan->protocol == NULL ? "http1" : s->plan->protocol);
    if (setup != NULL && s->plan->effects != NULL)
        json_object_set_new(setup, "effects", json_string(s->plan->effects));
    return setup;
}

static void add_pages(json_t *to, const char *caller, const char *urls)
{
    for (size_t len; *urls != '\0'; urls += len + (urls[len] == ',')) {
        len = strcspn(urls, ",");
        json_t *page = json_pack("{ss* ss%}", "caller", caller, "url", urls, len);
        if (page != NULL) /* not UTF-8 */
            json_array_append_new(to, page);
    }
}

/* Where the counters of an external mesh are: the suite's mesh.metrics, --metrics CALLER=URL. */
static json_t *metrics_setup(const struct walk *w)
{
    const char *given = w->scenario->mesh.metrics, *caller;
    json_t *pages = json_array(), *urls;
    if (w->plan->driver != DRIVER_EXTERNAL)
        return pages;
    json_object_foreach(json_object_get(w->scenario->lab.external, "metrics"), caller, urls)
    {
        if (json_is_string(urls))
            add_pages(pages, caller, json_string_value(urls));
    }
    if (given != NULL && strcmp(given, "auto") != 0 && json_array_size(pages) == 0)
        add_pages(pages, NULL, given);
    return pages;
}

bool walk_setup_scrapes(const struct walk *w)
{
    json_t *pages = metrics_setup(w);
    bool any = json_array_size(pages) > 0;
    json_decref(pages);
    return any;
}

static const char *given_address(const struct walk *w, const char *to)
{
    return w->plan->driver == DRIVER_EXTERNAL ? external_text(w, "to", to) : NULL;
}

/* Of the mesh agent: the driver istio is an Envoy that Istio programs. */
static const char *driver_name(enum driver driver)
{
    return driver == DRIVER_BUILTIN ? "builtin" : driver == DRIVER_EXTERNAL ? "external" : "envoy";
}

static json_t *mesh_setup(const struct walk *w)
{
    json_t *edges = json_array(), *defects = json_array();
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++) {
        const struct edge_policy *edge = &w->plan->mesh_edges[i];
        size_t service = walk_find_service(w, edge->to);
        json_t *endpoints = json_array();
        const struct actor *proxy = service == SIZE_MAX ? NULL : w->services[service].proxy;
        for (size_t k = 0; proxy != NULL && k < proxy->address_count; k++)
            json_array_append_new(endpoints, json_string(proxy->addresses[k]));
        bool http2 = service != SIZE_MAX && is_http2(w->services[service].plan->protocol);
        json_array_append_new(edges, json_pack("{so so ss* ss* sb sO*}", "policy",
                                               edge_policy_to_json(edge), "endpoints", endpoints,
                                               "listen", given_address(w, edge->to), "san",
                                               walk_certs_san(w, service), "http2", http2, "istio",
                                               json_object_get(w->plan->istio, edge->to)));
    }
    for (size_t i = 0; i < w->plan->defect_count; i++)
        json_array_append_new(defects, json_string(w->plan->defects[i]));
    json_t *setup = json_pack("{ss so so so ss so*}", "driver", driver_name(w->plan->driver),
                              "edges", edges, "metrics", metrics_setup(w), "defects", defects,
                              "folder", w->folder, "tls", walk_certs_setup(w, SIZE_MAX, 0));
    if (setup != NULL && w->context->options->envoy != NULL)
        json_object_set_new(setup, "envoy", json_string(w->context->options->envoy));
    return setup;
}

static json_t *setup_of(const struct walk *w, const struct actor *a)
{
    for (size_t i = 0; i < w->service_count; i++) {
        if (a == w->services[i].stub)
            return json_pack("{so}", "plan", scenario_json(w));
        if (a == w->services[i].proxy)
            return proxy_setup(w, &w->services[i]);
    }
    return a == w->mesh ? mesh_setup(w) : load_setup(w);
}

/* An agent must have as many addresses as it was asked for, before anyone indexes them. */
static bool check_addresses(const struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->service_count; i++) {
        const struct walk_service *s = &w->services[i];
        const struct actor *both[] = {s->stub, s->proxy};
        for (size_t k = 0; k < COUNT_OF(both); k++)
            if (both[k]->state == ACTOR_READY && both[k]->address_count != s->plan->endpoints)
                return error_set(
                    err, ERROR_PEER, "the %s agent of %s has %zu addresses; it must have %u",
                    both[k]->role, s->plan->name, both[k]->address_count, s->plan->endpoints);
    }
    if (w->mesh != NULL && w->mesh->state == ACTOR_READY &&
        w->mesh->address_count != w->plan->mesh_edge_count)
        return error_set(err, ERROR_PEER, "the mesh agent has %zu addresses; it must have %zu",
                         w->mesh->address_count, w->plan->mesh_edge_count);
    return true;
}

static bool send_routes(struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->service_count; i++) {
        const struct service_plan *service = w->services[i].plan;
        if (service->call_count == 0)
            continue;
        json_t *addresses = json_object();
        for (size_t k = 0; k < service->call_count; k++)
            add_address(w, addresses, service->name, service->calls[k].to);
        if (!actor_send(w->services[i].stub, CONTROL_ROUTE,
                        json_pack("{so}", "addresses", addresses), err))
            return false;
    }
    return true;
}

static bool send_stage(struct walk *w, struct error *err)
{
    const struct engine_options *o = w->context->options;
    uint64_t seed = rng_mix(o->seed ^ rng_mix(w->plan->scenario + 1U));
    for (size_t i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        if (strcmp(a->role, stages[w->stage]) != 0 || a->state != ACTOR_WAITING)
            continue;
        json_t *body = setup_of(w, a);
        INVARIANT(body != NULL);
        if (!actor_setup(a, body, o->run, seed, o->linger_ns, err))
            return false;
    }
    return true;
}

/* The least far of the stage's agents; ACTOR_READY when it has none. */
static enum actor_state stage_state(const struct walk *w)
{
    enum actor_state least = ACTOR_READY;
    for (size_t i = 0; i < w->actor_count; i++)
        if (strcmp(w->actors[i].role, stages[w->stage]) == 0 && w->actors[i].state < least)
            least = w->actors[i].state;
    return least;
}

static void on_ready_late(struct hold *h, uint64_t now_ns)
{
    struct walk *w = (struct walk *)((char *)h - offsetof(struct walk, stage_hold));
    struct error err = {0};
    char who[96];
    (void)now_ns;
    for (size_t i = 0; i < w->actor_count; i++)
        if (w->actors[i].state < ACTOR_READY && strcmp(w->actors[i].role, stages[w->stage]) == 0)
            error_set(&err, ERROR_PEER, "the %s was not ready within %d s",
                      actor_print(&w->actors[i], who, sizeof(who)),
                      (int)(READY_WITHIN_NS / NS_PER_S));
    walk_break(w, &err);
}

void walk_setup_step(struct walk *w)
{
    struct loop *loop = w->context->loop;
    struct error err = {0};
    if (w->state != WALK_SETUP)
        return;
    if (hold_is_idle(&w->stage_hold))
        loop_hold_add(loop, &w->stage_hold, loop_now_ns(loop) + READY_WITHIN_NS, on_ready_late);
    while (stage_state(w) == ACTOR_READY) {
        if (!check_addresses(w, &err) || (w->stage == STAGE_MESH && !send_routes(w, &err))) {
            walk_break(w, &err);
            return;
        }
        if (w->stage + 1 == (int)COUNT_OF(stages)) {
            loop_hold_remove(loop, &w->stage_hold);
            w->state = WALK_READY;
            w->context->on_change(w->context->cookie, w);
            return;
        }
        w->stage++;
    }
    if (stage_state(w) == ACTOR_WAITING && !send_stage(w, &err))
        walk_break(w, &err);
}
