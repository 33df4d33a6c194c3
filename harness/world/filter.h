#ifndef WORLD_FILTER_H
#define WORLD_FILTER_H

/* Which packets a netem gets: flower, or u32 where the kernel has no flower. Ours are told by their
 * preference. */

#include "world/netem.h"

#define FILTER_PREF \
    0x6d70u /* IPv4 and everything; IPv6 has the next one: a preference is of one protocol */

struct filter_to {
    uint32_t parent; /* of the qdisc that asks it */
    bool arriving;   /* the peer is the packet's source */
    uint32_t band;   /* the class that it picks; 0: none */
    unsigned device; /* the index of the device that it is sent to; 0: none */
};
/* ${flow} NULL: every packet. */
bool filter_add(struct netlink *n, const struct netlink_link *link, const struct netem_flow *flow,
                const struct filter_to *to, struct error *err) WARN_UNUSED;
/* How many are there: ours, and those of others. */
bool filter_count(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                  size_t *ret_ours, size_t *ret_foreign, struct error *err) WARN_UNUSED;
/* Ours only. */
bool filter_delete(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                   struct error *err) WARN_UNUSED;

#endif
