#ifndef CLI_NETEM_SPEC_H
#define CLI_NETEM_SPEC_H

/* What `netem add` is told: "delay=40ms loss=3%" by the rows of fault.netem, and the ends of flows.
 */

#include "faults/netem.h"

/* ${words}: each one or more "key=value", maps as "gemodel=p:1%,r:20%". Checked against each other
 * and the kernel's ranges. */
bool netem_spec_parse(const char *const *words, size_t count, struct arena *arena,
                      struct fault_netem *ret, struct error *err) WARN_UNUSED;
/* Ends as "10.0.0.2", "10.0.0.2:80", "[fd00::2]:80", ":80" (any address). Each peer with each
 * local; none of both: the whole device. ${protocol}: "tcp", "udp", "any", or NULL: tcp where there
 * is a port. */
bool netem_spec_scope(const char *const *peers, size_t peer_count, const char *const *locals,
                      size_t local_count, const char *protocol, struct netem_scope *ret,
                      struct error *err) WARN_UNUSED;

#endif
