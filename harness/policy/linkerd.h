#ifndef POLICY_LINKERD_H
#define POLICY_LINKERD_H

/* Between the files that read Linkerd's kinds. */

#include "policy/reader.h"

/* "0.5" in parts per million, 0 to ${most}; exact to six decimals. */
bool linkerd_parse_ratio(const char *text, uint64_t most, uint64_t *ret_ppm);
void linkerd_read_profile(struct policy *p, const struct object *o);
void linkerd_read_server(struct policy *p, const struct object *o);
void linkerd_read_limit(struct policy *p, const struct object *o);
/* Of all limits that are read: those whose Server is not there are findings. */
void linkerd_check_limits(struct policy *p);
bool linkerd_limit_is_of(const struct server_limit *limit, const struct server_rule *server);
/* enum mtls_mode, of the Server's own policy or of the authorizations for it. */
struct value linkerd_server_accepts(const struct policy *p, const struct server_rule *server);
/* Whether an accessPolicy or default-inbound-policy lets nobody in without an identity. */
bool linkerd_access_asks(const char *access);

#endif
