#ifndef LOAD_LOAD_RAW_H
#define LOAD_LOAD_RAW_H

/* Inside the load: what its connections (load_conn.c) say and hear where the plan's protocol is
 * tcp. A request is one message, and its answer the same bytes again: an echo. A connection begins
 * with the line "MP1 <id> <tag>\n", by which the fault proxy ties it to its first request and which
 * it takes out (spec/verifier.md 1.3); the later requests of a kept connection have no line, for
 * only the first 40 bytes of a stream may be one. */

#include "load/load_conn.h"

bool load_raw_wanted(const struct load_plan *plan);
#define LOAD_RAW_PARTS 2
/* The request that ${c} has begun, as parts for sendmsg, good until the next one: the line (on the
 * connection's first), then the message: the plan's body, or, where it has none, the request's id
 * and a line feed. Returns how many; ${ret_bytes}: of the message. */
size_t load_raw_parts(struct load_conn *c, struct iovec parts[LOAD_RAW_PARTS], uint64_t *ret_bytes);
/* Bytes of the answer. MORE: they are right so far; DONE: it is whole; BAD: they are not what was
 * sent, or more of it. */
enum http1_result load_raw_take(struct load_conn *c, struct bytes in);

#endif
