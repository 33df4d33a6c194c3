#ifndef CLI_SERVE_ASK_H
#define CLI_SERVE_ASK_H

/* What a caller of `serve` sent, read: foreign bytes. */

#include "cli/serve_job.h"

#include "base/bytes.h"

/* The body as an object. */
bool serve_ask_body(struct bytes body, json_t **ret, struct error *err) WARN_UNUSED;
/* `suite` (below ${folder}, wherever links lead), `set`, `tags` and `mode` of ${from}. */
bool serve_ask_read(const json_t *from, const char *folder, struct serve_ask *ret,
                    struct error *err) WARN_UNUSED;
/* `wait`, a duration; ${ret_ns} 0: it was not given. */
bool serve_ask_wait(const json_t *from, uint64_t *ret_ns, struct error *err) WARN_UNUSED;

#endif
