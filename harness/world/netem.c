#include "world/netem.h"

#include "base/rng.h"
#include "world/filter.h"
#include "world/ifb.h"
#include "world/netem_codec.h"
#include "world/qdisc.h"

#include <errno.h>
#include <linux/pkt_sched.h>

#define INGRESS 0xffff0000u
#define BAND (NETEM_HANDLE | QDISC_BAND)

/* --- Looking --- */

static bool look_from(struct netlink *n, struct netem_seen *seen, struct error *err)
{
    struct qdisc_view on_ifb;
    size_t foreign;
    if (!ifb_look(n, &seen->link, &seen->has_ifb, &seen->ifb, err))
        return false;
    if (!seen->has_ifb)
        return true;
    if (!qdisc_look(n, &seen->ifb, &on_ifb, err))
        return false;
    struct netem_half was = seen->from;
    seen->from = on_ifb.to;
    memcpy(seen->from.kind, was.kind, sizeof(was.kind));
    seen->from.handle = was.handle;
    seen->from.ours = true; /* the device of that name is */
    seen->from.scoped = false;
    if (was.kind[0] == '\0')
        return true;
    if (!filter_count(n, &seen->link, INGRESS, &seen->from.flows, &foreign, err))
        return false;
    return true;
}

bool netem_look(struct netlink *n, const char *device, struct netem_seen *ret, struct error *err)
{
    struct netem_seen seen = {0};
    struct qdisc_view view;
    size_t foreign;
    if (!netlink_link_find(n, device, &seen.link, err) || !qdisc_look(n, &seen.link, &view, err))
        return false;
    seen.to = view.to;
    seen.from = view.ingress;
    if (seen.to.ours && seen.to.scoped &&
        !filter_count(n, &seen.link, NETEM_HANDLE, &seen.to.flows, &foreign, err))
        return false;
    if (!look_from(n, &seen, err))
        return false;
    *ret = seen;
    return true;
}

bool netem_stats(struct netlink *n, const char *device, struct netem_stats *ret, struct error *err)
{
    struct netem_seen seen;
    if (!netem_look(n, device, &seen, err))
        return false;
    *ret = (struct netem_stats){seen.to.counts, seen.from.counts};
    return true;
}

/* --- Setting --- */

static bool kept_as_asked(struct netlink *n, const struct netlink_link *link,
                          const struct netem *asked, struct error *err)
{
    struct qdisc_view view;
    if (!qdisc_look(n, link, &view, err))
        return false;
    if (!view.to.ours || !view.to.has_netem)
        return error_set(err, ERROR_SYSTEM, "netem on %s: it was set, and is not there",
                         link->name);
    const char *field = netem_differs(asked, &view.to.netem, view.to.seeded);
    if (field != NULL)
        return error_set(err, ERROR_SYSTEM,
                         "netem on %s: the kernel kept another %s than was asked", link->name,
                         field);
    return true;
}

static bool add_flows(struct netlink *n, const struct netlink_link *link,
                      const struct netem_scope *scope, const struct filter_to *to,
                      struct error *err)
{
    size_t wanted = scope->device ? 1 : scope->flow_count, ours, foreign;
    bool ok = true;
    for (size_t i = 0; i < wanted && ok; i++)
        ok = filter_add(n, link, scope->device ? NULL : &scope->flows[i], to, err);
    if (!ok || !filter_count(n, link, to->parent, &ours, &foreign, err))
        return false;
    return ours == wanted ||
           error_set(err, ERROR_SYSTEM, "netem on %s: %zu filters were set, and %zu are there",
                     link->name, wanted, ours);
}

/* Undoes what ${err} came after; the first cause stays, with its errno. */
static bool back(struct netlink *n, const struct netlink_link *link, struct error *err)
{
    enum netem_cleared cleared;
    struct error other = {0};
    if (!netem_clear(n, link->name, &cleared, &other) && err != NULL)
        snprintf(err->text + strlen(err->text), sizeof(err->text) - strlen(err->text),
                 "; and it could not be undone");
    return false;
}

static bool set_to(struct netlink *n, const struct netlink_link *link, const struct netem *what,
                   const struct netem_scope *scope, struct error *err)
{
    const struct filter_to to = {.parent = NETEM_HANDLE, .band = BAND};
    if (scope->device)
        return qdisc_add_netem(n, link, TC_H_ROOT, NETEM_HANDLE, what, err) &&
               kept_as_asked(n, link, what, err);
    return qdisc_add_prio(n, link, err) && qdisc_add_netem(n, link, BAND, NETEM_BELOW, what, err) &&
           kept_as_asked(n, link, what, err) && add_flows(n, link, scope, &to, err);
}

/* The ifb first: what finds it knows that the ingress is ours. */
static bool set_from(struct netlink *n, const struct netlink_link *link, const struct netem *what,
                     const struct netem_scope *scope, struct error *err)
{
    struct netlink_link ifb;
    struct filter_to to = {.parent = INGRESS, .arriving = true};
    if (!ifb_add(n, link, &ifb, err))
        return false;
    to.device = ifb.index;
    return qdisc_add_netem(n, &ifb, TC_H_ROOT, NETEM_HANDLE, what, err) &&
           kept_as_asked(n, &ifb, what, err) && qdisc_add_ingress(n, link, err) &&
           add_flows(n, link, scope, &to, err);
}

static bool is_free(const struct netem_seen *seen, enum netem_direction direction,
                    struct error *err)
{
    const char *device = seen->link.name;
    char shown[160];
    if (seen->to.ours || seen->has_ifb)
        return error_set(
            err, ERROR_SYSTEM,
            "%s has a netem of ours already (%s), and takes one at a time: "
            "meshproof netem clear %s",
            device,
            netem_print(seen->to.ours ? &seen->to.netem : &seen->from.netem, shown, sizeof(shown)),
            device);
    if (direction != NETEM_FROM && seen->to.handle != 0)
        return error_set(err, ERROR_SYSTEM,
                         "%s has a root qdisc that is not ours (%s %x:), which we leave alone: "
                         "tc qdisc del dev %s root",
                         device, seen->to.kind, TC_H_MAJ(seen->to.handle) >> 16, device);
    if (direction != NETEM_TO && seen->from.kind[0] != '\0')
        return error_set(err, ERROR_SYSTEM,
                         "%s has an ingress qdisc that is not ours (%s), which we leave alone: "
                         "tc qdisc del dev %s %s",
                         device, seen->from.kind, device, seen->from.kind);
    return true;
}

bool netem_apply(struct netlink *n, const char *device, const struct netem *what,
                 const struct netem_scope *scope, enum netem_direction direction, struct error *err)
{
    struct netem_seen seen;
    struct error own = {0};
    if (err == NULL)
        err = &own; /* which module lacks is read from it */
    if (!netem_check(what, scope, err) || !netem_look(n, device, &seen, err) ||
        !is_free(&seen, direction, err))
        return false;
    struct netem to = netem_resolve(what), from = to;
    from.seed = rng_mix(to.seed); /* the two ways lose apart */
    if (direction != NETEM_FROM && !set_to(n, &seen.link, &to, scope, err))
        return back(n, &seen.link, err);
    if (direction != NETEM_TO && !set_from(n, &seen.link, &from, scope, err))
        return back(n, &seen.link, err);
    return true;
}

bool netem_preflight(const struct netem *want, const struct netem_scope *scope,
                     enum netem_direction direction, struct error *err)
{
    struct netlink *n;
    struct error why = {0};
    if (!netem_check(want, scope, err))
        return false;
    if (!netlink_open_new(&n, &why)) {
        if (why.sys == EPERM)
            return true;
        if (err != NULL && err->kind == ERROR_NONE)
            *err = why;
        return false;
    }
    bool ok = netem_apply(n, "lo", want, scope, direction, err);
    netlink_close(n);
    return ok;
}

/* --- Clearing --- */

static bool clear_from(struct netlink *n, const struct netem_seen *seen, bool *ret_foreign,
                       struct error *err)
{
    size_t ours = 0, foreign = 0;
    bool is_ingress = strcmp(seen->from.kind, "ingress") == 0;
    if (seen->from.kind[0] != '\0' && !filter_count(n, &seen->link, INGRESS, &ours, &foreign, err))
        return false;
    *ret_foreign = seen->from.kind[0] != '\0' && (!is_ingress || foreign > 0);
    if (*ret_foreign && ours > 0 && !filter_delete(n, &seen->link, INGRESS, err))
        return false;
    if (is_ingress && foreign == 0 &&
        !qdisc_delete(n, &seen->link, TC_H_INGRESS, INGRESS, "ingress", err))
        return false;
    return ifb_delete(n, &seen->ifb, err);
}

/* What is there now must have nothing of ours. */
static bool is_clear(struct netlink *n, const char *device, struct error *err)
{
    struct netem_seen seen;
    if (!netem_look(n, device, &seen, err))
        return false;
    return (!seen.to.ours && !seen.has_ifb) ||
           error_set(err, ERROR_SYSTEM, "netem on %s was taken away, and is still there", device);
}

bool netem_clear(struct netlink *n, const char *device, enum netem_cleared *ret, struct error *err)
{
    struct netem_seen seen;
    bool foreign_in = false, foreign_out;
    if (!netem_look(n, device, &seen, err))
        return false;
    bool had = seen.to.ours || seen.has_ifb;
    foreign_out = !seen.to.ours && seen.to.handle != 0;
    if (seen.to.ours && !qdisc_delete(n, &seen.link, TC_H_ROOT, NETEM_HANDLE, seen.to.kind, err))
        return false;
    if (seen.has_ifb && !clear_from(n, &seen, &foreign_in, err))
        return false;
    if (had && !is_clear(n, device, err))
        return false;
    *ret = foreign_in || (!had && foreign_out) ? NETEM_FOREIGN
           : had                               ? NETEM_CLEARED
                                               : NETEM_WAS_CLEAR;
    return true;
}
