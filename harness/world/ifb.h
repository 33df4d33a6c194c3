#ifndef WORLD_IFB_H
#define WORLD_IFB_H

/* The device through which a device's arrivals go when they are to be impaired. Its name says whose
 * they are, so that a later process finds it. */

#include "world/netlink.h"

void ifb_name(const struct netlink_link *of, char to[NETLINK_NAME_BYTES]);
/* Looks for it; a device of that name and another kind is not it. */
bool ifb_look(struct netlink *n, const struct netlink_link *of, bool *ret_there,
              struct netlink_link *ret, struct error *err) WARN_UNUSED;
/* Makes it, up. */
bool ifb_add(struct netlink *n, const struct netlink_link *of, struct netlink_link *ret,
             struct error *err) WARN_UNUSED;
/* Already gone is done. */
bool ifb_delete(struct netlink *n, const struct netlink_link *ifb, struct error *err) WARN_UNUSED;

#endif
