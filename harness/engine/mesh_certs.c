#include "engine/mesh_certs.h"

#include "base/clock.h"
#include "certs/cert_files.h"

#include <stdlib.h>

/* Times that a cluster's TLS has taken new bytes from its secrets (Envoy's name). */
#define TAKEN "client_ssl_socket_factory.ssl_context_update_by_sds"
#define LOOK_NS (5 * NS_PER_MS)
/* Measured 1.4 to 5.8 ms (tls-measured.md 3): a mesh that takes this long did not take the file. */
#define TAKEN_MOST_NS (2 * NS_PER_S)

static bool is_cut(const struct mesh_certs *c)
{
    return c->cut != NULL && (c->cut->mask & MESH_IDENTITY) != 0;
}

/* A secret that names files has their folder watched: what is to come over a channel alone needs a
 * folder of its own. */
static bool next_path(struct mesh_certs *c, struct error *err)
{
    int len = c->cut == NULL ? snprintf(c->path, sizeof(c->path), "%s", c->folder)
                             : snprintf(c->path, sizeof(c->path), "%s.%u", c->folder, ++c->version);
    return (len > 0 && (size_t)len < sizeof(c->path)) ||
           error_set(err, ERROR_LIMIT, "the folder's path is longer than the %zu bytes allowed",
                     sizeof(c->path) - 1);
}

static bool write_files(struct mesh_certs *c, const json_t *tls, bool *ret_changed,
                        struct error *err)
{
    struct agent_certs certs;
    *ret_changed = c->cut == NULL || c->last == NULL || !json_equal(c->last, tls);
    if (!*ret_changed)
        return true;
    if (!agent_certs_read(tls, &certs, err) || !next_path(c, err))
        return false;
    const struct cert_files files = {.chain_pem = certs.leaves[CERT_GOOD].chain_pem,
                                     .key_pem = certs.leaves[CERT_GOOD].key_pem,
                                     .bundle_pem = certs.trust_pem};
    if (!cert_files_write(c->path, &files, clock_wall_ns(), ret_changed, err))
        return false;
    if (c->cut != NULL && *c->run != NULL)
        c->driver->identity(*c->run, c->path);
    json_decref(c->last);
    c->last = json_deep_copy(tls);
    return true;
}

bool mesh_certs_open(struct mesh_certs *c, struct agent *agent, const struct mesh_driver *driver,
                     struct mesh_run *const *run, const char *folder, const struct mesh_cut *cut,
                     size_t edge_count, const json_t *tls, struct error *err)
{
    bool changed;
    *c = (struct mesh_certs){.agent = agent,
                             .driver = driver,
                             .run = run,
                             .folder = folder,
                             .cut = cut,
                             .edge_count = edge_count,
                             .withheld = json_array(),
                             .waiting = json_array()};
    INVARIANT(c->waiting != NULL && c->withheld != NULL);
    c->before = check_alloc_zero(edge_count + 1, sizeof(*c->before));
    c->now = check_alloc_zero(edge_count + 1, sizeof(*c->now));
    if (cut != NULL && driver->identity == NULL)
        return error_set(err, ERROR_USAGE, "the driver %s gives no certificates to its mesh",
                         driver->name);
    return write_files(c, tls, &changed, err);
}

static void next(struct mesh_certs *c);

static void tell(struct mesh_certs *c, const json_t *cert, bool taken, const char *how, bool is_so)
{
    agent_send(c->agent, CONTROL_CERT_SET,
               json_pack("{sI sb sb}", "step", (json_int_t)control_number(cert, "step"), "taken",
                         taken, how, is_so));
}

/* The record says so by another word: no leaf and no bundle has changed yet. */
static void withhold(struct mesh_certs *c)
{
    json_t *told = json_copy(c->doing);
    json_object_set_new(told, "what", json_sprintf("withheld %s", control_text(c->doing, "what")));
    agent_certs_record(c->agent, told, c->before_ns, false);
    json_decref(told);
    json_array_append(c->withheld, c->doing);
}

static void finish(struct mesh_certs *c, bool taken)
{
    bool withheld = !taken && is_cut(c);
    if (withheld)
        withhold(c);
    else
        agent_certs_record(c->agent, c->doing, c->before_ns, taken);
    tell(c, c->doing, taken, "withheld", withheld);
    json_decref(c->doing);
    c->doing = NULL;
    mesh_certs_cut_changed(c); /* a cut that ended meanwhile: what it withheld goes first */
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

static void look_at(struct mesh_certs *c, uint64_t at_ns)
{
    loop_hold_remove(c->agent->loop, &c->look);
    loop_hold_add(c->agent->loop, &c->look, at_ns, on_look);
}

/* What was withheld has come with the newest of it, or does not come. */
static void end_late(struct mesh_certs *c, bool taken)
{
    json_t *one;
    size_t i;
    c->letting_in = false;
    json_array_foreach(c->withheld, i, one)
    {
        agent_certs_record(c->agent, one, c->let_in_ns + i, taken); /* in their order */
        tell(c, one, taken, "late", true);
    }
    json_array_clear(c->withheld);
    next(c);
}

static void on_scraped(void *cookie, bool ok)
{
    struct mesh_certs *c = cookie;
    uint64_t now_ns = clock_now_ns();
    struct error err = {0};
    bool changed = true;
    if (c->letting_in && ((ok && all_taken(c)) || now_ns >= c->give_up_ns)) {
        end_late(c, ok && all_taken(c));
        return; /* what waited has counters of its own to read first */
    }
    if (c->letting_in) {
        look_at(c, now_ns + LOOK_NS);
        return;
    }
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
    if (!changed || is_cut(c))
        finish(c, !changed);
    else
        look_at(c, now_ns + LOOK_NS);
}

static void on_look(struct hold *h, uint64_t now_ns)
{
    struct mesh_certs *c = (struct mesh_certs *)((char *)h - offsetof(struct mesh_certs, look));
    (void)now_ns;
    if ((c->doing != NULL || c->letting_in) && *c->run != NULL)
        c->driver->scrape(*c->run, on_value, on_scraped, c);
}

/* The counters first: files that are swapped before they are known cannot be read back. */
static void next(struct mesh_certs *c)
{
    if (c->doing != NULL || c->letting_in || json_array_size(c->waiting) == 0)
        return;
    c->doing = json_incref(json_array_get(c->waiting, 0));
    (void)json_array_remove(c->waiting, 0);
    c->written = false;
    /* In a turn of its own: the driver may still be in the callback that we come from. */
    look_at(c, loop_now_ns(c->agent->loop));
}

void mesh_certs_cut_changed(struct mesh_certs *c)
{
    if (c->agent == NULL || is_cut(c) || c->letting_in || c->doing != NULL ||
        json_array_size(c->withheld) == 0)
        return;
    c->letting_in = true;
    c->written = true; /* the counters are those of after */
    c->let_in_ns = clock_now_ns();
    c->give_up_ns = c->let_in_ns + TAKEN_MOST_NS;
    look_at(c, c->let_in_ns);
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
    c->letting_in = false;
    json_array_clear(c->waiting);
    json_array_clear(c->withheld);
}

void mesh_certs_release(struct mesh_certs *c)
{
    if (c->agent == NULL)
        return;
    mesh_certs_stop(c);
    json_decref(c->waiting);
    json_decref(c->withheld);
    json_decref(c->last);
    free(c->before);
    free(c->now);
}
