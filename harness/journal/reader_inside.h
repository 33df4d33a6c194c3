#ifndef JOURNAL_READER_INSIDE_H
#define JOURNAL_READER_INSIDE_H

/* Between the reader's own files: reader.c reads the texts, reader_rows.c the records,
 * reader_slice.c once more what is wanted of those that were not kept. */

#include "journal/align.h"
#include "journal/btree.h"
#include "journal/digest.h"
#include "journal/reader.h"
#include "journal/rows.h"
#include "journal/schema.h"

struct reader_proc {
    uint32_t proc, name_count, newest_seq;
    uint32_t *names; /* by the process's own number, from 1: index of journal.names */
    uint64_t rows, digest;
    bool wanted; /* its rows belong to the slice that is read */
};

/* Rows that follow each other in their table: where they are, and of when. */
struct reader_block {
    int64_t first, last;     /* rowids */
    uint64_t from_ns, to_ns; /* the earliest and the latest time, on their processes' clocks */
    uint32_t count;
};

/* The kinds of which a journal has as many as it has traffic. */
#define READER_WIDE 4

struct reader {
    sqlite3 *db;
    struct btree *pages; /* NULL: SQLite reads the rows */
    struct journal *j;
    uint64_t room, file_bytes; /* room: bytes of the file that no row accounts for yet */
    uint64_t row_count;
    struct reader_proc *procs; /* [0]: the conductor's own rows */
    size_t proc_count, last_proc;
    struct map proc_index;
    struct error *err;
    bool function; /* SQLite knows it by which rows are taken */
    bool odd;      /* the pages are not for us: nothing that was read counts */

    /* The kind that is read: its rows so far, and a place for the next. */
    const struct record_type *type;
    uint8_t *rows, *row;
    size_t count, bytes;
    uint16_t names_at[SCHEMA_COLUMNS_MOST]; /* offsets of its name fields */
    size_t name_fields;
    const struct journal_slice *slice; /* NULL: all rows, each for the first time */
    uint64_t seen;                     /* rows, kept or not */

    /* Of a journal whose rows may be let go. */
    bool sliced, let_go; /* let go: ${keep_bytes} were passed, no wide row is kept */
    uint64_t keep_bytes, kept_bytes;
    uint64_t longest_ns; /* the longest that anything of the wide kinds lasted */
    struct reader_blocks {
        struct reader_block *at;
        size_t count;
    } blocks[READER_WIDE];
    struct clocks *clocks; /* of rows that are read later */
};

bool reader_damaged(struct reader *r);
sqlite3_stmt *reader_select(struct reader *r, const struct schema_table *table, const char *through,
                            const char *where);
bool reader_next(struct reader *r, sqlite3_stmt *s, const char *table, size_t columns);
struct reader_proc *reader_proc_of(struct reader *r, uint32_t proc);
void reader_too_large(struct reader *r, const char *table, const char *column, int64_t value,
                      uint64_t most);
void reader_count(struct reader_proc *p, uint64_t digest);

/* The place of a wide kind in ${blocks}; READER_WIDE: it is none. */
size_t reader_wide(uint8_t kind);
/* All rows of a kind into the journal; those of a journal in slices as far as they are kept. */
void reader_read_rows(struct reader *r, const struct record_type *type);
/* Accounts for a row of so many columns; false: the file cannot hold so many, or it is too many. */
bool reader_room(struct reader *r, const char *table, size_t columns);
/* Appends to ${r->rows} what ${r->slice} wants of the rows from ${first} to ${last}. */
void reader_read_range(struct reader *r, const struct record_type *type, int64_t first,
                       int64_t last);
/* reader_slice.c: several walks, so that one of them may be judged without the others. */
bool reader_has_slices(const struct journal *j);
/* The wide rows that were read so far are not kept, and no others. */
void reader_drop_wide(struct reader *r);
/* Notes where the row that was just read is. */
void reader_place(struct reader *r, size_t wide, int64_t rowid);
/* Whether the row that was just read is of the time of ${r->slice}; puts its times on the
 * conductor's clock. */
bool reader_is_in_time(struct reader *r, uint32_t proc);

#endif
