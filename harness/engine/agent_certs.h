#ifndef ENGINE_AGENT_CERTS_H
#define ENGINE_AGENT_CERTS_H

/* What SETUP and CERT say of certificates, read for the roles that have them, and the record of
 * each change. The texts hold keys: they go to net/tls and to a mesh's folder, nowhere else. */

#include "engine/agent.h"
#include "net/tls.h"

struct agent_certs {
    const char *trust_pem, *peer_san; /* borrowed from the message */
    struct cert_leaf leaves[CERT_KIND_COUNT];
};
bool agent_certs_read(const json_t *tls, struct agent_certs *ret, struct error *err) WARN_UNUSED;
/* A server's context that demands the mesh's leaf; the caller releases it. */
bool agent_certs_context(const json_t *tls, struct tls_context **ret,
                         struct error *err) WARN_UNUSED;
/* CERT's words as a world record: what was done between ${before_ns} and now. */
void agent_certs_record(struct agent *a, const json_t *cert, uint64_t before_ns, bool read_back);

#endif
