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
    struct hold ready;
    void (*on_ready)(void *cookie);
    void *cookie;
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

static void builtin_close(struct mesh_run *m)
{
    struct builtin *b = (struct builtin *)(void *)m;
    if (b == NULL)
        return;
    loop_hold_remove(b->loop, &b->ready);
    for (size_t i = 0; i < b->edge_count; i++)
        edge_free(b->edges[i]);
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
    for (size_t i = 0; i < config->edge_count; i++) {
        struct model_config model = model_config_of(&config->edges[i].policy);
        if (!apply_defects(config, &model, err) ||
            !edge_open(loop, &config->edges[i], &model, config->seed, i, &b->edges[i], err)) {
            builtin_close(&b->run);
            return false;
        }
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
    return http_server_address(b->edges[edge]->front);
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

const struct mesh_driver mesh_driver_builtin = {
    .name = "builtin",
    .help = "the data plane of meshproof's own, right or with a known defect",
    .open = builtin_open,
    .address = builtin_address,
    .scrape = builtin_scrape,
    .close = builtin_close,
};
