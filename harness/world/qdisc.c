#include "world/qdisc.h"

#include "world/netem_codec.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>

bool qdisc_lacks(struct error *err, const char *module, const char *what)
{
    if (err == NULL || err->sys != ENOENT)
        return false;
    struct error said = *err;
    *err = (struct error){0};
    error_set(err, ERROR_SYSTEM,
              "this kernel has no %s, which %s needs: modprobe %.*s there (%.110s)", module, what,
              (int)strcspn(module, " "), module, said.text);
    err->sys = ENOENT;
    return false;
}

static void read_counts(struct bytes attrs, struct netem_counts *to)
{
    struct bytes stats, value;
    struct gnet_stats_basic basic;
    struct gnet_stats_queue queue;
    if (!netlink_find(attrs, TCA_STATS2, &stats))
        return;
    if (netlink_find(stats, TCA_STATS_BASIC, &value)) {
        netlink_read(value, &basic, sizeof(basic));
        to->bytes = basic.bytes;
        to->packets = basic.packets;
    }
    if (netlink_find(stats, TCA_STATS_PKT64, &value))
        to->packets = netlink_u64(value);
    if (netlink_find(stats, TCA_STATS_QUEUE, &value)) {
        netlink_read(value, &queue, sizeof(queue));
        to->drops = queue.drops;
        to->queued = queue.qlen;
    }
}

static void read_netem(struct bytes attrs, struct netem_half *to)
{
    struct bytes options;
    if (netlink_find(attrs, TCA_OPTIONS, &options))
        to->has_netem = netem_decode(options, &to->netem, &to->seeded);
    read_counts(attrs, &to->counts);
}

struct looking {
    unsigned index;
    struct qdisc_view *view;
};

static void on_qdisc(void *cookie, int type, struct bytes payload)
{
    struct looking *l = cookie;
    struct tcmsg tc;
    struct bytes attrs = netlink_behind(payload, sizeof(tc)), value;
    char kind[NETLINK_KIND_BYTES] = "";
    netlink_read(payload, &tc, sizeof(tc));
    if (type != RTM_NEWQDISC || (unsigned)tc.tcm_ifindex != l->index)
        return;
    if (netlink_find(attrs, TCA_KIND, &value))
        netlink_text(value, kind, sizeof(kind));
    bool is_netem = strcmp(kind, "netem") == 0;
    struct netem_half *half = tc.tcm_parent == TC_H_INGRESS ? &l->view->ingress : &l->view->to;
    if (tc.tcm_parent == TC_H_ROOT || tc.tcm_parent == TC_H_INGRESS) {
        memcpy(half->kind, kind, sizeof(kind));
        half->handle = tc.tcm_handle;
    }
    if (tc.tcm_parent == TC_H_ROOT) {
        half->scoped = strcmp(kind, "prio") == 0;
        half->ours = tc.tcm_handle == NETEM_HANDLE && (is_netem || half->scoped);
    }
    if (is_netem && (tc.tcm_handle == NETEM_HANDLE || tc.tcm_handle == NETEM_BELOW))
        read_netem(attrs, half);
}

static void restart(void *cookie)
{
    struct looking *l = cookie;
    *l->view = (struct qdisc_view){0};
}

bool qdisc_look(struct netlink *n, const struct netlink_link *link, struct qdisc_view *ret,
                struct error *err)
{
    struct qdisc_view view = {0};
    struct looking l = {link->index, &view};
    if (!netlink_dump(n, netlink_tc(RTM_GETQDISC, 0, link->index, 0, 0, 0),
                      "listing the queueing disciplines", on_qdisc, restart, &l, err))
        return false;
    view.to.scoped = view.to.scoped && view.to.ours;
    *ret = view;
    return true;
}

#define MAKE (NLM_F_CREATE | NLM_F_EXCL)

bool qdisc_add_netem(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                     uint32_t handle, const struct netem *what, struct error *err)
{
    char doing[64];
    struct nl_msg *m = netlink_tc(RTM_NEWQDISC, MAKE, link->index, parent, handle, 0);
    snprintf(doing, sizeof(doing), "putting netem on %s", link->name);
    netem_encode(m, what);
    return netlink_ask(n, m, doing, err) || qdisc_lacks(err, "sch_netem", "netem");
}

bool qdisc_add_prio(struct netlink *n, const struct netlink_link *link, struct error *err)
{
    /* What the first three bands take is pfifo_fast's choice: traffic out of scope sees no change.
     */
    static const struct tc_prio_qopt bands = {
        .bands = QDISC_BAND, .priomap = {1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}};
    char doing[64];
    struct nl_msg *m = netlink_tc(RTM_NEWQDISC, MAKE, link->index, TC_H_ROOT, NETEM_HANDLE, 0);
    snprintf(doing, sizeof(doing), "putting prio on %s", link->name);
    netlink_put_text(m, TCA_KIND, "prio");
    netlink_put(m, TCA_OPTIONS, &bands, sizeof(bands));
    return netlink_ask(n, m, doing, err) || qdisc_lacks(err, "sch_prio", "netem of a peer");
}

bool qdisc_add_ingress(struct netlink *n, const struct netlink_link *link, struct error *err)
{
    char doing[64];
    struct nl_msg *m =
        netlink_tc(RTM_NEWQDISC, MAKE, link->index, TC_H_INGRESS, TC_H_MAKE(TC_H_INGRESS, 0), 0);
    snprintf(doing, sizeof(doing), "putting an ingress on %s", link->name);
    netlink_put_text(m, TCA_KIND, "ingress");
    return netlink_ask(n, m, doing, err) ||
           qdisc_lacks(err, "sch_ingress", "netem of what comes in");
}

bool qdisc_delete(struct netlink *n, const struct netlink_link *link, uint32_t parent,
                  uint32_t handle, const char *kind, struct error *err)
{
    struct error why = {0};
    char doing[64];
    struct nl_msg *m = netlink_tc(RTM_DELQDISC, 0, link->index, parent, handle, 0);
    snprintf(doing, sizeof(doing), "taking %s off %s", kind, link->name);
    netlink_put_text(m, TCA_KIND, kind);
    if (netlink_ask(n, m, doing, &why))
        return true;
    /* ENOENT: only the kernel's own is there. ENODEV: the device is gone, and its qdiscs with it.
     */
    if (why.sys == ENOENT || why.sys == ENODEV)
        return true;
    if (err != NULL && err->kind == ERROR_NONE)
        *err = why;
    return false;
}
