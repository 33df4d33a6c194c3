#ifndef NET_TRIES_H
#define NET_TRIES_H

/* How many tries of each request this process has seen: `k` of the attempt record. A fixed table
 * with first-in-first-out eviction, made at once, so that a busy proxy never stops to rehash. */

#include "base/bytes.h"

#define TRIES_MOST ((uint32_t)262144)

struct tries;

/* ${most}: entries, a power of two. */
struct tries *tries_new(uint32_t most);
void tries_free(struct tries *t);
/* Counts one more try of the request, and returns its number, from 1 (stays at 65535). */
uint16_t tries_next(struct tries *t, uint64_t id_hi, uint64_t id_lo);

#endif
