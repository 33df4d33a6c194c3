#ifndef STANDALONE_PROXY_HOST_H
#define STANDALONE_PROXY_HOST_H

/* One process that serves proxies: its loop, its recorder with the tick that empties it, its set.
 * The program itself, or one of its workers. */

#include "standalone/proxy_set.h"

struct proxy_host_config {
    uint64_t seed, drain_ns;
    unsigned workers;
    int recorder_fd; /* of proxy_scribe; -1: no records */
    const struct proxy_set_remote *remote;
    const struct hook_engine *hooks; /* NULL: fault.hook is refused */
};
struct proxy_host {
    struct loop *loop;
    struct recorder *recorder;
    int recorder_fd;
    struct proxy_set *set;
    struct hold tick;
    bool scribe_gone; /* records reach nobody: the loop was stopped */
};

bool proxy_host_open(struct proxy_host *h, const struct proxy_host_config *config,
                     struct error *err) WARN_UNUSED;
/* Ends what is left, and hands the last records over. False: not all of them could be. */
bool proxy_host_close(struct proxy_host *h, struct error *err);

#endif
