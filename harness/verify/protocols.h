#ifndef VERIFY_PROTOCOLS_H
#define VERIFY_PROTOCOLS_H

/* Which claim is evidence on which protocol of the called service (spec/verifier.md 3, "HTTP/1
 * only"; reference/limits-measured.md 4). */

#include "verify/claim.h"

enum protocol_rule {
    PROTOCOL_JUDGED,
    PROTOCOL_UNKNOWN, /* it may hold there, but the claim does not know the causes: INCONCLUSIVE */
    PROTOCOL_NOTHING, /* there is no such thing on that protocol: not applicable */
};
/* ${protocol}: "http1", "http2", "grpc", "tcp", as the lab's service says. */
enum protocol_rule protocol_rule_of(const struct claim_type *type, const char *protocol);

#endif
