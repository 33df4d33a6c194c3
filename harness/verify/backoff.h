#ifndef VERIFY_BACKOFF_H
#define VERIFY_BACKOFF_H

/* The gaps between tries, for both back-off claims (spec/verifier.md 3.1). */

#include "verify/window.h"

#define BACKOFF_GAPS_MOST 3
/* Envoy's timers tick at 1 ms, and a connection may have to be made (measured: up to 8 ms when
 * shared). */
#define BACKOFF_TOLERANCE_NS UINT64_C(20000000)

/* The bounds of gap ${n} (from 1) by the target's law: Envoy [0, b(2^n - 1)] up to the maximum,
 * Linkerd [b_n, 2 b_n]. */
uint64_t backoff_least_ns(const struct edge_policy *edge, uint32_t n);
uint64_t backoff_most_ns(const struct edge_policy *edge, uint32_t n);
/* The width of gap ${n}'s uniform law: Envoy b, Linkerd b_n. */
uint64_t backoff_width_ns(const struct edge_policy *edge, uint32_t n);
/* The gap after ${x}, when it is evidence: an immediate listed failure, followed by the mesh's next
 * try, both ends clean. */
bool backoff_gap(const struct window *w, const struct try *x, uint64_t *ret_ns);
/* After ${x}, such a failure, a retry may have gone where nobody sees it: its gap is not known. */
bool backoff_unseen(const struct window *w, const struct try *x);

#endif
