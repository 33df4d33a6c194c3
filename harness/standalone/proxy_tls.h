#ifndef STANDALONE_PROXY_TLS_H
#define STANDALONE_PROXY_TLS_H

/* TLS of one named proxy, from paths to contexts:
 *
 *   "tls":    {"cert": FILE, "key": FILE, "trust": FILE, "lab": DIR, "identity": ID,
 *              "min": "1.2", "max": "1.3", "resumption": false}
 *   "to_tls": {"trust": FILE, "cert": FILE, "key": FILE, "name": NAME, "min", "max", "resumption"}
 *
 * With `trust`, `tls` wants a client certificate. `name` is the SNI, and with `trust` what the
 * backend's leaf must be for. `lab` is a folder of `meshproof certs new`: its authority makes the
 * leaves of `identity` (names, comma between) that fault.cert chooses from, and the own one where
 * no `cert` is given. Files are read when the proxy is put; nobody watches them. Keys of leaves are
 * never described or logged. */

#include "faults/fault.h"
#include "net/tls.h"

#include <jansson.h>

#define PROXY_TLS_DIGEST_BYTES 32

struct proxy_tls {
    json_t *keys[2]; /* by enum side: as given; NULL: plaintext */
    struct tls_context *contexts[2];
    uint8_t digest[2][PROXY_TLS_DIGEST_BYTES]; /* of everything that was read */
};

/* Reads ${proxy}'s two keys and the files that they name. ${faults}: what the proxy's faults ask of
 * its leaves is checked and made. The sentence names the file. ${ret} is to be released in any
 * case.
 */
bool proxy_tls_read(const json_t *proxy, const struct fault_use *const *faults, size_t fault_count,
                    struct proxy_tls *ret, struct error *err) WARN_UNUSED;
void proxy_tls_release(struct proxy_tls *t);
/* The same words; the files' bytes may differ. */
bool proxy_tls_same_keys(const struct proxy_tls *a, const struct proxy_tls *b);
/* Adds both keys to a proxy's description. */
void proxy_tls_describe(const struct proxy_tls *t, json_t *proxy);

#endif
