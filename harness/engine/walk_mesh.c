#include "engine/walk.h"

#include "engine/folder.h"
#include "engine/walk_world.h"

#include <stdlib.h>

/* The mesh's proxies: one agent a caller, so that one caller's can be killed, or live in the
 * caller's own network namespace, without another's. A mesh that is somebody else's has at most
 * one agent, which reads the counters of all its proxies. */

static bool is_known(const struct walk *w, const char *caller)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (!w->meshes[i].inner && strcmp(w->meshes[i].caller, caller) == 0)
            return true;
    return false;
}

/* The sidecars before the endpoints of that edge of the plan; NULL: it has none. */
static const struct walk_mesh *inner_of(const struct walk *w, size_t edge)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (w->meshes[i].inner && w->meshes[i].edges[0] == edge)
            return &w->meshes[i];
    return NULL;
}

static void add_inner(struct walk *w, size_t edge)
{
    size_t service = walk_find_service(w, w->plan->mesh_edges[edge].to);
    const struct service_plan *to = service == SIZE_MAX ? NULL : w->services[service].plan;
    if (to == NULL || !plan_has_leftover(to))
        return;
    struct walk_mesh *m = &w->meshes[w->mesh_count++];
    *m = (struct walk_mesh){.caller = to->name, .inner = true, .edge_count = to->endpoints};
    m->edges = ARENA_ARRAY(&w->arena, size_t, to->endpoints);
    for (size_t n = 0; n < to->endpoints; n++)
        m->edges[n] = edge;
}

static void add(struct walk *w, const char *caller, uint32_t endpoint)
{
    struct walk_mesh *m = &w->meshes[w->mesh_count++];
    m->caller = caller;
    m->endpoint = endpoint;
    m->edges = ARENA_ARRAY(&w->arena, size_t, w->plan->mesh_edge_count);
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++)
        if (w->plan->driver == DRIVER_EXTERNAL || strcmp(w->plan->mesh_edges[i].from, caller) == 0)
            m->edges[m->edge_count++] = i;
}

/* ---- one for each endpoint of a caller ---- */

static const struct step *find_apart(const struct step *steps, size_t count, const char *caller)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        const char *what = json_string_value(json_object_get(s->keys, "what"));
        bool proxy = s->kind == STEP_FAULT && (strcmp(s->word, "control_plane_cut") == 0 ||
                                               (what != NULL && strcmp(what, "proxy") == 0));
        if (proxy && s->has_on && s->on.to.endpoint != 0 && strcmp(s->on.to.service, caller) == 0)
            return s;
        const struct step *within = find_apart(s->steps, s->step_count, caller);
        if (within != NULL)
            return within;
    }
    return NULL;
}

/* The first step that is for the proxy of one of its endpoints; NULL: none is. */
static const struct step *apart_by(const struct scenario *s, const char *caller)
{
    const struct service_plan *service = NULL;
    for (size_t i = 0; i < s->lab.service_count; i++)
        if (strcmp(s->lab.services[i].name, caller) == 0)
            service = &s->lab.services[i];
    if (service == NULL || service->endpoints < 2)
        return NULL;
    const struct step *found = find_apart(s->steps, s->step_count, caller);
    for (size_t i = 0; i < s->phase_count && found == NULL; i++)
        found = find_apart(s->phases[i].steps, s->phases[i].step_count, caller);
    return found;
}

bool engine_proxies_apart(const struct scenario *s, const char *caller)
{
    return apart_by(s, caller) != NULL;
}

static bool check_steps(const struct walk *w, const struct step *steps, size_t count,
                        struct error *err)
{
    static const char *const counts[] = {"ejection", "breaker", "budget", "balance", "rate_limit"};
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        bool asks = false;
        for (size_t k = 0; k < COUNT_OF(counts); k++)
            asks = asks || (s->kind == STEP_EXPECT && strcmp(s->word, counts[k]) == 0);
        for (size_t k = 0; asks && s->has_on && k < w->plan->mesh_edge_count; k++) {
            const struct edge_policy *edge = &w->plan->mesh_edges[k];
            const struct step *why =
                strcmp(edge->to, s->on.to.service) == 0 ? apart_by(w->scenario, edge->from) : NULL;
            if (why != NULL)
                return error_at(err, s->source, ERROR_USAGE,
                                "expect.%s on %s: each endpoint of %s has a proxy of its own here, "
                                "for the fault.%s of line %u is for one of them, and each counts "
                                "for itself: ask in another scenario",
                                s->word, s->on.text, edge->from, why->word, why->source.line);
        }
        if (!check_steps(w, s->steps, s->step_count, err))
            return false;
    }
    return true;
}

bool walk_mesh_check(const struct walk *w, struct error *err)
{
    const struct scenario *s = w->scenario;
    if (!check_steps(w, s->steps, s->step_count, err))
        return false;
    for (size_t i = 0; i < s->phase_count; i++)
        if (!check_steps(w, s->phases[i].steps, s->phases[i].step_count, err))
            return false;
    return true;
}

static void add_caller(struct walk *w, const char *caller)
{
    if (!engine_proxies_apart(w->scenario, caller)) {
        add(w, caller, 0);
        return;
    }
    struct walk_service *s = &w->services[walk_find_service(w, caller)];
    s->stubs_apart = true; /* each knows one way out */
    for (uint32_t n = 1; n <= s->plan->endpoints; n++)
        add(w, caller, n);
}

void walk_mesh_collect(struct walk *w)
{
    size_t room = 2 * w->plan->mesh_edge_count + 1;
    for (size_t i = 0; i < w->service_count; i++)
        room += w->services[i].plan->endpoints;
    w->meshes = ARENA_ARRAY(&w->arena, struct walk_mesh, room);
    if (w->plan->driver == DRIVER_EXTERNAL) {
        if (walk_mesh_scrapes(w))
            add(w, "", 0);
        return;
    }
    if (w->plan->driver == DRIVER_NONE)
        return;
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++)
        add_inner(w, i);
    for (size_t i = 0; i < w->plan->mesh_edge_count; i++)
        if (!is_known(w, w->plan->mesh_edges[i].from))
            add_caller(w, w->plan->mesh_edges[i].from);
}

struct walk_mesh *walk_mesh_next(const struct walk *w, const char *caller, uint32_t endpoint,
                                 size_t *at)
{
    while (*at < w->mesh_count) {
        struct walk_mesh *m = &w->meshes[(*at)++];
        if (!m->inner && strcmp(m->caller, caller) == 0 &&
            (endpoint == 0 || m->endpoint == 0 || m->endpoint == endpoint))
            return m;
    }
    return NULL;
}

bool walk_mesh_folders(struct walk *w, struct error *err)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (!folder_new(w->context->options->run, &w->meshes[i].folder, err))
            return false;
    return true;
}

void walk_mesh_free(struct walk *w)
{
    for (size_t i = 0; i < w->mesh_count; i++) {
        if (w->meshes[i].folder != NULL)
            folder_remove(w->meshes[i].folder);
        free(w->meshes[i].folder);
    }
}

struct walk_mesh *walk_mesh_find(const struct walk *w, const char *caller)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (!w->meshes[i].inner && strcmp(w->meshes[i].caller, caller) == 0)
            return &w->meshes[i];
    return NULL;
}

struct walk_mesh *walk_mesh_of(const struct walk *w, const struct actor *a)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (w->meshes[i].actor == a)
            return &w->meshes[i];
    return NULL;
}

void walk_mesh_print(const struct walk_mesh *m, char *to, size_t size)
{
    if (m->inner)
        snprintf(to, size, "sidecars of %s", m->caller);
    else if (m->endpoint == 0)
        snprintf(to, size, "proxy of %s", m->caller);
    else
        snprintf(to, size, "proxy of %s/%u", m->caller, m->endpoint);
}

const char *walk_mesh_address(const struct walk *w, const char *from, uint32_t endpoint,
                              const char *to)
{
    size_t at = 0;
    const struct walk_mesh *m = walk_mesh_next(w, from, endpoint, &at);
    for (size_t i = 0; m != NULL && i < m->edge_count && i < m->actor->address_count; i++)
        if (strcmp(w->plan->mesh_edges[m->edges[i]].to, to) == 0)
            return m->actor->addresses[i];
    return NULL;
}

/* ---- what its agent is told ---- */

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

bool walk_mesh_scrapes(const struct walk *w)
{
    json_t *pages = metrics_setup(w);
    bool any = json_array_size(pages) > 0;
    json_decref(pages);
    return any;
}

/* Of the mesh agent: the driver istio is an Envoy that Istio programs. */
static const char *driver_name(enum driver driver)
{
    return driver == DRIVER_BUILTIN ? "builtin" : driver == DRIVER_EXTERNAL ? "external" : "envoy";
}

/* What the plan says of a proxy's listener: of the caller's, or of that of one of its endpoints. */
static const char *fixed_port(const struct walk *w, const struct walk_mesh *m,
                              const struct edge_policy *edge)
{
    char name[200];
    if (m->endpoint == 0)
        snprintf(name, sizeof(name), "%.80s -> %.80s", edge->from, edge->to);
    else
        snprintf(name, sizeof(name), "%.80s/%u -> %.80s", edge->from, m->endpoint, edge->to);
    return walk_port_of(w, name);
}

/* As the lab's shape has it: a ztunnel knows no requests, whatever the policy asks. */
static json_t *policy_setup(const struct walk *w, const struct walk_mesh *m,
                            const struct edge_policy *edge)
{
    struct edge_policy own = *edge;
    const char *proxies = w->scenario->lab.proxies;
    if (!m->inner && proxies != NULL && strcmp(proxies, "ztunnel") == 0)
        own.flavour = FLAVOUR_L4;
    if (m->inner)
        own.endpoints = 1;
    return edge_policy_to_json(&own);
}

static const char *hop_of(const struct walk *w, const struct walk_mesh *m,
                          const struct edge_policy *edge)
{
    const char *plane = m->inner ? "sidecar" : plan_plane(w->scenario, edge->flavour != FLAVOUR_L4);
    bool marks = plan_asks_path(w->scenario) && strcmp(plane, "ztunnel") != 0;
    return marks ? plane : NULL;
}

/* What is behind it: the endpoints, one of them for each of a row of sidecars, or that row. */
static json_t *endpoints_setup(const struct walk_mesh *m, size_t edge,
                               const struct walk_service *to, const struct walk_mesh *inner)
{
    json_t *endpoints = json_array();
    for (size_t k = 0; inner != NULL && k < inner->actor->address_count; k++)
        json_array_append_new(endpoints, json_string(inner->actor->addresses[k]));
    for (uint32_t n = 1; inner == NULL && to != NULL && n <= to->plan->endpoints; n++)
        if (!m->inner || n == edge + 1)
            json_array_append_new(endpoints, json_string(walk_proxy_address(to, n)));
    return endpoints;
}

/* ${number}: of the agent's edges. ${former}: where it listened before it was started again. */
static json_t *edge_setup(const struct walk *w, const struct walk_mesh *m, size_t number,
                          const char *former)
{
    const struct edge_policy *edge = &w->plan->mesh_edges[m->edges[number]];
    size_t service = walk_find_service(w, edge->to);
    const struct walk_service *to = service == SIZE_MAX ? NULL : &w->services[service];
    const struct walk_mesh *inner = m->inner ? NULL : inner_of(w, m->edges[number]);
    bool plain = inner != NULL || (to != NULL && plan_is_plain(to->plan));
    char own[WALK_LISTEN_BYTES];
    const char *listen = former != NULL ? former : fixed_port(w, m, edge);
    if (listen == NULL)
        listen = walk_place_listen(w, edge->from, 0, own);
    if (w->plan->driver == DRIVER_EXTERNAL)
        listen = json_string_value(
            json_object_get(json_object_get(w->scenario->lab.external, "to"), edge->to));
    json_t *setup = json_pack("{so so ss* ss* ss* sb sb sO*}", "policy", policy_setup(w, m, edge),
                              "endpoints", endpoints_setup(m, number, to, inner), "listen", listen,
                              "san", walk_certs_san(w, service), "hop", hop_of(w, m, edge), "plain",
                              plain, "http2", to != NULL && walk_is_http2(to->plan->protocol),
                              "istio", json_object_get(w->plan->istio, edge->to));
    if (setup != NULL && to != NULL && plan_is_raw(to->plan->protocol))
        json_object_set_new(setup, "tcp", json_true());
    return setup;
}

json_t *walk_mesh_setup(const struct walk *w, const struct walk_mesh *m)
{
    json_t *edges = json_array(), *defects = json_array();
    for (size_t i = 0; i < m->edge_count; i++)
        json_array_append_new(
            edges, edge_setup(w, m, i, i < m->actor->former_count ? m->actor->former[i] : NULL));
    for (size_t i = 0; i < w->plan->defect_count; i++)
        json_array_append_new(defects, json_string(w->plan->defects[i]));
    json_t *setup = json_pack("{ss so so so ss so*}", "driver", driver_name(w->plan->driver),
                              "edges", edges, "metrics", metrics_setup(w), "defects", defects,
                              "folder", m->folder, "tls", walk_certs_setup(w, SIZE_MAX, 0));
    if (setup != NULL && m->actor->id != NULL) /* the folder is ours, and it is not here */
        json_object_del(setup, "folder");
    if (setup != NULL && m->inner)
        json_object_set_new(setup, "inner", json_true());
    if (setup != NULL && m->endpoint != 0)
        json_object_set_new(setup, "proxy", json_sprintf("%s/%u", m->caller, m->endpoint));
    if (setup != NULL && walk_cut_is_asked(w))
        json_object_set_new(setup, "control_plane", json_true());
    if (setup != NULL && w->context->options->envoy != NULL)
        json_object_set_new(setup, "envoy", json_string(w->context->options->envoy));
    return setup;
}

static bool inner_of_service(const struct walk *w, const char *service)
{
    for (size_t i = 0; i < w->mesh_count; i++)
        if (w->meshes[i].inner && strcmp(w->meshes[i].caller, service) == 0)
            return true;
    return false;
}

bool walk_mesh_route(struct walk *w, size_t service, struct error *err)
{
    const struct walk_service *s = &w->services[service];
    for (size_t i = 0; i < w->mesh_count; i++) {
        const struct walk_mesh *m = &w->meshes[i];
        json_t *edges = json_object();
        char number[24];
        if (m->inner || inner_of_service(w, s->plan->name)) { /* its addresses stay */
            json_decref(edges);
            continue;
        }
        for (size_t k = 0; k < m->edge_count; k++) {
            json_t *list = json_array();
            if (strcmp(w->plan->mesh_edges[m->edges[k]].to, s->plan->name) != 0) {
                json_decref(list);
                continue;
            }
            for (uint32_t n = 1; n <= s->plan->endpoints; n++)
                json_array_append_new(
                    list,
                    json_string(walk_world_is_away(w, service, n) ? "" : walk_proxy_address(s, n)));
            snprintf(number, sizeof(number), "%zu", k);
            json_object_set_new(edges, number, list);
        }
        bool told = json_object_size(edges) > 0 && m->actor->state == ACTOR_READY;
        json_t *body = json_pack("{so}", "addresses", edges);
        if (!told)
            json_decref(body);
        else if (!actor_send(m->actor, CONTROL_ROUTE, body, err))
            return false;
    }
    return true;
}
