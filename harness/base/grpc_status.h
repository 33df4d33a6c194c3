#ifndef BASE_GRPC_STATUS_H
#define BASE_GRPC_STATUS_H

/* The names and numbers of gRPC's status (statuscodes.md; grpc_status.def). */

#include "base/bytes.h"

/* "UNAVAILABLE" of 14; NULL for a number without a name (above 16). */
const char *grpc_status_name(unsigned status);
/* "UNAVAILABLE", "unavailable" or "14", 0 to 16; false: neither. */
bool grpc_status_parse(struct bytes text, unsigned *ret);
/* All names, by number, then NULL: for nearest-word hints. */
const char *const *grpc_status_names(void);

#endif
