#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

/* What the record of a request holds beside times and counts, for the load generator and the stubs
 * alike (spec/verifier.md 1.2): spans, and what an answer tells of who made it. */

#include "journal/record.h"
#include "net/stream.h"

/* ${at_ns} as a SPAN field: 0: it did not happen; a stamp equal to the first time is 1. */
uint64_t request_span(uint64_t due_ns, uint64_t at_ns);
/* REQUEST_MARK_* bits of an answer's fields. */
uint8_t request_marks(struct fields fields);
/* The class of a body by its first bytes: the texts of Envoy's local replies
 * (source/common/router/router.cc, local_ratelimit, rbac, fault). An empty body is BODY_OWN:
 * Linkerd's local replies have none, a header marks them. */
enum body_class request_body_class(struct bytes body);
#define REQUEST_BODY_SAMPLE 256 /* that many bytes of a body are enough to tell */

#endif
