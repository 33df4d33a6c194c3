#ifndef ENGINE_TURNS_H
#define ENGINE_TURNS_H

/* Whose turn it is among the arms of one scenario (scenario-language.md 1.2 "Arms",
 * harness/adr/0021): one of them sends at a time. A phase that ends by the clock goes in blocks of
 * 10 s, in rounds of one block an arm, each round in an order drawn by the seed; any other phase
 * goes whole, arm after arm. What cannot be cut (a load with `tagged` or `ramp`, which has a
 * beginning and an end) is not. */

#include "engine/walk.h"

struct turns;
/* ERROR_LIMIT: more blocks than a load can be started. ${block_ns} 0: as usual, 10 s. */
bool turns_check(const struct scenario *s, uint64_t block_ns, struct error *err) WARN_UNUSED;
/* ${walks} outlive it, and are told that they take turns. */
struct turns *turns_new(struct loop *loop, struct walk *const *walks, size_t count, uint64_t seed,
                        uint64_t block_ns);
void turns_free(struct turns *t);
/* After any of the walks changed, and when a pause is over: gives the next turn if nobody has one.
 */
void turns_step(struct turns *t);

#endif
