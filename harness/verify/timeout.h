#ifndef VERIFY_TIMEOUT_H
#define VERIFY_TIMEOUT_H

/* The lives of tries that the mesh cut, and what is too early or too late for a timer
 * (spec/verifier.md 3.2). */

#include "base/clock.h"
#include "verify/window.h"

/* T must outlast a try's P by so much, else T may be what cut it. */
#define TIMEOUT_LEFT_OVER_NS (50 * NS_PER_MS)

/* P and T; 0: none. */
uint64_t timeout_try_ns(const struct edge_policy *edge);
uint64_t timeout_request_ns(const struct edge_policy *edge);
/* When T began: Envoy's at the end of the request, Linkerd's at its head. */
uint64_t timeout_begun_ns(const struct edge_policy *edge, const struct request *r);
/* Envoy itself fires up to 4.5 ms early (measured); never use a tolerance of 1 ms. */
uint64_t timeout_try_early_ns(uint64_t p_ns);
uint64_t timeout_try_late_ns(uint64_t p_ns);
uint64_t timeout_request_early_ns(uint64_t t_ns);
uint64_t timeout_request_late_ns(uint64_t t_ns);

/* How long a held try lived, when that is evidence: the whole timer could not have cut it first,
 * and both ends are clean. A hold that we released is one that lived at least so long: ${ret_open}.
 */
bool timeout_life(const struct window *w, const struct request *r, const struct try *x,
                  uint64_t *ret_life_ns, bool *ret_open);

/* The request's own time was up, or nearly, when its last try ${x} ended: that may be what cut it,
 * for the request may have waited long before this try. By the client's clock alone. */
bool timeout_may_be_whole(const struct window *w, const struct request *r, const struct try *x);

struct lives {
    struct extent extent;
    uint64_t count, early, late;
    struct late_ends *late_ends; /* of the late ones; NULL: nobody asks */
    uint64_t *each;              /* room for the first ${room} of them; NULL: nobody asks */
    size_t room;
};
/* Lives of all tries from the ${least}th of each request on. */
void timeout_lives(const struct window *w, uint32_t least, struct lives *ret, struct verdict *v);

#endif
