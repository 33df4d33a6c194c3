#ifndef STANDALONE_PROXY_STATS_H
#define STANDALONE_PROXY_STATS_H

/* What a named proxy has done, counted from its records as they are emitted
 * (proxy_config.on_record), so that metrics and journal cannot disagree. As JSON it is an object of
 * numbers, which add up over workers. */

#include "net/proxy.h"

#include <jansson.h>

#define PROXY_STATS_OUTCOMES 10
#define PROXY_STATS_STATUS_MOST 600
#define PROXY_STATS_FAULTS_MOST 64 /* kinds of fault */
#define PROXY_STATS_RESULTS 8

struct proxy_stats {
    unsigned holders; /* the named proxy, and each net proxy that still counts into it */
    uint64_t outcome[PROXY_STATS_OUTCOMES], status[PROXY_STATS_STATUS_MOST];
    uint64_t handshake[PROXY_STATS_RESULTS],
        fired[PROXY_STATS_FAULTS_MOST]; /* of faults that are gone */
    uint64_t body_in_bytes, body_out_bytes, held, late_ns;
    uint64_t late[10];           /* by proxy_stats_bound_ns */
    uint64_t connections_closed; /* of clients */
    struct proxy_counts past;    /* of net proxies that are gone */
    uint64_t *total_attempts;    /* of the whole process */
};

struct proxy_stats *proxy_stats_new(uint64_t *total_attempts);
void proxy_stats_hold(struct proxy_stats *s);
void proxy_stats_release(struct proxy_stats *s);
/* proxy_config.on_record; ${cookie} is the stats. */
void proxy_stats_on_record(void *cookie, enum record_kind kind, const void *record);
/* Before ${p} is freed. */
void proxy_stats_add_past(struct proxy_stats *s, const struct proxy *p);
/* Upper bounds of the lateness buckets; 0 after the last. */
uint64_t proxy_stats_bound_ns(size_t bucket);
/* ${p} may be NULL. Faults in force are the caller's to add. */
json_t *proxy_stats_json(const struct proxy_stats *s, const struct proxy *p);
/* Adds what a net proxy that is on its way out has done. */
void proxy_stats_add_live(json_t *to, const struct proxy *p);
/* Adds the numbers of ${from} to ${to}, object by object. */
void proxy_stats_merge(json_t *to, const json_t *from);

#endif
