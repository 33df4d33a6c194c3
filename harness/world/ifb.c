#include "world/ifb.h"

#include "world/netem.h"
#include "world/netlink_msg.h"

#include <errno.h>
#include <linux/if.h>
#include <sys/socket.h>

#define KIND "ifb"

void ifb_name(const struct netlink_link *of, char to[NETLINK_NAME_BYTES])
{
    snprintf(to, NETLINK_NAME_BYTES, NETEM_IFB "%u", of->index);
}

bool ifb_look(struct netlink *n, const struct netlink_link *of, bool *ret_there,
              struct netlink_link *ret, struct error *err)
{
    char name[NETLINK_NAME_BYTES];
    struct netlink_link found = {0};
    bool there;
    ifb_name(of, name);
    if (!netlink_link_look(n, name, &there, &found, err))
        return false;
    *ret_there = there && strcmp(found.kind, KIND) == 0;
    *ret = found;
    return true;
}

bool ifb_add(struct netlink *n, const struct netlink_link *of, struct netlink_link *ret,
             struct error *err)
{
    char name[NETLINK_NAME_BYTES], doing[64];
    struct ifinfomsg up = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    struct nl_msg *m = netlink_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof(up));
    ifb_name(of, name);
    snprintf(doing, sizeof(doing), "making the device %s", name);
    netlink_put_text(m, IFLA_IFNAME, name);
    struct nlattr *info = netlink_nest(m, IFLA_LINKINFO);
    netlink_put_text(m, IFLA_INFO_KIND, KIND);
    netlink_nest_end(m, info);
    if (netlink_ask(n, m, doing, err))
        return netlink_link_find(n, name, ret, err);
    if (err != NULL && err->sys == EOPNOTSUPP) {
        *err = (struct error){0};
        error_set(err, ERROR_SYSTEM,
                  "this kernel has no ifb, which netem of what comes in needs: "
                  "modprobe ifb there");
        err->sys = EOPNOTSUPP;
    }
    return false;
}

bool ifb_delete(struct netlink *n, const struct netlink_link *ifb, struct error *err)
{
    struct error why = {0};
    char doing[64];
    struct ifinfomsg which = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifb->index};
    struct nl_msg *m = netlink_msg(RTM_DELLINK, 0, &which, sizeof(which));
    snprintf(doing, sizeof(doing), "taking the device %s away", ifb->name);
    if (netlink_ask(n, m, doing, &why) || why.sys == ENODEV)
        return true;
    if (err != NULL && err->kind == ERROR_NONE)
        *err = why;
    return false;
}
