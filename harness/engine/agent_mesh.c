#include "base/clock.h"
#include "engine/folder.h"
#include "engine/mesh_certs.h"
#include "engine/mesh_cut.h"
#include "mesh/mesh.h"

#include <stdlib.h>

/* The mesh role: one driver, one address an edge, and its counters scraped into the journal. */

#define EDGES_MOST 1000
/* eject.metrics wants three scrapes within 0.9 s of silence (spec/verifier.md 3.3). */
#define SCRAPE_EVERY_NS (250 * NS_PER_MS)
/* The last scrape comes when the mesh has counted all: spec/verifier.md 3.7, linkerd-measured.md 5.
 */
#define SCRAPE_QUIET_NS (600 * NS_PER_MS)
#define SCRAPE_LAST_NS (NS_PER_S)
#define ARENA_MOST_BYTES ((size_t)16 * 1024 * 1024)

struct mesh_agent {
    struct agent *agent;
    const struct mesh_driver *driver;
    struct mesh_run *run;
    struct mesh_config config;
    const char *proxy; /* "checkout/2", where each of the caller's endpoints has one; NULL: not */
    struct arena arena;
    struct mesh_certs certs;
    struct mesh_cut cut;
    struct hold scrape_hold, last_hold;
    uint64_t asked_ns;
    bool inner; /* behind a caller's own proxy, whose counters are the edge's */
    bool scraping, ready, told, ending, final; /* final: the last scrape is asked */
};

static bool read_edge(struct mesh_agent *m, const json_t *from, struct mesh_edge *ret,
                      struct error *err)
{
    const json_t *endpoints = json_object_get(from, "endpoints");
    size_t count = json_array_size(endpoints);
    const char **addresses = ARENA_ARRAY(&m->arena, const char *, count + 1);
    ret->listen = json_string_value(json_object_get(from, "listen"));
    if (ret->listen == NULL)
        ret->listen = "127.0.0.1:0";
    ret->endpoints = addresses;
    ret->endpoint_count = count;
    ret->http2 = json_is_true(json_object_get(from, "http2"));
    ret->tcp = control_flag(from, "tcp");
    ret->hop = json_string_value(json_object_get(from, "hop"));
    ret->plain = control_flag(from, "plain");
    ret->peer_san = json_string_value(json_object_get(from, "san"));
    ret->istio = json_object_get(from, "istio");
    if (count > EDGES_MOST)
        return error_set(err, ERROR_PEER, "SETUP: an edge with %zu endpoints", count);
    for (size_t i = 0; i < count; i++) {
        addresses[i] =
            agent_need_text(json_array_get(endpoints, i), "SETUP: an endpoint of an edge", err);
        if (addresses[i] == NULL)
            return false;
    }
    return edge_policy_from_json(json_object_get(from, "policy"), &m->arena, &ret->policy, err);
}

static bool read_metrics(struct mesh_agent *m, const json_t *from, struct error *err)
{
    size_t count = json_array_size(from);
    struct mesh_metrics *list = ARENA_ARRAY(&m->arena, struct mesh_metrics, count + 1);
    if (count > EDGES_MOST)
        return error_set(err, ERROR_PEER, "SETUP: %zu pages of metrics", count);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(from, i);
        list[i].caller = json_string_value(json_object_get(one, "caller"));
        list[i].url = agent_need_text(json_object_get(one, "url"), "SETUP: the url of a page", err);
        if (list[i].url == NULL)
            return false;
    }
    m->config.metrics = list;
    m->config.metrics_count = count;
    return true;
}

static bool read_config(struct mesh_agent *m, const json_t *setup, struct error *err)
{
    const json_t *edges = json_object_get(setup, "edges"),
                 *defects = json_object_get(setup, "defects");
    size_t edge_count = json_array_size(edges), defect_count = json_array_size(defects);
    if (edge_count > EDGES_MOST || defect_count > EDGES_MOST)
        return error_set(err, ERROR_PEER, "SETUP: %zu edges; at most %d are allowed", edge_count,
                         EDGES_MOST);
    struct mesh_edge *list = ARENA_ARRAY(&m->arena, struct mesh_edge, edge_count + 1);
    const char **names = ARENA_ARRAY(&m->arena, const char *, defect_count + 1);
    for (size_t i = 0; i < edge_count; i++)
        if (!read_edge(m, json_array_get(edges, i), &list[i], err))
            return false;
    for (size_t i = 0; i < defect_count; i++) {
        names[i] = agent_need_text(json_array_get(defects, i), "SETUP: a defect", err);
        if (names[i] == NULL)
            return false;
        if (defect_find(names[i]) == NULL)
            return error_set(err, ERROR_USAGE, "there is no defect \"%.60s\"", names[i]);
    }
    m->config = (struct mesh_config){.edges = list,
                                     .edge_count = edge_count,
                                     .defects = names,
                                     .defect_count = defect_count,
                                     .seed = m->agent->seed,
                                     .envoy = json_string_value(json_object_get(setup, "envoy")),
                                     .folder = control_text(setup, "folder"),
                                     .control_plane = control_flag(setup, "control_plane")};
    m->inner = control_flag(setup, "inner");
    return read_metrics(m, json_object_get(setup, "metrics"), err);
}

/* The first files, before the mesh that reads them is started. */
static bool setup_certs(struct mesh_agent *m, const json_t *tls, struct error *err)
{
    if (tls == NULL)
        return true;
    const char *folder = arena_printf(&m->arena, "%s/certs", m->config.folder);
    m->config.certs = m->certs.path;
    return mesh_certs_open(&m->certs, m->agent, m->driver, &m->run, folder,
                           m->config.control_plane ? &m->cut : NULL, m->config.edge_count, tls,
                           err);
}

static void on_cut_changed(void *cookie)
{
    struct mesh_agent *m = cookie;
    if (m->config.certs != NULL && !m->ending)
        mesh_certs_cut_changed(&m->certs);
}

/* {"0": ["127.0.0.1:43001", "", ...]}: the endpoints that an edge has now. */
static bool take_route(struct mesh_agent *m, const json_t *route, struct error *err)
{
    const char *number;
    json_t *list;
    json_object_foreach(json_object_get(route, "addresses"), number, list)
    {
        const char *addresses[EDGES_MOST];
        uint64_t edge;
        size_t count = json_array_size(list);
        if (!bytes_to_u64(bytes_of(number), &edge) || edge >= m->config.edge_count ||
            count != m->config.edges[edge].endpoint_count || count > EDGES_MOST)
            return error_set(err, ERROR_PEER, "ROUTE: %zu endpoints for the edge \"%.20s\"", count,
                             number);
        for (size_t i = 0; i < count; i++) {
            addresses[i] = agent_need_text(json_array_get(list, i), "ROUTE: an endpoint", err);
            if (addresses[i] == NULL)
                return false;
        }
        if (!m->driver->endpoints(m->run, (size_t)edge, addresses, err))
            return false;
    }
    return true;
}

static bool control(struct agent *a, uint8_t kind, const json_t *body, struct error *err)
{
    struct mesh_agent *m = a->own;
    if (kind == CONTROL_ARM && m->config.control_plane && m->ready)
        return m->ending || mesh_cut_take(&m->cut, body, err);
    if (kind == CONTROL_ROUTE && m->config.control_plane && m->ready)
        return m->ending || take_route(m, body, err);
    if (kind != CONTROL_CERT || m->config.certs == NULL || json_object_get(body, "tls") == NULL)
        return error_set(err, ERROR_PEER, "%s is not for this mesh agent", control_name(kind));
    if (!m->ending)
        mesh_certs_take(&m->certs, body);
    return true;
}

static void on_value(void *cookie, size_t edge, const char *name, const char *labels, double value)
{
    struct mesh_agent *m = cookie;
    struct recorder *recorder = m->agent->recorder;
    char proxy[256];
    if (edge >= m->config.edge_count || m->inner)
        return;
    const struct edge_policy *policy = &m->config.edges[edge].policy;
    const char *which = m->driver->proxy == NULL ? m->proxy : m->driver->proxy(m->run);
    snprintf(proxy, sizeof(proxy), "%s%s%s -> %s", which == NULL ? "" : which,
             which == NULL ? "" : " ", policy->from, policy->to);
    uint64_t now_ns = loop_now_ns(m->agent->loop);
    struct metric_record r = {.at = m->asked_ns,
                              .answer = now_ns > m->asked_ns ? now_ns - m->asked_ns : 1,
                              .value = value,
                              .proxy = recorder_name(recorder, bytes_of(proxy)),
                              .name = recorder_name(recorder, bytes_of(name))};
    r.labels = labels == NULL ? 0 : recorder_name(recorder, bytes_of(labels));
    recorder_emit(recorder, RECORD_METRIC, &r);
}

static void end(struct mesh_agent *m)
{
    loop_hold_remove(m->agent->loop, &m->scrape_hold);
    loop_hold_remove(m->agent->loop, &m->last_hold);
    mesh_certs_stop(&m->certs);
    mesh_cut_stop(&m->cut);
    if (m->run != NULL)
        m->driver->close(m->run);
    m->run = NULL;
    agent_drained(m->agent);
}

static void on_last(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    end((struct mesh_agent *)((char *)h - offsetof(struct mesh_agent, last_hold)));
}

/* The counters before any load have been read, or cannot be. */
static void tell_ready(struct mesh_agent *m)
{
    json_t *addresses = json_array();
    m->told = true;
    for (size_t i = 0; i < m->config.edge_count; i++)
        json_array_append_new(addresses, json_string(m->driver->address(m->run, i)));
    agent_ready(m->agent, addresses);
}

static void on_scraped(void *cookie, bool ok)
{
    struct mesh_agent *m = cookie;
    (void)ok; /* a scrape that failed has no records; claims on metrics see that there are none */
    m->scraping = false;
    if (!m->told && !m->ending)
        tell_ready(m);
    if (!m->final || m->run == NULL)
        return;
    /* Not here: the driver is still in its own callback. */
    loop_hold_remove(m->agent->loop, &m->last_hold);
    loop_hold_add(m->agent->loop, &m->last_hold, loop_now_ns(m->agent->loop), on_last);
}

static void scrape(struct mesh_agent *m)
{
    if (m->scraping)
        return;
    m->scraping = true;
    m->asked_ns = loop_now_ns(m->agent->loop);
    m->driver->scrape(m->run, on_value, on_scraped, m);
}

static void on_scrape(struct hold *h, uint64_t now_ns)
{
    struct mesh_agent *m =
        (struct mesh_agent *)((char *)h - offsetof(struct mesh_agent, scrape_hold));
    loop_hold_add(m->agent->loop, h, now_ns + SCRAPE_EVERY_NS, on_scrape);
    scrape(m);
}

static void on_ready(void *cookie)
{
    struct mesh_agent *m = cookie;
    m->ready = true;
    loop_hold_add(m->agent->loop, &m->scrape_hold, loop_now_ns(m->agent->loop), on_scrape);
}

static void on_died(void *cookie, const struct error *why)
{
    struct mesh_agent *m = cookie;
    if (!m->ending)
        agent_fail(m->agent, why);
}

static bool setup(struct agent *a, const json_t *body, struct error *err)
{
    struct mesh_agent *m = check_alloc_zero(1, sizeof(*m));
    const char *name = control_text(body, "driver");
    a->own = m;
    m->proxy = json_string_value(json_object_get(body, "proxy"));
    m->agent = a;
    arena_init(&m->arena, ARENA_MOST_BYTES);
    m->driver = mesh_driver_find(name);
    if (m->driver == NULL)
        return error_set(err, ERROR_USAGE, "there is no driver \"%.40s\"", name);
    mesh_cut_init(&m->cut, a, m->driver, &m->run);
    m->cut.on_change = on_cut_changed;
    m->cut.cookie = m;
    return read_config(m, body, err) && setup_certs(m, json_object_get(body, "tls"), err) &&
           m->driver->open(a->loop, &m->config, on_ready, on_died, m, &m->run, err);
}

/* The conductor is gone: a cut without a witness is damage (engine.md section 6). */
static void orphan(struct agent *a)
{
    struct mesh_agent *m = a->own;
    if (m != NULL && m->ready)
        mesh_cut_end(&m->cut);
}

static void on_quiet(struct hold *h, uint64_t now_ns)
{
    struct mesh_agent *m =
        (struct mesh_agent *)((char *)h - offsetof(struct mesh_agent, scrape_hold));
    (void)now_ns;
    m->final = true;
    scrape(m);
}

/* The counters once more, when nothing is under way any longer, then the end. */
static void drain(struct agent *a, uint64_t deadline_ns)
{
    struct mesh_agent *m = a->own;
    uint64_t quiet_ns = loop_now_ns(a->loop) + SCRAPE_QUIET_NS, last_ns = quiet_ns + SCRAPE_LAST_NS;
    if (m == NULL || m->run == NULL) {
        agent_drained(a);
        return;
    }
    m->ending = true;
    mesh_certs_stop(&m->certs);
    loop_hold_remove(a->loop, &m->scrape_hold);
    loop_hold_add(a->loop, &m->last_hold, last_ns < deadline_ns ? last_ns : deadline_ns, on_last);
    if (m->ready)
        loop_hold_add(a->loop, &m->scrape_hold, quiet_ns < deadline_ns ? quiet_ns : deadline_ns,
                      on_quiet);
}

static void release(struct agent *a)
{
    struct mesh_agent *m = a->own;
    if (m == NULL)
        return;
    loop_hold_remove(a->loop, &m->scrape_hold);
    loop_hold_remove(a->loop, &m->last_hold);
    mesh_cut_stop(&m->cut);
    mesh_certs_release(&m->certs);
    if (m->run != NULL)
        m->driver->close(m->run);
    loop_settle(a->loop);
    if (a->gone && m->config.folder != NULL && m->config.folder[0] != '\0') /* nobody else will */
        folder_remove(m->config.folder);
    arena_release(&m->arena);
    free(m);
}

const struct agent_role agent_mesh = {
    .name = "mesh",
    .setup = setup,
    .control = control,
    .orphan = orphan,
    .drain = drain,
    .release = release,
};
