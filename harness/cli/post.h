#ifndef CLI_POST_H
#define CLI_POST_H

/* One POST to an address of somebody else's (net/web.h), with the system's roots. It blocks, up to
 * a limit, so it is for a process of its own (teller.h). What the peer says is foreign: of its
 * answer the status alone is read. */

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define POST_URL_MOST 2048

struct post_target {
    const char *url; /* as it was given */
    bool tls;
    char host[256], port[6];
    const char *path; /* into the address; "" reads as "/" */
};
/* False when it is no http:// or https:// address; the sentence does not hold the address, which
 * may be a secret. ${url} must live as long. */
bool post_parse(const char *url, struct post_target *ret, struct error *err) WARN_UNUSED;
/* ${suffix} follows the path ("" or "/api/annotations"); ${token} NULL: no Authorization. False
 * when there was no answer of 2xx within ${within_ns}; no secret is in the sentence. */
bool post_json(const struct post_target *to, const char *suffix, const char *token,
               const char *body, uint64_t within_ns, struct error *err) WARN_UNUSED;

#endif
