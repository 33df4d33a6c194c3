#ifndef VERIFY_WISH_H
#define VERIFY_WISH_H

/* What a suite asks beyond its policy: an `atmost` may only be stricter (scenario-language.md 1.7).
 * A plan's wishes are checked before the run; claims read them from their window. */

#include "verify/window.h"

/* Every expectation of ${s} against the policies of its edges: one that is looser than the policy,
 * or wishes for what no policy governs, is an error with its line. */
bool wishes_check(const struct scenario *s, const struct edge_policy *edges, size_t count,
                  struct error *err) WARN_UNUSED;

/* `expect.timeout: atmost` speaks of tries where `only` is per_try alone, else of requests. 0: no
 * such wish. */
uint64_t wish_of_try_ns(const struct window *w);
uint64_t wish_of_request_ns(const struct window *w);

/* Instances against a wish for their time. Requests of the background and all others apart: a few
 * that are late must not drown in many that nothing delayed. */
struct wish_group {
    uint64_t count, over;
};
struct wish_times {
    uint64_t wish_ns;
    struct wish_group groups[2]; /* [background] */
    struct extent extent;
};
/* True: it is over the wish. */
bool wish_add(struct wish_times *times, const struct request *r, uint64_t took_ns);
/* What ${times} make of a verdict that the policy gave: one that does not FAIL may, and a PASS says
 * what was wished. ${unit}: "requests lasted". */
void wish_decide(const struct window *w, const struct wish_times *times, const char *unit,
                 struct arena *arena, struct verdict *v);

#endif
