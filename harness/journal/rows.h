#ifndef JOURNAL_ROWS_H
#define JOURNAL_ROWS_H

/* The row arrays of struct journal by kind of record, for code that treats all kinds alike. */

#include "base/map.h"
#include "journal/journal.h"

#define ROWS_FEW_PROCS 16
/* What a journal knows beside its arrays. */
struct journal_index {
    struct map names;           /* text -> index of journal.names */
    struct map seqs;            /* process -> the last seq that journal_add gave out */
    size_t rooms[RECORD_KINDS]; /* of a kind's array, where journal_expect made more than its count
                                   says */
    uint64_t few_seqs[ROWS_FEW_PROCS]; /* the same of the first processes, which most rows are of */
    bool altered;                      /* a checksum did not fit */
    struct reader *reader; /* of a journal in slices: it reads them; NULL: all is here */
};

/* Room for one more. How many rows an array of ${count} has room for follows from their number, so
 * that no capacity needs to be kept: 16, four times as many up to 65 536, then twice. */
void *rows_grow(void *at, size_t count, size_t bytes);
size_t rows_room(size_t count);
/* Where the last seq of a process stands. */
uint64_t *rows_seq(struct journal *j, uint32_t proc);
/* A row is the record, then its process and seq. */
size_t rows_bytes(const struct record_type *type);
/* The array of a kind. */
uint8_t *rows_of(const struct journal *j, uint8_t kind, size_t *ret_count);
void rows_set(struct journal *j, uint8_t kind, void *at, size_t count);
void rows_sort(struct journal *j, const struct record_type *type);
/* Where row ${at} came from. */
void rows_origin(const struct record_type *type, const void *row, uint32_t *ret_proc,
                 uint32_t *ret_seq);

#endif
