#ifndef VERIFY_FLIGHT_H
#define VERIFY_FLIGHT_H

/* What was under way on one edge, as the claims of limits count it (spec/verifier.md 3.4): requests
 * at the client, tries at the endpoints, requests that waited. Each list is cut so that a count of
 * it errs towards the mesh: see the functions. The limits are those of one client proxy, so only
 * the asked edge's own requests and tries are in them. */

#include "verify/intervals.h"
#include "verify/window.h"

struct flight {
    const struct window *w;
    /* [start, done] at the client, `of` the request: at least as long as the mesh had it. A request
     * that the client gave up lives on for a second, for the mesh may have noticed late. */
    struct intervals requests;
    /* [head, answer], `of` the try: no longer than the mesh had it out. */
    struct intervals tries;
    /* `of` the request: it certainly waited for a connection, from 15 ms after the mesh was seen at
     * work since it was sent, to 15 ms before it was seen at an endpoint. */
    struct intervals waiting;
    uint64_t workers; /* of the client proxy */
    bool workers_known;
    uint64_t proxies; /* addresses from which tries came: at most so many client proxies */
};

/* False: ${v} says why nothing of this kind can be counted here. */
bool flight_init(struct flight *f, const struct window *w, struct verdict *v,
                 struct arena *arena) WARN_UNUSED;
void flight_release(struct flight *f);

/* A request that a breaker refused: the mesh's own answer says so (A8), with the tries before. */
bool flight_is_drop(const struct request *r);
/* The most that were in flight at any moment of a request's life, itself included: an upper bound.
 */
uint64_t flight_most(const struct flight *f, const struct request *r);
/* The most that can have waited for a connection at any moment of it: an upper bound. */
uint64_t flight_waiting_most(const struct flight *f, const struct request *r);
/* Could a limit of requests, or one of the queue, explain the drop of ${r}? */
bool flight_requests_explain(const struct flight *f, const struct request *r);
bool flight_pending_explains(const struct flight *f, const struct request *r);
/* When the mesh took or refused a retry: no sooner than it knew the try before, no later than the
 * head of ${x}. False: ${x} is no retry of this edge, or was not tied. */
bool flight_retry(const struct flight *f, const struct try *x, struct span *ret);
/* The asked edge's: a try's request. NULL: not tied, or another edge's. */
const struct request *flight_of(const struct flight *f, const struct try *x);

#endif
