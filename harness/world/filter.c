#include "world/filter.h"

#include "world/netlink_msg.h"
#include "world/qdisc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_mirred.h>
#include <netinet/in.h>

#define KEYS_MOST 16

struct ends {
    const uint8_t *source, *target; /* NULL: any */
    uint16_t source_port, target_port;
};

static struct ends ends_of(const struct netem_flow *f, bool arriving)
{
    const uint8_t *local = f->has_local ? f->local : NULL, *peer = f->has_peer ? f->peer : NULL;
    return arriving ? (struct ends){peer, local, f->peer_port, f->local_port}
                    : (struct ends){local, peer, f->local_port, f->peer_port};
}

static uint16_t protocol_of(const struct netem_flow *f)
{
    return f == NULL ? ETH_P_ALL : f->family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
}

static uint32_t pref_of(uint16_t protocol)
{
    return FILTER_PREF + (protocol == ETH_P_IPV6);
}

static struct nl_msg *message(int type, int flags, const struct netlink_link *link, uint32_t parent,
                              uint16_t protocol, const char *kind)
{
    uint32_t info = TC_H_MAKE(pref_of(protocol) << 16, htons(protocol));
    struct nl_msg *m = netlink_tc(type, flags, link->index, parent, 0, info);
    if (kind != NULL)
        netlink_put_text(m, TCA_KIND, kind);
    return m;
}

static void put_redirect(struct nl_msg *m, int type, unsigned device)
{
    struct tc_mirred mirred = {
        .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = device};
    struct nlattr *acts = netlink_nest(m, type), *first = netlink_nest(m, 1);
    netlink_put_text(m, TCA_ACT_KIND, "mirred");
    struct nlattr *options = netlink_nest(m, TCA_ACT_OPTIONS);
    netlink_put(m, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
    netlink_nest_end(m, options);
    netlink_nest_end(m, first);
    netlink_nest_end(m, acts);
}

static void put_address(struct nl_msg *m, int key, const uint8_t *address, size_t size)
{
    static const uint8_t all[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                                    255, 255, 255, 255, 255, 255, 255, 255};
    if (address == NULL)
        return;
    netlink_put(m, key, address, size);
    netlink_put(m, key + 1, all, size); /* the mask's attribute comes next */
}

static void put_flower_keys(struct nl_msg *m, const struct netem_flow *f, bool arriving)
{
    struct ends e = ends_of(f, arriving);
    bool four = f->family == AF_INET, tcp = f->protocol == IPPROTO_TCP;
    size_t size = four ? 4 : 16;
    netlink_put_u16(m, TCA_FLOWER_KEY_ETH_TYPE, htons(protocol_of(f)));
    if (f->protocol != 0)
        netlink_put_u8(m, TCA_FLOWER_KEY_IP_PROTO, f->protocol);
    put_address(m, four ? TCA_FLOWER_KEY_IPV4_SRC : TCA_FLOWER_KEY_IPV6_SRC, e.source, size);
    put_address(m, four ? TCA_FLOWER_KEY_IPV4_DST : TCA_FLOWER_KEY_IPV6_DST, e.target, size);
    if (e.source_port != 0)
        netlink_put_u16(m, tcp ? TCA_FLOWER_KEY_TCP_SRC : TCA_FLOWER_KEY_UDP_SRC,
                        htons(e.source_port));
    if (e.target_port != 0)
        netlink_put_u16(m, tcp ? TCA_FLOWER_KEY_TCP_DST : TCA_FLOWER_KEY_UDP_DST,
                        htons(e.target_port));
}

static bool add_flower(struct netlink *n, const struct netlink_link *link,
                       const struct netem_flow *flow, const struct filter_to *to, const char *doing,
                       struct error *err)
{
    struct nl_msg *m = message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, link, to->parent,
                               protocol_of(flow), "flower");
    struct nlattr *options = netlink_nest(m, TCA_OPTIONS);
    if (to->band != 0)
        netlink_put_u32(m, TCA_FLOWER_CLASSID, to->band);
    if (flow != NULL)
        put_flower_keys(m, flow, to->arriving);
    if (to->device != 0)
        put_redirect(m, TCA_FLOWER_ACT, to->device);
    netlink_nest_end(m, options);
    return netlink_ask(n, m, doing, err);
}

/* u32 compares words at fixed offsets from the IP header: so a packet with IP options, a later
 * fragment, and one with IPv6 extension headers is told from its ports by these keys, or missed. */
struct u32_match {
    uint8_t count;
    struct tc_u32_key keys[KEYS_MOST];
};

static void add_key(struct u32_match *u, int offset, uint32_t mask, uint32_t value)
{
    INVARIANT(u->count < KEYS_MOST);
    u->keys[u->count++] =
        (struct tc_u32_key){.mask = htonl(mask), .val = htonl(value & mask), .off = offset};
}

static void add_address(struct u32_match *u, int offset, const uint8_t *address, size_t size)
{
    for (size_t i = 0; address != NULL && i < size; i += 4) {
        uint32_t word;
        memcpy(&word, address + i, sizeof(word));
        add_key(u, offset + (int)i, UINT32_MAX, ntohl(word));
    }
}

static struct u32_match u32_of(const struct netem_flow *f, bool arriving)
{
    struct u32_match u = {0};
    if (f == NULL) {
        add_key(&u, 0, 0, 0);
        return u;
    }
    struct ends e = ends_of(f, arriving);
    bool four = f->family == AF_INET, ported = e.source_port != 0 || e.target_port != 0;
    add_address(&u, four ? 12 : 8, e.source, four ? 4 : 16);
    add_address(&u, four ? 16 : 24, e.target, four ? 4 : 16);
    if (f->protocol != 0 && four)
        add_key(&u, 8, 0x00ff0000, (uint32_t)f->protocol << 16);
    if (f->protocol != 0 && !four)
        add_key(&u, 4, 0x0000ff00, (uint32_t)f->protocol << 8);
    if (ported && four) {
        add_key(&u, 0, 0x0f000000, 0x05000000);
        add_key(&u, 4, 0x00001fff, 0);
    }
    if (ported)
        add_key(&u, four ? 20 : 40,
                (e.source_port != 0 ? 0xffff0000 : 0) | (e.target_port != 0 ? 0xffffu : 0),
                (uint32_t)e.source_port << 16 | e.target_port);
    if (u.count == 0)
        add_key(&u, 0, 0, 0);
    return u;
}

static bool add_u32(struct netlink *n, const struct netlink_link *link,
                    const struct netem_flow *flow, const struct filter_to *to, const char *doing,
                    struct error *err)
{
    uint8_t sel[sizeof(struct tc_u32_sel) + sizeof(((struct u32_match *)0)->keys)];
    struct u32_match u = u32_of(flow, to->arriving);
    struct nl_msg *m = message(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, link, to->parent,
                               protocol_of(flow), "u32");
    struct nlattr *options = netlink_nest(m, TCA_OPTIONS);
    if (to->band != 0)
        netlink_put_u32(m, TCA_U32_CLASSID, to->band);
    memcpy(sel, &(struct tc_u32_sel){.flags = TC_U32_TERMINAL, .nkeys = u.count},
           sizeof(struct tc_u32_sel));
    memcpy(sel + sizeof(struct tc_u32_sel), u.keys, sizeof(u.keys));
    netlink_put(m, TCA_U32_SEL, sel, sizeof(struct tc_u32_sel) + u.count * sizeof(u.keys[0]));
    if (to->device != 0)
        put_redirect(m, TCA_U32_ACT, to->device);
    netlink_nest_end(m, options);
    return netlink_ask(n, m, doing, err);
}

bool filter_add(struct netlink *n, const struct netlink_link *link, const struct netem_flow *flow,
                const struct filter_to *to, struct error *err)
{
    struct error why = {0};
    char doing[64];
    snprintf(doing, sizeof(doing), "putting a filter on %s", link->name);
    if (add_flower(n, link, flow, to, doing, &why))
        return true;
    if (why.sys != ENOENT) {
        if (err != NULL && err->kind == ERROR_NONE)
            *err = why;
        return false;
    }
    if (add_u32(n, link, flow, to, doing, err))
        return true;
    if (err != NULL && strstr(err->text, "action") != NULL)
        return qdisc_lacks(err, "act_mirred", "netem of what comes in");
    return qdisc_lacks(err, "cls_flower (nor cls_u32)", "netem of a peer");
}

struct counting {
    size_t ours, foreign;
};

static void on_filter(void *cookie, int type, struct bytes payload)
{
    struct counting *c = cookie;
    struct tcmsg tc;
    struct bytes attrs = netlink_behind(payload, sizeof(tc)), value, sel;
    char kind[NETLINK_KIND_BYTES] = "";
    netlink_read(payload, &tc, sizeof(tc));
    if (type != RTM_NEWTFILTER || tc.tcm_handle == 0) /* 0: the head of a list */
        return;
    if (netlink_find(attrs, TCA_KIND, &value))
        netlink_text(value, kind, sizeof(kind));
    /* u32 tells its hash tables too. */
    if (strcmp(kind, "u32") == 0 &&
        !(netlink_find(attrs, TCA_OPTIONS, &value) && netlink_find(value, TCA_U32_SEL, &sel)))
        return;
    uint32_t pref = TC_H_MAJ(tc.tcm_info) >> 16;
    if (pref == FILTER_PREF || pref == FILTER_PREF + 1)
        c->ours++;
    else
        c->foreign++;
}

static void restart(void *cookie)
{
    struct counting *c = cookie;
    c->ours = c->foreign = 0;
}

bool filter_count(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                  size_t *ret_ours, size_t *ret_foreign, struct error *err)
{
    struct counting c = {0};
    if (!netlink_dump(n, netlink_tc(RTM_GETTFILTER, 0, link->index, parent, 0, 0),
                      "listing the filters", on_filter, restart, &c, err))
        return false;
    *ret_ours = c.ours;
    *ret_foreign = c.foreign;
    return true;
}

bool filter_delete(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                   struct error *err)
{
    static const uint32_t prefs[] = {FILTER_PREF, FILTER_PREF + 1};
    char doing[64];
    snprintf(doing, sizeof(doing), "taking our filters off %s", link->name);
    for (size_t i = 0; i < COUNT_OF(prefs); i++) {
        struct error why = {0};
        struct nl_msg *m = netlink_tc(RTM_DELTFILTER, 0, link->index, parent, 0, prefs[i] << 16);
        if (!netlink_ask(n, m, doing, &why) && why.sys != ENOENT && why.sys != EINVAL) {
            if (err != NULL && err->kind == ERROR_NONE)
                *err = why;
            return false;
        }
    }
    return true;
}
