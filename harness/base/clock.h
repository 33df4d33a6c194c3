#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* The only clocks. Every time in the house is uint64_t nanoseconds of CLOCK_MONOTONIC of the
 * process that stamped it (spec/verifier.md 1.1); the wall clock is for people only. */

#include <stdint.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_now_ns(void);
uint64_t clock_wall_ns(void);
/* What the calling thread has computed for: a limit of work, which a busy machine must not shorten.
 */
uint64_t clock_thread_ns(void);

/* Wall time, in seconds, as Kubernetes and RFC 3339 have it, in UTC: "2026-11-26T14:00:00Z", which
 * sorts as text.
 * "" past the years that the C library knows. Returns ${to}. */
#define CLOCK_TEXT_BYTES 40
const char *clock_print_wall(uint64_t wall_s, char to[CLOCK_TEXT_BYTES]);

#endif
