#ifndef WORLD_NETNS_H
#define WORLD_NETNS_H

/* Network namespaces held by descriptors, never named: one is gone when its last process and its
 * last descriptor are gone, SIGKILL included. */

#include "base/error.h"

struct netns;
/* A new one; its loopback device is up. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN: ERROR_SYSTEM with a
 * sentence that says so. */
bool netns_make(struct netns **ret, struct error *err) WARN_UNUSED;
/* The same, with a bridge: what others are joined to. */
bool netns_make_hub(struct netns **ret, struct error *err) WARN_UNUSED;
/* For setns in a child between fork and exec; ours, and CLOEXEC. */
int netns_fd(const struct netns *n);
uint64_t netns_inode(const struct netns *n); /* st_ino of ns/net */
/* A veth pair: ${device} in ${n}, the other end a port of the hub's bridge. ${addresses} are IPv4,
 * all on one link with those of everyone joined; the first is what ${n} calls from. Both ends are
 * up. */
#define NETNS_PREFIX_LEN 8
bool netns_join(const struct netns *hub, const struct netns *n, const char *device,
                const char *const *addresses, size_t count, struct error *err) WARN_UNUSED;
void netns_release(struct netns *n); /* NULL is fine */

#endif
