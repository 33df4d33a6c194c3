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

#endif
