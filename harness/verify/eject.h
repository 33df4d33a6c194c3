#ifndef VERIFY_EJECT_H
#define VERIFY_EJECT_H

/* What all ejection claims share (spec/verifier.md 3.3): the rule's numbers, and where a run of
 * failures could have, and certainly had, reached the threshold before a silence. */

#include "base/clock.h"
#include "verify/window.h"

/* A change of who is out is certainly seen so long after the update that may wait (merge_ns):
 * measured. */
#define EJECT_GRACE_NS (400 * NS_PER_MS)

/* So much earlier than its time is still right. */
#define EJECT_SHORT_NS (20 * NS_PER_MS)
/* So much later than its time, and the next sweep, an endpoint may be seen back. */
#define EJECT_LONG_NS (100 * NS_PER_MS)
/* Base and interval up to which a generated plan shows two ejections, not one (eject.length). */
#define EJECT_BRIEF_NS (10 * NS_PER_S)
/* So many sweeps that found it in, and no ejection before counts any more. */
#define EJECT_FORGET_SWEEPS 8

struct ejector {
    uint64_t
        c[2]; /* failures in a row: [0] of any kind, [1] gateway errors; 0: that detector is off */
    bool split;     /* tries without an answer are nothing to those two, ... */
    uint64_t local; /* ... and so many of them in a row eject; 0: none do, or not split */
    uint64_t interval_ns, base_ns, max_ns;
    uint64_t merge_ns; /* host updates wait so long after another one */
    uint32_t cap;
};

bool ejector_init(struct ejector *e, const struct edge_policy *edge, uint32_t endpoints);
/* The smaller of the thresholds that are on, of failures that an endpoint answered. */
uint64_t ejector_least(const struct ejector *e);
/* The smallest of all: fewer failures of whatever kind eject nobody. 0: none is on. */
uint64_t ejector_lowest(const struct ejector *e);
/* min(B k, max(300 s, B)). */
uint64_t ejector_length_ns(const struct ejector *e, uint64_t k);
static inline bool eject_is_brief(const struct ejector *e)
{
    return e->base_ns + e->interval_ns <= EJECT_BRIEF_NS;
}

/* Could (certainly: did) some detector reach its threshold at ${position} of the host's list? */
bool eject_could(const struct track *t, const struct ejector *e, uint32_t host, uint32_t position);
bool eject_must(const struct track *t, const struct ejector *e, uint32_t host, uint32_t position);
/* track_smin of what the detector counts: with split errors a try without an answer is neutral. */
uint64_t eject_smin(const struct track *t, const struct ejector *e, uint32_t host,
                    uint32_t position, bool gateway);
/* The first failure of the run before the silence at which it could (must) have tripped: its
 * position, TRACK_NONE. */
uint32_t eject_first(const struct track *t, const struct ejector *e, const struct silence *s,
                     bool must);

/* The earliest moment before the silence at which the host could have been ejected, by what the
 * mesh could have seen within the merge window (and tainted time) before; false: at none. */
bool eject_could_before(const struct track *t, const struct ejector *e, const struct silence *s,
                        uint64_t *ret_ns);

/* The same, by the tries that reached us alone. */
bool eject_shown_before(const struct track *t, const struct ejector *e, const struct silence *s);

/* After the failure at ${position} of the host's list, which certainly filled the count in a quiet
 * and clean moment, its next try came before the shortest ejection was over, yet later than chance
 * explains: out for ${ret_out_ns} only. */
bool eject_brief(const struct track *t, const struct ejector *e, const struct span *span,
                 uint32_t host, uint32_t position, uint64_t *ret_out_ns);

/* track_quiet, and no host may have come back or gone out unseen just before. */
bool eject_quiet(const struct track *t, const struct ejector *e, uint64_t t_ns);

/* The mesh certainly chose the host for it after ${t_ns}: a try that waited for a connection, or
 * was long on its way, arrives when the host is out; a connection may be opened for any request
 * that waits. Across clocks, of raw TCP, and without a request, its arrival is all there is. */
bool eject_sent_after(const struct track *t, const struct try *x, uint64_t t_ns);
/* ${s} is one of ${t}. What ended the silence before ${s} may have been sent before that began: the
 * two may be one. */
bool eject_continues(const struct track *t, const struct silence *s);

/* The position of the host's first try after ${t_ns}; its count of tries: none. */
uint32_t eject_position_after(const struct track *t, uint32_t host, uint64_t t_ns);
/* Something else than ejection explains the silence: its listener was down, or a full breaker
 * dropped what was to go there. */
bool eject_explained(const struct window *w, const struct silence *s);
/* Silences that have begun or ended in ${span}. */
bool eject_touches(const struct silence *s, const struct span *span);
/* What a silence was as an ejection, measured from the failure that tripped it. */
struct outing {
    uint64_t must_ns; /* it had certainly tripped by then */
    uint64_t least_ns,
        most_ns; /* it lasted: from the first failure that certainly, that could have tripped it */
    uint64_t k_least,
        k_most; /* how many ejections the host may have behind it, this one included */
    uint64_t short_ns, long_ns; /* the bounds */
    bool ended;
    bool again; /* it may have gone out again before it was seen back: two ejections in one */
};
/* Of the silence ${index} of the window's track. False: it was none, or nothing certain shows when
 * it began. */
bool eject_outing(const struct window *w, const struct ejector *e, size_t index,
                  struct outing *ret);
/* Hosts other than ${host} that were silent at that time. */
uint32_t eject_out(const struct track *t, uint32_t host, uint64_t t_ns);
/* It was silent so soon after that it may have been out by then, and an update that waits for
 * another hid it. */
bool eject_out_soon(const struct track *t, const struct ejector *e, uint32_t host, uint64_t t_ns);
/* It failed so often just before that time that it could have been put out, and nobody seen it yet:
 * a change leaks for the merge window. */
bool eject_could_be_out(const struct track *t, const struct ejector *e, uint32_t host,
                        uint64_t t_ns);
/* It may have been out at that time: silent, in a gap that may be an ejection, or it failed so
 * often just before that it could have been. */
bool eject_may_be_out(const struct track *t, const struct ejector *e, uint32_t host, uint64_t t_ns);
/* Hosts other than ${host} that may have been: their places under the cap are not certainly free.
 */
uint32_t eject_out_most(const struct track *t, const struct ejector *e, uint32_t host,
                        uint64_t t_ns);
/* How long the cluster took for the m picks before the host came back: it may have been free so
 * long. */
uint64_t eject_wait_ns(const struct track *t, const struct silence *s);
/* Another host's health may have changed in [from, to]: it went silent or came back, a gap began or
 * ended in which it may have been out, or its listener was down. */
bool eject_changed(const struct window *w, const struct ejector *e, uint32_t host, uint64_t from_ns,
                   uint64_t to_ns);
/* So it may in the two merge windows before. Two: an update within the window of another one waits
 * for as long again (ADR 0036; Envoy's ClusterManagerImpl::scheduleUpdate). */
bool eject_merged(const struct window *w, const struct ejector *e, uint32_t host, uint64_t t_ns);
/* With so many hosts out that too few are healthy, the mesh sends to all of them: who is out does
 * not show then. When that was, by the mesh's own gauge and up to the scrapes around; all the time,
 * where the policy lets it come so far and nobody read the gauge. */
struct panics {
    struct spans spans;
    bool blind;
};
void panics_init(struct panics *p, const struct edge_policy *edge, const struct ejector *e,
                 const struct window *w);
void panics_release(struct panics *p);
bool panics_hide(const struct panics *p, uint64_t t_ns);
/* One may have ended there, or within the merge window before: a host that was out all the time
 * falls silent then. */
bool panics_ended(const struct panics *p, const struct ejector *e, uint64_t t_ns);
/* "payments/2". */
const char *eject_name(const struct window *w, uint32_t host, struct arena *arena);
/* Envoy's detector with something to eject is declared. */
bool eject_applies(const struct edge_policy *edge);

#endif
