#ifndef NET_HEAD_H
#define NET_HEAD_H

/* How a head goes on: the bytes that came, less the lines that are for one hop only (RFC
 * 9110 7.6.1), or, when a fault has edited it, written anew. Bodies keep their framing fields
 * whatever `connection` lists. */

#include "net/http1.h"

#include <sys/uio.h>

#define HEAD_PARTS_MOST 24

/* What faults have changed, in order. */
struct head_edits {
    const struct reply *reply;
    struct head_edits *next;
};
void head_edits_add(struct head_edits **edits, const struct reply *reply, struct arena *arena);

struct head_change {
    const struct head_edits *edits;
    /* NULL: nothing to say; else "connection: close\r\n" or "connection: keep-alive\r\n" */
    const char *connection;
    bool keep_upgrade;             /* this hop's upgrade is the point of the message */
    bool set_length, drop_framing; /* a body of ours replaces the one that came */
    uint64_t length;
};

/* The pieces to send, at most HEAD_PARTS_MOST; they point into ${raw}, into static text, or into
 * ${arena}. */
size_t head_forward(const struct http1_head *head, struct bytes raw,
                    const struct head_change *change, struct arena *arena,
                    struct iovec parts[HEAD_PARTS_MOST]);
/* ${fields} as the edits leave them, in ${arena}: what slots further on see. */
struct fields head_edited(struct fields fields, const struct head_edits *edits,
                          struct arena *arena);
/* The status after the edits. */
uint16_t head_edited_status(uint16_t status, const struct head_edits *edits);
/* A whole answer of ours, as pieces. ${connection} as above. Chunked with trailers when
 * in_trailers. */
size_t head_answer(const struct reply *reply, enum verb asked, const char *connection,
                   struct arena *arena, struct iovec parts[HEAD_PARTS_MOST]);

#endif
