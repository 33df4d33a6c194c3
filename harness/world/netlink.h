#ifndef WORLD_NETLINK_H
#define WORLD_NETLINK_H

/* A route netlink socket bound to one network namespace, with the kernel's own words (extended
 * acks) in its errors. The only user of libnl; messages are made with netlink_msg.h. */

#include "base/error.h"

struct netlink;
/* ${netns_fd}: of /proc/PID/ns/net and the like, borrowed for the call; -1: our own. The socket is
 * made by a short-lived thread that entered the namespace, so that the caller stays where it is. */
bool netlink_open(int netns_fd, struct netlink **ret, struct error *err) WARN_UNUSED;
/* Of a new, empty namespace that lives as long as the socket. */
bool netlink_open_new(struct netlink **ret, struct error *err) WARN_UNUSED;
void netlink_close(struct netlink *n);
/* The inode of the socket's namespace (st_ino of ns/net). */
uint64_t netlink_inode(const struct netlink *n);

#define NETLINK_NAME_BYTES 16
#define NETLINK_KIND_BYTES 16
/* One network device, as far as we ask. */
struct netlink_link {
    unsigned index, mtu, tx_queues;
    char name[NETLINK_NAME_BYTES], kind[NETLINK_KIND_BYTES]; /* kind: "veth", "ifb", or "" */
};
/* No such device: ERROR_SYSTEM, and the sentence names those that are there. */
bool netlink_link_find(struct netlink *n, const char *device, struct netlink_link *ret,
                       struct error *err) WARN_UNUSED;
/* As above, without an error where it is not there: ${ret_there}. */
bool netlink_link_look(struct netlink *n, const char *device, bool *ret_there,
                       struct netlink_link *ret, struct error *err) WARN_UNUSED;

#endif
