#include "world/netns.h"

#include "world/netlink_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/veth.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BRIDGE "hub"
#define PORTS "port%d" /* the kernel counts */
#define LOOPBACK "lo"
#define ORPHAN_RETRIES "3"

struct netns {
    int fd;
    uint64_t inode;
};

struct birth {
    int fd, sys;
};

/* A socket that was closed with bytes under way keeps its namespace until they are acknowledged, or
 * given up: for minutes, when the other side went with its namespace. Here after about three
 * seconds. Where it cannot be written (/proc/sys read-only) the namespace only goes later. */
static void hurry_orphans(void)
{
    int fd = open("/proc/sys/net/ipv4/tcp_orphan_retries", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, ORPHAN_RETRIES, strlen(ORPHAN_RETRIES));
    (void)n;
    close(fd);
}

/* A thread of its own: who makes a namespace is in it afterwards. */
static void *unshare_and_open(void *cookie)
{
    struct birth *b = cookie;
    bool made = unshare(CLONE_NEWNET) == 0;
    if (made)
        hurry_orphans();
    b->fd = made ? open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
    b->sys = b->fd < 0 ? errno : 0;
    return NULL;
}

static bool birth_fail(int sys, struct error *err)
{
    if (sys != EPERM)
        return error_system(err, sys, "making a network namespace");
    error_set(
        err, ERROR_SYSTEM,
        "making a network namespace needs CAP_SYS_ADMIN and CAP_NET_ADMIN, which this process "
        "has not");
    if (err != NULL)
        err->sys = EPERM;
    return false;
}

static bool set_up(struct netlink *n, const char *device, struct error *err)
{
    struct netlink_link link;
    char doing[64];
    if (!netlink_link_find(n, device, &link, err))
        return false;
    struct ifinfomsg up = {.ifi_family = AF_UNSPEC,
                           .ifi_index = (int)link.index,
                           .ifi_flags = IFF_UP,
                           .ifi_change = IFF_UP};
    snprintf(doing, sizeof(doing), "setting the device %.16s up", device);
    return netlink_ask(n, netlink_msg(RTM_NEWLINK, 0, &up, sizeof(up)), doing, err);
}

static bool add_bridge(struct netlink *n, struct error *err)
{
    struct ifinfomsg up = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct nl_msg *m = netlink_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
    netlink_put_text(m, IFLA_IFNAME, BRIDGE);
    struct nlattr *info = netlink_nest(m, IFLA_LINKINFO);
    netlink_put_text(m, IFLA_INFO_KIND, "bridge");
    netlink_nest_end(m, info);
    if (netlink_ask(n, m, "making a bridge", err))
        return true;
    if (err != NULL && err->sys == EOPNOTSUPP) {
        *err = (struct error){0};
        error_set(err, ERROR_SYSTEM,
                  "this kernel has no bridge, which the lab in network namespaces needs: modprobe "
                  "bridge there");
        err->sys = EOPNOTSUPP;
    }
    return false;
}

static bool make(bool hub, struct netns **ret, struct error *err)
{
    pthread_t thread;
    struct birth b = {.fd = -1};
    struct stat st;
    struct netlink *link;
    int sys = pthread_create(&thread, NULL, unshare_and_open, &b);
    if (sys != 0)
        return error_system(err, sys, "starting a thread");
    INVARIANT(pthread_join(thread, NULL) == 0);
    if (b.fd < 0)
        return birth_fail(b.sys, err);
    struct netns *n = check_alloc_zero(1, sizeof(*n));
    n->fd = b.fd;
    n->inode = fstat(n->fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
    bool ok = netlink_open(n->fd, &link, err);
    if (ok) {
        ok = set_up(link, LOOPBACK, err) && (!hub || add_bridge(link, err));
        netlink_close(link);
    }
    if (ok)
        *ret = n;
    else
        netns_release(n);
    return ok;
}

bool netns_make(struct netns **ret, struct error *err)
{
    return make(false, ret, err);
}

bool netns_make_hub(struct netns **ret, struct error *err)
{
    return make(true, ret, err);
}

int netns_fd(const struct netns *n)
{
    return n->fd;
}

uint64_t netns_inode(const struct netns *n)
{
    return n->inode;
}

void netns_release(struct netns *n)
{
    if (n == NULL)
        return;
    close(n->fd);
    free(n);
}

/* Made in the hub, its far end born in ${n}: no name can be taken there by chance. */
static bool add_pair(struct netlink *hub, const struct netns *n, const char *device,
                     struct error *err)
{
    struct netlink_link bridge;
    struct ifinfomsg up = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP},
                     peer = {.ifi_family = AF_UNSPEC};
    if (!netlink_link_find(hub, BRIDGE, &bridge, err))
        return false;
    struct nl_msg *m = netlink_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
    netlink_put_text(m, IFLA_IFNAME, PORTS);
    netlink_put_u32(m, IFLA_MASTER, bridge.index);
    struct nlattr *info = netlink_nest(m, IFLA_LINKINFO);
    netlink_put_text(m, IFLA_INFO_KIND, "veth");
    struct nlattr *data = netlink_nest(m, IFLA_INFO_DATA);
    struct nlattr *far = netlink_nest(m, VETH_INFO_PEER);
    netlink_append(m, &peer, sizeof(peer));
    netlink_put_text(m, IFLA_IFNAME, device);
    netlink_put_u32(m, IFLA_NET_NS_FD, (uint32_t)n->fd);
    netlink_nest_end(m, far);
    netlink_nest_end(m, data);
    netlink_nest_end(m, info);
    return netlink_ask(hub, m, "making a veth pair", err);
}

static bool add_address(struct netlink *n, const struct netlink_link *link, const char *address,
                        struct error *err)
{
    struct in_addr in;
    char doing[80];
    struct ifaddrmsg fixed = {
        .ifa_family = AF_INET, .ifa_prefixlen = NETNS_PREFIX_LEN, .ifa_index = link->index};
    if (inet_pton(AF_INET, address, &in) != 1)
        return error_set(err, ERROR_USAGE, "\"%.40s\" is no IPv4 address", address);
    snprintf(doing, sizeof(doing), "giving %.16s the address %.40s", link->name, address);
    struct nl_msg *m = netlink_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof(fixed));
    netlink_put(m, IFA_LOCAL, &in, sizeof(in));
    netlink_put(m, IFA_ADDRESS, &in, sizeof(in));
    return netlink_ask(n, m, doing, err);
}

static bool configure(struct netlink *n, const char *device, const char *const *addresses,
                      size_t count, struct error *err)
{
    struct netlink_link link;
    if (!set_up(n, device, err) || !netlink_link_find(n, device, &link, err))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add_address(n, &link, addresses[i], err))
            return false;
    return true;
}

bool netns_join(const struct netns *hub, const struct netns *n, const char *device,
                const char *const *addresses, size_t count, struct error *err)
{
    struct netlink *link;
    if (!netlink_open(hub->fd, &link, err))
        return false;
    bool ok = add_pair(link, n, device, err);
    netlink_close(link);
    if (!ok || !netlink_open(n->fd, &link, err))
        return false;
    ok = configure(link, device, addresses, count, err);
    netlink_close(link);
    return ok;
}
