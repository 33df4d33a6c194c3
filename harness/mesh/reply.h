#ifndef MESH_REPLY_H
#define MESH_REPLY_H

/* What a mesh answers by itself, word for word: Envoy's local replies (policy-semantics.md A8,
 * texts as Envoy 1.40 sends them) and Linkerd's (D7, linkerd-measured.md). */

#include "model/model.h"
#include "net/stream.h"

enum reply_why {
    REPLY_NO_HOST,  /* no healthy host; Linkerd: in failfast */
    REPLY_FAILFAST, /* Linkerd: the queue's head waited 3 s */
    REPLY_REFUSED,
    REPLY_RESET, /* RST or FIN before the head */
    REPLY_EOF,
    REPLY_PROTOCOL, /* bytes that are no HTTP */
    REPLY_OVERFLOW,
    REPLY_REQUEST_TIMEOUT,
    REPLY_TRY_TIMEOUT,
    REPLY_RATE_LIMITED, /* Linkerd: by the endpoint's own proxy */
};
struct reply_made {
    uint16_t status;
    struct field field[3];
    size_t field_count;
    char body[192];
    bool close;
};

/* ${retried}: it was not the first try (Envoy says so). */
void reply_make(enum reply_why why, const struct model_config *model, bool retried,
                struct reply_made *ret);

#endif
