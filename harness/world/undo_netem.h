#ifndef WORLD_UNDO_NETEM_H
#define WORLD_UNDO_NETEM_H

/* The note of a netem on a device of a network namespace (netem.h). Undone by handle: a qdisc that
 * is not ours any more is left alone. */

#include "world/netlink.h"
#include "world/process.h"
#include "world/undo.h"

/* ${n}: a socket in the device's namespace. ${holder}: a process that lives there; NULL: it is our
 * own. When the holder has died, the namespace is looked for among all processes, and among our own
 * descriptors. NULL, with ${err}: there is no such device. */
json_t *undo_netem_note(struct netlink *n, const char *device, const struct process *holder,
                        struct error *err) WARN_UNUSED;
extern const struct undo_type undo_netem;

#endif
