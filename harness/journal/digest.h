#ifndef JOURNAL_DIGEST_H
#define JOURNAL_DIGEST_H

/* Checksums of journal rows: the sum, modulo 2^64, of one mixed number a row, so that the order of
 * rows does not matter and each table is checked as it is read. It finds damage and edits by hand;
 * it is no signature. */

#include "base/bytes.h"

/* One frame (record or name) of an agent. ${at}: the body. */
uint64_t digest_frame(uint32_t seq, uint8_t kind, const void *at, size_t len);

/* One value of a row that the conductor wrote: a text, or a number when ${text} is NULL. */
struct digest_cell {
    const char *text;
    int64_t number;
};
uint64_t digest_row(const char *table, const struct digest_cell *cells, size_t count);
/* 64 bits of ${at}, ${seed} apart: cheap (one multiplication for 8 bytes), the same for ever. */
uint64_t digest_bytes(uint64_t seed, const void *at, size_t len);

#endif
