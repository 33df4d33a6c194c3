#include "mesh/defects.h"
#include "mesh/edge.h"
#include "mesh/run.h"

#include "base/text.h"

#include <stdlib.h>

/* The driver `builtin`: a data plane of our own that plays a policy by the models, rightly or with
 * the defects that it is given. It is a control, and a subject for tests; never a proxy for
 * anyone's traffic. */

struct builtin {
    struct mesh_run run; /* first */
    struct loop *loop;
    struct edge **edges;
    size_t edge_count;
    char ***waiting; /* by edge and host: what its channel withholds; NULL: nothing */
    unsigned mask;   /* enum mesh_channel: cut now */
    struct hold ready, seen;
    void (*on_ready)(void *cookie);
    void *cookie;
    void (*on_seen)(void *cookie, bool seen);
    void *seen_cookie;
};

static bool apply_defects(const struct mesh_config *config, struct model_config *model,
                          struct error *err)
{
    for (size_t i = 0; i < config->defect_count; i++) {
        const struct defect *defect = defect_find(config->defects[i]);
        if (defect == NULL)
            return error_set(err, ERROR_USAGE,
                             "there is no defect %s (meshproof defects lists them)",
                             config->defects[i]);
        defect_apply(defect, model);
    }
    return true;
}

static void drop_waiting(struct builtin *b, size_t edge)
{
    for (size_t i = 0; b->waiting[edge] != NULL && i < b->edges[edge]->hosts; i++)
        free(b->waiting[edge][i]);
    free(b->waiting[edge]);
    b->waiting[edge] = NULL;
}

static void builtin_close(struct mesh_run *m)
{
    struct builtin *b = (struct builtin *)(void *)m;
    if (b == NULL)
        return;
    loop_hold_remove(b->loop, &b->ready);
    loop_hold_remove(b->loop, &b->seen);
    for (size_t i = 0; i < b->edge_count; i++) {
        drop_waiting(b, i);
        edge_free(b->edges[i]);
    }
    free(b->waiting);
    free(b->edges);
    free(b);
}

static void on_ready_hold(struct hold *h, uint64_t now_ns)
{
    struct builtin *b = (struct builtin *)(void *)((char *)h - offsetof(struct builtin, ready));
    (void)now_ns;
    b->on_ready(b->cookie);
}

static bool builtin_open(struct loop *loop, const struct mesh_config *config,
                         void (*on_ready)(void *cookie),
                         void (*on_died)(void *cookie, const struct error *why), void *cookie,
                         struct mesh_run **ret, struct error *err)
{
    (void)on_died; /* it lives in this process */
    struct builtin *b = check_alloc_zero(1, sizeof(*b));
    b->run.driver = &mesh_driver_builtin;
    b->loop = loop;
    b->on_ready = on_ready;
    b->cookie = cookie;
    b->edges = check_alloc_zero(config->edge_count + 1, sizeof(*b->edges));
    b->waiting = check_alloc_zero(config->edge_count + 1, sizeof(*b->waiting));
    for (size_t i = 0; i < config->edge_count; i++) {
        struct model_config model = model_config_of(&config->edges[i].policy);
        if (!apply_defects(config, &model, err) ||
            !edge_open(loop, &config->edges[i], &model, config->seed, i, &b->edges[i], err)) {
            builtin_close(&b->run);
            return false;
        }
        b->edges[i]->controlled = config->control_plane;
        b->edge_count++;
    }
    loop_hold_add(loop, &b->ready, loop_now_ns(loop), on_ready_hold);
    *ret = &b->run;
    return true;
}

static const char *builtin_address(const struct mesh_run *m, size_t edge)
{
    const struct builtin *b = (const struct builtin *)(const void *)m;
    INVARIANT(edge < b->edge_count);
    return edge_address(b->edges[edge]);
}

static void builtin_scrape(struct mesh_run *m,
                           void (*on_value)(void *cookie, size_t edge, const char *name,
                                            const char *labels, double value),
                           void (*on_done)(void *cookie, bool ok), void *cookie)
{
    struct builtin *b = (struct builtin *)(void *)m;
    for (size_t i = 0; i < b->edge_count; i++)
        edge_scrape(b->edges[i], on_value, cookie);
    on_done(cookie, true);
}

static void give(struct builtin *b, size_t edge, const char *const *addresses)
{
    for (size_t i = 0; i < b->edges[edge]->hosts; i++)
        edge_set_endpoint(b->edges[edge], i, addresses[i]);
}

static bool builtin_endpoints(struct mesh_run *m, size_t edge, const char *const *addresses,
                              struct error *err)
{
    struct builtin *b = (struct builtin *)(void *)m;
    INVARIANT(edge < b->edge_count);
    (void)err;
    drop_waiting(b, edge);
    if ((b->mask & MESH_CONFIG) == 0) {
        give(b, edge, addresses);
        return true;
    }
    size_t hosts = b->edges[edge]->hosts;
    b->waiting[edge] = check_alloc_zero(hosts + 1, sizeof(**b->waiting));
    for (size_t i = 0; i < hosts; i++)
        b->waiting[edge][i] = check_strdup(addresses[i]);
    return true;
}

static void on_seen_hold(struct hold *h, uint64_t now_ns)
{
    struct builtin *b = (struct builtin *)(void *)((char *)h - offsetof(struct builtin, seen));
    (void)now_ns;
    b->on_seen(b->seen_cookie, true);
}

static void builtin_cut(struct mesh_run *m, unsigned mask, void (*on_seen)(void *cookie, bool seen),
                        void *cookie)
{
    struct builtin *b = (struct builtin *)(void *)m;
    b->mask = mask;
    b->on_seen = on_seen;
    b->seen_cookie = cookie;
    for (size_t i = 0; i < b->edge_count; i++) {
        edge_set_cut(b->edges[i], (mask & MESH_CONFIG) != 0);
        if (b->waiting[i] != NULL && (mask & MESH_CONFIG) == 0) {
            give(b, i, (const char *const *)b->waiting[i]);
            drop_waiting(b, i);
        }
    }
    loop_hold_add(b->loop, &b->seen, loop_now_ns(b->loop), on_seen_hold);
}

const struct mesh_driver mesh_driver_builtin = {
    .name = "builtin",
    .help = "the data plane of meshproof's own, right or with a known defect",
    .open = builtin_open,
    .address = builtin_address,
    .scrape = builtin_scrape,
    .close = builtin_close,
    .cut = builtin_cut,
    .endpoints = builtin_endpoints,
};
