#include "mesh/lane.h"

#include <stdlib.h>

void lanes_init(struct lanes *l, struct loop *loop, const struct pool_config *config, size_t hosts)
{
    *l = (struct lanes){.loop = loop, .config = *config, .hosts = hosts};
    l->idle = check_alloc_zero(hosts + 1, sizeof(*l->idle));
    l->open_host = check_alloc_zero(hosts + 1, sizeof(*l->open_host));
}

void lanes_release(struct lanes *l)
{
    for (struct lane *lane = l->all, *next; lane != NULL; lane = next) {
        next = lane->next;
        http_client_free(lane->client);
        free(lane);
    }
    free(l->idle);
    free(l->open_host);
    *l = (struct lanes){0};
}

static void set_open(struct lanes *l, struct lane *lane, bool open)
{
    if (lane->open == open)
        return;
    lane->open = open;
    if (open) {
        l->open++;
        l->open_host[lane->host]++;
    } else {
        l->open--;
        l->open_host[lane->host]--;
        lane->carried = 0;
    }
}

struct lane *lane_take(struct lanes *l, size_t host)
{
    struct lane *lane = l->idle[host];
    bool may = lane != NULL && lane->open;
    if (!may && !pool_may_open(&l->config, l->open, l->open_host[host]))
        return NULL;
    if (lane != NULL) {
        l->idle[host] = lane->below;
    } else {
        struct error err = {0};
        lane = check_alloc_zero(1, sizeof(*lane));
        INVARIANT(http_client_new(l->loop, 1, &lane->client, &err));
        lane->host = host;
        lane->next = l->all;
        l->all = lane;
    }
    set_open(l, lane, true);
    return lane;
}

static void renew(struct lanes *l, struct lane *lane)
{
    struct error err = {0};
    http_client_free(lane->client);
    INVARIANT(http_client_new(l->loop, 1, &lane->client, &err));
    set_open(l, lane, false);
    lane->stale = false;
}

void lanes_forget(struct lanes *l, size_t host)
{
    for (struct lane *lane = l->all; lane != NULL; lane = lane->next)
        lane->stale = lane->stale || lane->host == host;
    for (struct lane *lane = l->idle[host]; lane != NULL; lane = lane->below)
        renew(l, lane);
}

bool lane_keeps(const struct lanes *l, const struct lane *lane)
{
    return !lane->stale && !pool_is_last(&l->config, lane->carried + 1);
}

/* Open lanes lie above closed ones, so that the top of the stack is open when any is. */
static void push(struct lanes *l, struct lane *lane)
{
    struct lane **at = &l->idle[lane->host];
    while (!lane->open && *at != NULL && (*at)->open)
        at = &(*at)->below;
    lane->below = *at;
    *at = lane;
}

void lane_put_back(struct lanes *l, struct lane *lane)
{
    set_open(l, lane, lane->carried > 0);
    push(l, lane);
}

void lane_give(struct lanes *l, struct lane *lane, bool kept, bool reused)
{
    bool keeps = kept && lane_keeps(l, lane);
    lane->carried = reused ? lane->carried + 1 : 1;
    set_open(l, lane, keeps);
    push(l, lane);
}
