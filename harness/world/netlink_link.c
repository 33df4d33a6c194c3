#include "world/netlink_msg.h"

#include <sys/socket.h>

struct search {
    const char *device;
    bool there;
    struct netlink_link *found;
    char names[128]; /* of the others, for the error */
};

static void read_link(struct bytes payload, struct netlink_link *ret)
{
    struct ifinfomsg info;
    struct bytes attrs = netlink_behind(payload, sizeof(info)), value, kind;
    memset(ret, 0, sizeof(*ret));
    netlink_read(payload, &info, sizeof(info));
    ret->index = (unsigned)info.ifi_index;
    if (netlink_find(attrs, IFLA_IFNAME, &value))
        netlink_text(value, ret->name, sizeof(ret->name));
    if (netlink_find(attrs, IFLA_MTU, &value))
        ret->mtu = netlink_u32(value);
    if (netlink_find(attrs, IFLA_NUM_TX_QUEUES, &value))
        ret->tx_queues = netlink_u32(value);
    if (netlink_find(attrs, IFLA_LINKINFO, &value) && netlink_find(value, IFLA_INFO_KIND, &kind))
        netlink_text(kind, ret->kind, sizeof(ret->kind));
}

static void on_message(void *cookie, int type, struct bytes payload)
{
    struct search *s = cookie;
    struct netlink_link link;
    if (type != RTM_NEWLINK)
        return;
    read_link(payload, &link);
    size_t used = strlen(s->names);
    snprintf(s->names + used, sizeof(s->names) - used, "%s%s", used == 0 ? "" : ", ", link.name);
    if (s->device == NULL || strcmp(s->device, link.name) != 0)
        return;
    s->there = true;
    *s->found = link;
}

static void restart(void *cookie)
{
    struct search *s = cookie;
    s->there = false;
    s->names[0] = '\0';
}

static bool look(struct netlink *n, struct search *s, struct error *err)
{
    struct ifinfomsg all = {.ifi_family = AF_UNSPEC};
    return netlink_dump(n, netlink_msg(RTM_GETLINK, 0, &all, sizeof(all)), "listing the devices",
                        on_message, restart, s, err);
}

bool netlink_link_look(struct netlink *n, const char *device, bool *ret_there,
                       struct netlink_link *ret, struct error *err)
{
    struct netlink_link found;
    struct search s = {.device = device, .found = &found};
    if (!look(n, &s, err))
        return false;
    *ret_there = s.there;
    if (s.there)
        *ret = found;
    return true;
}

bool netlink_link_find(struct netlink *n, const char *device, struct netlink_link *ret,
                       struct error *err)
{
    struct netlink_link found;
    struct search s = {.device = device, .found = &found};
    if (!look(n, &s, err))
        return false;
    if (!s.there)
        return error_set(err, ERROR_SYSTEM,
                         "there is no device %.16s in that network namespace; there is %s", device,
                         s.names);
    *ret = found;
    return true;
}
