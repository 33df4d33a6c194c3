#ifndef NET_H2_HEAD_H
#define NET_H2_HEAD_H

/* A header block of HTTP/2 (RFC 9113 8.1 to 8.3) as views: its pseudo-fields apart, all else in the
 * order that it came, cookie crumbs too. Collects one block as nghttp2 hands it over, and spells
 * one for nghttp2. Knows neither streams nor faults. */

#include "net/head.h"

#include <nghttp2/nghttp2.h>

/* The sum of names and values with 32 bytes a field (RFC 9113 6.5.2), as large as a head of
 * HTTP/1.1. */
#define H2_HEAD_MOST_BYTES HTTP1_HEAD_MOST_BYTES

struct h2_head {
    struct fields all;    /* with pseudo-fields, which come first */
    struct fields fields; /* without */
    const uint8_t *flags; /* of all: NGHTTP2_NV_FLAG_* */
    struct bytes method, scheme, path, authority, protocol;
    uint16_t status;
};

/* A block that is coming in. Its memory serves the next one, unless it grew large. */
struct h2_block {
    struct buffer text;  /* names and values, one after the other */
    struct field *field; /* until h2_block_head: lengths only */
    uint8_t *flags;
    size_t count, capacity, list_bytes;
    bool too_large; /* past H2_HEAD_MOST_BYTES: the rest was not kept */
};

void h2_block_init(struct h2_block *b);
void h2_block_release(struct h2_block *b);
void h2_block_begin(struct h2_block *b);
void h2_block_add(struct h2_block *b, struct bytes name, struct bytes value, uint8_t flags);
/* Views into ${b}, good until the next h2_block_begin. */
struct h2_head h2_block_head(struct h2_block *b);
/* The same, in ${arena}. */
struct h2_head *h2_head_copy(const struct h2_head *head, struct arena *arena);

/* ${head} as the edits leave it: what goes on. NULL edits: as it came. ${length}: of a body of ours
 * that takes the place of the one that came; UINT64_MAX: none does. In ${arena}. */
struct h2_head h2_head_edited(const struct h2_head *head, const struct head_edits *edits,
                              uint64_t length, struct arena *arena);
/* For nghttp2, which copies what it is given: the array is the caller's to free. */
nghttp2_nv *h2_head_spell(struct fields fields, const uint8_t *flags);

#endif
