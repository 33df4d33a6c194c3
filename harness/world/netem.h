#ifndef WORLD_NETEM_H
#define WORLD_NETEM_H

/* Kernel impairment of a device: a netem of our own making under our own handle, on all packets or
 * on chosen flows, on what leaves the device (to the peer) and on what comes in (from it). Messages
 * are libnl core's: nanoseconds, no tc, no psched. Everything is read back after it was set, a
 * foreign qdisc is refused, and clearing takes away only what carries our handle.
 *
 * What the device had: a root qdisc with handle 0 is the kernel's own default (noqueue, pfifo_fast,
 * fq_codel, mq ...), which comes back by itself when ours goes; all others have been put there by
 * somebody, and are left alone. */

#include "world/netlink.h"

#include <jansson.h>

#define NETEM_HANDLE 0x6d700000u /* "mp": the root, netem itself or the prio above it */
#define NETEM_BELOW 0x6d710000u  /* the netem below that prio */
#define NETEM_IFB "mpifb"        /* and the index of the device whose arrivals it takes */

enum netem_direction { NETEM_TO, NETEM_FROM, NETEM_BOTH };
enum netem_distribution {
    NETEM_UNIFORM,
    NETEM_NORMAL,
    NETEM_PARETO,
    NETEM_PARETONORMAL,
};
enum netem_losses { NETEM_LOSS_RANDOM, NETEM_LOSS_GEMODEL, NETEM_LOSS_STATE };

/* Shares are parts per million. 0: not impaired so. */
struct netem {
    uint64_t delay_ns, jitter_ns;
    uint32_t delay_corr_ppm;
    enum netem_distribution distribution; /* the kernel keeps it, but does not tell it */
    enum netem_losses losses;
    uint32_t loss_ppm;           /* NETEM_LOSS_RANDOM */
    uint32_t ge_p_ppm, ge_r_ppm; /* into the bad state, out of it */
    uint32_t ge_h_ppm, ge_k_ppm; /* passed in the bad, lost in the good state */
    uint32_t p13_ppm, p31_ppm, p32_ppm, p23_ppm, p14_ppm; /* NETEM_LOSS_STATE, tc-netem(8)'s */
    uint32_t duplicate_ppm, corrupt_ppm, reorder_ppm, gap;
    uint64_t rate_bytes_per_s, slot_min_ns, slot_max_ns;
    uint32_t limit_packets; /* 0: computed */
    bool ecn, has_seed;
    uint64_t seed; /* a kernel before 6.6 has none: netem_seen.seeded */
};

#define NETEM_FLOWS_MOST 64
struct netem_flow {
    uint8_t family; /* AF_INET, AF_INET6 */
    uint8_t local[16], peer[16];
    bool has_local, has_peer;
    uint16_t local_port, peer_port; /* 0: any */
    uint8_t protocol;               /* IPPROTO_TCP, IPPROTO_UDP; 0: any, then without ports */
};
struct netem_scope {
    bool device; /* all packets; else those of the flows */
    struct netem_flow flows[NETEM_FLOWS_MOST];
    size_t flow_count;
};

struct netem_counts {
    uint64_t packets, bytes, drops; /* drops: lost by netem, and those beyond its limit */
    uint32_t queued;
};
struct netem_stats {
    struct netem_counts to, from;
};

/* One direction of a device. */
struct netem_half {
    char kind[NETLINK_KIND_BYTES]; /* of the root (or ingress) qdisc; "": there is none */
    uint32_t handle;               /* 0: the kernel's default */
    bool ours, scoped;
    size_t flows;
    bool has_netem;
    struct netem netem;
    bool seeded; /* the kernel has seeds: the same seed gives the same losses */
    struct netem_counts counts;
};
struct netem_seen {
    struct netlink_link link;
    struct netem_half to, from;
    bool has_ifb;
    struct netlink_link ifb;
};

enum netem_cleared {
    NETEM_CLEARED,   /* taken away now, and read back so */
    NETEM_WAS_CLEAR, /* nothing of ours was there */
    NETEM_FOREIGN,   /* something that is not ours is in its place: left alone */
};

/* Whether the values fit each other and the kernel's ranges: one sentence, ERROR_INPUT. */
bool netem_check(const struct netem *n, const struct netem_scope *s, struct error *err) WARN_UNUSED;
/* ${n} with what was left out: its limit, and the least of its slot. */
struct netem netem_resolve(const struct netem *n);
/* "delay=40ms loss=3%": as `netem add` takes it. */
const char *netem_print(const struct netem *n, char *to, size_t size);
/* The first field in which what the kernel kept (${b}) differs from what was asked (${a}), or NULL.
 * A seed counts only where the kernel has seeds (${seeded}). */
const char *netem_differs(const struct netem *a, const struct netem *b, bool seeded);

/* Sets it all in a new network namespace, on its loopback device: the sentence names the module
 * that this kernel lacks. Where no namespace may be made (no CAP_SYS_ADMIN) nothing is tried:
 * netem_apply changes nothing when it fails. */
bool netem_preflight(const struct netem *want, const struct netem_scope *scope,
                     enum netem_direction direction, struct error *err) WARN_UNUSED;
/* Sets, reads back and compares. On failure nothing is changed. ERROR_SYSTEM: no such device, a
 * foreign qdisc, one of ours already there, no privilege, a module that lacks. */
bool netem_apply(struct netlink *n, const char *device, const struct netem *what,
                 const struct netem_scope *scope, enum netem_direction direction,
                 struct error *err) WARN_UNUSED;
/* Compare and set: takes away what has our handle, both ways. False: it could not. */
bool netem_clear(struct netlink *n, const char *device, enum netem_cleared *ret,
                 struct error *err) WARN_UNUSED;
bool netem_look(struct netlink *n, const char *device, struct netem_seen *ret,
                struct error *err) WARN_UNUSED;
bool netem_stats(struct netlink *n, const char *device, struct netem_stats *ret,
                 struct error *err) WARN_UNUSED;

#endif
