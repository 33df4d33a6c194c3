#ifndef VERIFY_TRACK_H
#define VERIFY_TRACK_H

/* All that one arm of a scenario did to one service: its requests and their tries with absolute
 * stamps, tied, indexed and classed by the target's own rule (spec/verifier.md 1.3, 1.4, 2). Built
 * once, read by every window. It knows no claim and no phase. */

#include "verify/claim.h"
#include "verify/meaning.h"

#define TRACK_NONE UINT32_MAX
/* So late may a connection be read with no stall told: one that broke counts for a request in
 * flight from so long before its accept (spec/verifier.md 1.4 b). */
#define TRACK_LATE_NS (15 * NS_PER_MS)

struct span {
    uint64_t from_ns, to_ns;
};
struct spans {
    struct span *at; /* sorted, disjoint */
    size_t count;
};

/* What a try was to the detector of consecutive failures (2.1). None of them: neutral. */
enum {
    RULE_FAILS = 1,   /* it may have counted as a failure */
    RULE_FAILED = 2,  /* it certainly did */
    RULE_CLEARS = 4,  /* it may have ended a run of failures */
    RULE_CLEARED = 8, /* it certainly did */
};

/* Stamps are absolute; 0: it did not happen. */
struct
try {
    const struct attempt_record *r;
    uint64_t head_ns, out_ns, left_ns;
    uint64_t lo_ns;         /* the earliest moment the mesh could know the outcome */
    uint64_t seen_ns;       /* the first proof that it has; UINT64_MAX: none */
    uint32_t request, next; /* next: the next try of the same request; TRACK_NONE */
    uint32_t position;      /* in its host's list; TRACK_NONE: no host of the service's */
    uint16_t place;         /* order in its request, from 1 */
    uint8_t rule[2];        /* [0]: all failures, [1]: gateway errors only */
    bool late_read;     /* read after the mesh had given it up, or out of order: counts, but times
                           nothing */
    bool taken;         /* the client certainly got that very answer */
    bool well;          /* we answered it whole, in time and without an error */
    bool is_connection; /* a connection that failed before any request: a pick and a failure, no try
                         */
    bool after_silence; /* the first pick of its host after a silence */
    bool after_gap;     /* it follows a gap in which the host may have been out, unseen */
};

struct request {
    const struct request_record *r;
    uint64_t start_ns, sent_ns, head_ns, done_ns;
    uint32_t first, last; /* tries; TRACK_NONE */
    uint16_t seen;        /* tries seen */
    uint16_t n_mesh;      /* the mesh's own count, at most; 0: it gives none */
    uint16_t refused;     /* failed connections that can only be this request's */
    bool background;      /* untagged, one try, no fault fired, answered well */
    bool clear;           /* and none of our loops stood still at either end of it */
};

/* A host without picks while the others had them (2.3). */
struct silence {
    uint32_t host;
    uint64_t begin_ns, end_ns; /* head of the last pick before, and of the first after */
    uint32_t before, after;    /* tries; after TRACK_NONE: it never ended */
    uint64_t picks;            /* untainted picks elsewhere */
};

/* Of the tries of a host up to one: the latest moment at which any of them ended, and where what
 * came before stopped to matter. Runs of failures are looked for backwards as far as these say. */
struct track_past {
    uint64_t lo_ns, seen_ns;          /* the most of each */
    uint32_t silence, silence_or_gap; /* position of the last; 0: none */
};

struct track_host {
    uint32_t *tries; /* by head */
    struct track_past *past;
    uint32_t count;
    double share;   /* assumed in the baseline */
    uint64_t least; /* m: picks elsewhere that make a silence */
};

/* A counter of the mesh that has a meaning, as a scrape read it. */
struct track_counter {
    const struct metric_record *r;
    uint64_t proxy; /* who scraped, and its name */
    enum meaning meaning;
};

struct track {
    const struct journal *journal;
    const char *arm, *service;
    enum flavour flavour;
    uint64_t from_ns, to_ns;
    struct try *tries; /* by head */
    uint32_t try_count;
    struct request *requests; /* by start */
    uint32_t request_count;
    struct track_host *hosts; /* [endpoint - 1] */
    uint32_t host_count;
    uint32_t *calm_before; /* [i]: untainted picks before try i; one more than tries */
    /* [2 i + gateway]: track_smin and track_smax of try i plus 1; 0: not asked yet. */
    uint16_t *smin, *smax;
    uint32_t *faulted; /* tries at which a fault fired or was withheld, in order */
    uint32_t faulted_count;
    uint64_t *done_before;    /* [i]: when all requests before i were done; UINT64_MAX: never */
    uint64_t *hidden_before;  /* [i]: tries that never reached us of the requests before i */
    struct spans stalls;      /* the stall guard alone, widened */
    struct spans lags;        /* our loops stood still for more than 250 ms at once, as they were */
    struct spans gaps;        /* other arms had their turn, and this one sent nothing */
    struct spans taint;       /* all reasons, widened */
    struct spans raw;         /* all reasons, as they were */
    struct silence *silences; /* by begin */
    size_t silence_count;
    uint64_t unseen_ns; /* a gap so long may be an ejection that too few picks elsewhere show;
                           UINT64_MAX: never */
    uint64_t try_timeout_ns, request_timeout_ns;
    uint32_t retries;
    bool is_raw;                    /* raw TCP: a connection is a request's only try */
    bool same_clock;                /* times of client and endpoints may be subtracted */
    bool same_endpoint_clock;       /* those of two endpoints of the service may be */
    struct attempt_record *made;    /* stand-ins of failed connections */
    struct attempt_record *refused; /* of raw TCP: of connects that were refused */
    /* Of the whole arm: a proxy carries what goes to other services too. */
    struct track_counter *counters; /* by proxy, then by time */
    size_t counter_count;
    const struct metric_record **gauges; /* of hosts that are out, of this service; as journalled */
    size_t gauge_count;
};

struct track_options {
    const char *arm, *service;
    enum flavour flavour;
    uint32_t endpoints;                          /* 0: as many as were seen */
    uint32_t retries;                            /* that the policy allows */
    uint64_t unseen_ns;                          /* 0: no gap is an ejection */
    uint64_t try_timeout_ns, request_timeout_ns; /* of the mesh; 0: none */
    bool limited;                                /* the mesh may refuse a connection by itself */
    struct span span;                            /* the scenario's */
    struct span baseline;
};
struct track *track_new(const struct journal *j, const struct track_options *options);
void track_free(struct track *t);

bool spans_hold(const struct spans *s, uint64_t t_ns);
/* Where the span that holds ${t} begins; ${t} itself: none does. */
uint64_t spans_begin(const struct spans *s, uint64_t t_ns);
/* Nanoseconds of [from, to) that are in ${s}. */
uint64_t spans_within(const struct spans *s, uint64_t from_ns, uint64_t to_ns);
/* When an arm that takes turns with others had none, up to ${to_ns}; nothing is sent then. The
 * caller frees ${ret->at}. */
void track_turns(const struct journal *j, const char *arm, uint64_t to_ns, struct spans *ret);
/* Nanoseconds of [from, to) in which the arm had its turn: all of them where it stands alone. */
uint64_t track_active_ns(const struct track *t, uint64_t from_ns, uint64_t to_ns);
/* Sorts and merges in place. */
void spans_merge(struct spans *s);

/* The request, or the end of the try before, came not before ${t_ns}, so the mesh chose the host
 * for ${x} later. False: it may have been under way, or nobody knows. Needs same_clock. */
bool track_sent_after(const struct track *t, const struct try *x, uint64_t t_ns);
/* The pick at ${position} follows a gap in which the host may have been out, unseen. */
bool track_may_have_been_out(const struct track *t, uint32_t host, uint32_t position);
/* The middle one of ${count} > 0 values, which are put in another order. */
uint64_t track_median(uint64_t *values, size_t count);
/* Failures up to the one at ${position} of the host's list that could have been, and that certainly
 * were, consecutive (2.1). */
uint64_t track_smax(const struct track *t, uint32_t host, uint32_t position, bool gateway);
uint64_t track_smin(const struct track *t, uint32_t host, uint32_t position, bool gateway);
/* smax of the tries that reached us alone, and since when they count. */
uint64_t track_smax_seen(const struct track *t, uint32_t host, uint32_t position, bool gateway,
                         uint64_t *ret_since_ns);
/* Tries that never reached us, of requests in flight in [from, to]: each may have been any host's
 * failure (1.4). */
uint64_t track_hidden(const struct track *t, uint64_t from_ns, uint64_t to_ns);
/* Tries [from, to) of the host's list. */
uint32_t track_host_tries(const struct track *t, uint32_t host, uint32_t from, uint32_t to);
/* The first try (index) with head >= ${t_ns}. */
uint32_t track_try_at(const struct track *t, uint64_t t_ns);
uint32_t track_request_at(const struct track *t, uint64_t t_ns);
/* Untainted picks in [from, to). */
uint64_t track_picks(const struct track *t, uint64_t from_ns, uint64_t to_ns);
/* No host went silent or came back in the 1.25 s before, and the time was clean. */
bool track_quiet(const struct track *t, uint64_t t_ns);

/* Parts of track_new, apart for size. */
struct track_key {
    uint64_t t_ns;
    uint32_t k, at; /* k: order at equal times; at: the caller's */
};
void track_sort(struct track_key *keys, size_t count);
/* Raw TCP: stand-ins of the connects that a closed listener refused, with the ids of their
 * requests, as tries that are connections (track_raw.c). */
void track_add_refused(struct track *t);
bool track_is_refused(const struct try *x);
/* RULE_* bits of a try on raw TCP, where connects are all that counts. */
uint8_t track_rule_of_raw(const struct try *x);
void track_class(struct track *t);
void track_count_hidden(struct track *t);
void track_find_gaps(struct track *t);
void track_find_past(struct track *t);
void track_find_metrics(struct track *t);
void track_find_stalls(struct track *t);
void track_find_clear(struct track *t);
void track_find_taint(struct track *t);
void track_find_silences(struct track *t, struct span baseline);

#endif
