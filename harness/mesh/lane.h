#ifndef MESH_LANE_H
#define MESH_LANE_H

/* The builtin mesh's upstream connections, each a lane of its own (an http_client that never has
 * more than one call, so never more than one connection): so the model's limits of connections, and
 * of requests on one, hold exactly. */

#include "model/pool.h"
#include "net/http_client.h"

struct lane {
    struct http_client *client;
    struct lane *below, *next; /* of the host's idle stack; of all */
    size_t host;
    uint64_t carried; /* requests on the connection that is open now */
    bool open;
    bool stale; /* to a former address of the host */
};
struct lanes {
    struct loop *loop;
    struct pool_config config;
    struct lane *all;
    struct lane **idle;  /* per host */
    uint64_t *open_host; /* per host */
    uint64_t open;
    size_t hosts;
};

void lanes_init(struct lanes *l, struct loop *loop, const struct pool_config *config, size_t hosts);
/* Ends every call on them without a callback. */
void lanes_release(struct lanes *l);
/* The host has another address: kept connections to it end, those in use after their request. */
void lanes_forget(struct lanes *l, size_t host);
/* The connection used last, or a new one; NULL: the limit is reached, so the request waits. */
struct lane *lane_take(struct lanes *l, size_t host);
/* Whether the connection is kept after the request that goes out on it now. */
bool lane_keeps(const struct lanes *l, const struct lane *lane);
/* Taken for nothing: nothing was sent on it. */
void lane_put_back(struct lanes *l, struct lane *lane);
/* ${kept}: its connection may go on; ${reused}: it was not opened for this request. */
void lane_give(struct lanes *l, struct lane *lane, bool kept, bool reused);

#endif
