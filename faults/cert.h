#ifndef FAULTS_CERT_H
#define FAULTS_CERT_H

/* What whoever makes an endpoint's leaves must know of a `fault.cert`: the filter only chooses
 * among those that the endpoint's TLS was given (net/tls.h). */

#include "certs/certs.h"
#include "faults/fault.h"

/* False: ${use} is another fault. ${ret_by_ns}: how far off an expired or not yet valid leaf is. */
bool fault_cert_wants(const struct fault_use *use, enum cert_kind *ret_kind, uint64_t *ret_by_ns);

#endif
