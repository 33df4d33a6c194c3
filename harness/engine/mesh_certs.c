#include "engine/mesh_certs.h"

#include "base/clock.h"
#include "certs/cert_files.h"

#include <stdlib.h>

/* Times that a cluster's TLS has taken new bytes from its secrets (Envoy's name). */
#define TAKEN "client_ssl_socket_factory.ssl_context_update_by_sds"
#define LOOK_NS (5 * NS_PER_MS)
/* Measured 1.4 to 5.8 ms (tls-measured.md 3): a mesh that takes this long did not take the file. */
#define TAKEN_MOST_NS (2 * NS_PER_S)

static bool write_files(const struct mesh_certs *c, const json_t *tls, bool *ret_changed,
                        struct error *err)
{
    struct agent_certs certs;
    if (!agent_certs_read(tls, &certs, err))
        return false;
    const struct cert_files files = {.chain_pem = certs.leaves[CERT_GOOD].chain_pem,
                                     .key_pem = certs.leaves[CERT_GOOD].key_pem,
                                     .bundle_pem = certs.trust_pem};
    return cert_files_write(c->folder, &files, clock_wall_ns(), ret_changed, err);
}

bool mesh_certs_open(struct mesh_certs *c, struct agent *agent, const struct mesh_driver *driver,
                     struct mesh_run *const *run, const char *folder, size_t edge_count,
                     const json_t *tls, struct error *err)
{
    bool changed;
    *c = (struct mesh_certs){.agent = agent,
                             .driver = driver,
                             .run = run,
                             .folder = folder,
                             .edge_count = edge_count,
                             .waiting = json_array()};
    INVARIANT(c->waiting != NULL);
    c->before = check_alloc_zero(edge_count + 1, sizeof(*c->before));
    c->now = check_alloc_zero(edge_count + 1, sizeof(*c->now));
    return write_files(c, tls, &changed, err);
}

static void next(struct mesh_certs *c);

static void finish(struct mesh_certs *c, bool taken)
{
    agent_certs_record(c->agent, c->doing, c->before_ns, taken);
    agent_send(
        c->agent, CONTROL_CERT_SET,
        json_pack("{sI sb}", "step", (json_int_t)control_number(c->doing, "step"), "taken", taken));
    json_decref(c->doing);
    c->doing = NULL;
    next(c);
}

static void on_value(void *cookie, size_t edge, const char *name, const char *labels, double value)
{
    struct mesh_certs *c = cookie;
    (void)labels;
    if (edge < c->edge_count && strcmp(name, TAKEN) == 0)
        (c->written ? c->now : c->before)[edge] = value;
}

static bool all_taken(const struct mesh_certs *c)
{
    for (size_t i = 0; i < c->edge_count; i++)
        if (c->now[i] <= c->before[i])
            return false;
    return true;
}

static void on_look(struct hold *h, uint64_t now_ns);

static void on_scraped(void *cookie, bool ok)
{
    struct mesh_certs *c = cookie;
    struct loop *loop = c->agent->loop;
    uint64_t now_ns = clock_now_ns();
    struct error err = {0};
    bool changed = true;
    if (c->doing == NULL)
        return;
    if (c->written && ((ok && all_taken(c)) || now_ns >= c->give_up_ns)) {
        finish(c, ok && all_taken(c));
        return;
    }
    if (!c->written && ok) {
        c->before_ns = now_ns;
        if (!write_files(c, json_object_get(c->doing, "tls"), &changed, &err)) {
            agent_fail(c->agent, &err);
            return;
        }
        c->written = true;
        c->give_up_ns = now_ns + TAKEN_MOST_NS;
    }
    if (!changed)
        finish(c, true);
    else
        loop_hold_add(loop, &c->look, now_ns + LOOK_NS, on_look);
}

static void on_look(struct hold *h, uint64_t now_ns)
{
    struct mesh_certs *c = (struct mesh_certs *)((char *)h - offsetof(struct mesh_certs, look));
    (void)now_ns;
    if (c->doing != NULL && *c->run != NULL)
        c->driver->scrape(*c->run, on_value, on_scraped, c);
}

/* The counters first: files that are swapped before they are known cannot be read back. */
static void next(struct mesh_certs *c)
{
    if (c->doing != NULL || json_array_size(c->waiting) == 0)
        return;
    c->doing = json_incref(json_array_get(c->waiting, 0));
    (void)json_array_remove(c->waiting, 0);
    c->written = false;
    /* In a turn of its own: the driver may still be in the callback that we come from. */
    loop_hold_add(c->agent->loop, &c->look, loop_now_ns(c->agent->loop), on_look);
}

void mesh_certs_take(struct mesh_certs *c, const json_t *cert)
{
    INVARIANT(json_array_append_new(c->waiting, json_deep_copy(cert)) == 0);
    next(c);
}

void mesh_certs_stop(struct mesh_certs *c)
{
    if (c->agent == NULL)
        return;
    loop_hold_remove(c->agent->loop, &c->look);
    json_decref(c->doing);
    c->doing = NULL;
    json_array_clear(c->waiting);
}

void mesh_certs_release(struct mesh_certs *c)
{
    if (c->agent == NULL)
        return;
    mesh_certs_stop(c);
    json_decref(c->waiting);
    free(c->before);
    free(c->now);
}
