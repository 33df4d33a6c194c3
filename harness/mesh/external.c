#include "mesh/run.h"
#include "mesh/scrape.h"

#include <stdlib.h>

/* The driver `external`: somebody else's mesh is already there. Nothing is started; its addresses
 * are those that the lab was given, and its proxies' counters are read where the lab says. */

struct external {
    struct mesh_run run; /* first */
    struct loop *loop;
    const struct mesh_config *config;
    struct scraper *scraper;
    struct hold ready;
    void (*on_ready)(void *cookie);
    void *cookie;
};

static void on_ready_hold(struct hold *h, uint64_t now_ns)
{
    struct external *e = (struct external *)(void *)((char *)h - offsetof(struct external, ready));
    (void)now_ns;
    e->on_ready(e->cookie);
}

static void external_close(struct mesh_run *m)
{
    struct external *e = (struct external *)(void *)m;
    if (e == NULL)
        return;
    loop_hold_remove(e->loop, &e->ready);
    scraper_free(e->scraper);
    free(e);
}

static bool external_open(struct loop *loop, const struct mesh_config *config,
                          void (*on_ready)(void *cookie),
                          void (*on_died)(void *cookie, const struct error *why), void *cookie,
                          struct mesh_run **ret, struct error *err)
{
    (void)on_died; /* whoever started it looks after it */
    if (config->defect_count > 0)
        return error_set(err, ERROR_USAGE, "defects are the builtin mesh's");
    struct external *e = check_alloc_zero(1, sizeof(*e));
    e->run.driver = &mesh_driver_external;
    e->loop = loop;
    e->config = config;
    e->on_ready = on_ready;
    e->cookie = cookie;
    if (!scraper_new(loop, config, &e->scraper, err)) {
        external_close(&e->run);
        return false;
    }
    loop_hold_add(loop, &e->ready, loop_now_ns(loop), on_ready_hold);
    *ret = &e->run;
    return true;
}

static const char *external_address(const struct mesh_run *m, size_t edge)
{
    const struct external *e = (const struct external *)(const void *)m;
    INVARIANT(edge < e->config->edge_count);
    return e->config->edges[edge].listen;
}

static void external_scrape(struct mesh_run *m,
                            void (*on_value)(void *cookie, size_t edge, const char *name,
                                             const char *labels, double value),
                            void (*on_done)(void *cookie, bool ok), void *cookie)
{
    scraper_ask(((struct external *)(void *)m)->scraper, on_value, on_done, cookie);
}

static const char *external_proxy(const struct mesh_run *m)
{
    return scraper_proxy(((const struct external *)(const void *)m)->scraper);
}

const struct mesh_driver mesh_driver_external = {
    .name = "external",
    .help = "somebody else's mesh, whose addresses are given",
    .open = external_open,
    .address = external_address,
    .scrape = external_scrape,
    .close = external_close,
    .proxy = external_proxy,
};
