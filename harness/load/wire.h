#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

/* The bytes of a load's requests. All that is equal is built once; per request the 16 digits of the
 * id's sequence are overwritten in place, and the request line is built only where the path asks
 * for it. */

#include "base/text.h"
#include "plan/plan.h"

#include <sys/uio.h>

struct wire_config {
    const struct load_plan *plan;
    const char *authority, *from;
    uint64_t id_hi, seed;
};

struct wire {
    struct text line, fields,
        end; /* "GET /x HTTP/1.1\r\n", fields, then the empty line and the body */
    char tag[600];
    size_t tag_len, body_bytes;
    size_t digits; /* of the sequence, in fields */
    const char *path, *method;
    bool varies; /* the path has {n} or {uuid} */
    uint64_t seed;
};

#define WIRE_PARTS 4

/* ERROR_INPUT with the plan's line for headers that are no strings, or that we set ourselves. */
bool wire_init(struct wire *w, const struct wire_config *config, struct error *err) WARN_UNUSED;
void wire_release(struct wire *w);
/* The request of that sequence as parts for sendmsg, good until the next one; ${tag} may be NULL.
 * Returns how many. */
size_t wire_parts(struct wire *w, uint64_t seq, const char *tag, struct iovec parts[WIRE_PARTS]);

#endif
