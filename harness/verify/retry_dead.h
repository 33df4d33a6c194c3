#ifndef VERIFY_RETRY_DEAD_H
#define VERIFY_RETRY_DEAD_H

/* Endpoints that a phase takes down, so that no try reaches us there (spec/verifier.md 1.4, 3.1):
 * refused, killed, reset at accept. */

#include "verify/window.h"

/* What requests meet there, "refuse" or "accept", where the policy retries it and every request can
 * still find a live endpoint; NULL: else. */
const char *retry_dead_cause(const struct edge_policy *edge, const struct window *w);
/* How often at most the last retry ends there again, though each avoids where its request has been:
 * of the draws that it has, none may come out elsewhere. ${busy}: the live ones may hold requests,
 * which a balancer that counts those takes for a reason to spare them. */
double retry_dead_chance(const struct edge_policy *edge, const struct window *w, bool busy);
/* Whether a try of ${r} may have ended there, unseen: by a step of the phase or of the whole
 * scenario, by one that another phase carries on, or, where it outlives its phase, by any. */
bool retry_dead_any(const struct window *w, const struct request *r);
/* Looks that up, once for the window (window_cut). */
void retry_dead_find(struct window *w);
/* When the last phase before the window's that took an endpoint down was over; 0: none did. (What a
 * phase carries on is retry_dead_any's.) */
uint64_t retry_dead_before(const struct window *w);

#endif
