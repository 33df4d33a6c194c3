#ifndef WORLD_QDISC_H
#define WORLD_QDISC_H

/* The queueing disciplines of a device, as far as netem needs them: made only where the kernel's
 * own default is, deleted only by handle and kind, which the kernel compares. */

#include "world/netem.h"

#define QDISC_BAND 4 /* of the prio: the first three are pfifo_fast's, this one is netem's */

/* What a device has at its root and at its ingress, and our netem below a prio of ours. */
struct qdisc_view {
    struct netem_half to, ingress; /* ingress: kind and handle only */
};
bool qdisc_look(struct netlink *n, const struct netlink_link *link, struct qdisc_view *ret,
                struct error *err) WARN_UNUSED;
/* ${parent}: TC_H_ROOT or our band. The kernel refuses where something is that is not its default.
 */
bool qdisc_add_netem(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                     uint32_t handle, const struct netem *what, struct error *err) WARN_UNUSED;
bool qdisc_add_prio(struct netlink *n, const struct netlink_link *link,
                    struct error *err) WARN_UNUSED;
bool qdisc_add_ingress(struct netlink *n, const struct netlink_link *link,
                       struct error *err) WARN_UNUSED;
/* Compare and set: the kernel deletes it only where ${handle} and ${kind} are those. Already gone
 * is done. */
bool qdisc_delete(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                  uint32_t handle, const char *kind, struct error *err) WARN_UNUSED;
/* An error of the kernel's into a sentence that names the module it lacks; ENOENT without a module
 * is left as it is. */
bool qdisc_lacks(struct error *err, const char *module, const char *what);

#endif
