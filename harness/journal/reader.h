#ifndef JOURNAL_READER_H
#define JOURNAL_READER_H

/* Reads the tables of an open database into a struct journal. All of it may be hostile: every
 * length, number and reference is checked against its bound, and no row is believed to exist that
 * the file's bytes could not hold. */

#include "journal/journal.h"

#include <sqlite3.h>

struct reader;

/* The kinds of which a journal has as many as it has traffic. */
bool reader_is_wide(uint8_t kind);

/* ${take_db}: in the transaction in which all is read. ${file_bytes}: of the database with its
 * -wal. */
struct reader *reader_new(sqlite3 *take_db, uint64_t file_bytes, struct journal *j);
void reader_free(struct reader *r);

/* ODD: the pages (journal/btree.h) were not as they commonly are, and neither the reader nor the
 * journal is good for anything; without ${by_pages}, SQLite says what is wrong or reads it all the
 * same. FAILED: ${err} is ERROR_INPUT without the file's name: "is damaged: ...". */
enum reader_end { READER_DONE, READER_ODD, READER_FAILED };
/* All of it, but where the rows of the wide kinds (attempt, request, connection, hop) have more
 * than
 * ${keep_bytes} together and the run has several walks none of those (reader_let_go). Once. */
enum reader_end reader_read(struct reader *r, unsigned version, bool by_pages, uint64_t keep_bytes,
                            struct error *err) WARN_UNUSED;
/* The wide rows were not kept: reader_load reads them. */
bool reader_let_go(const struct reader *r);
/* How many of them the file has. */
uint64_t reader_left(const struct reader *r);
/* In the place of the wide rows that the journal has, those of ${slice}, in order. */
bool reader_load(struct reader *r, const struct journal_slice *slice,
                 struct error *err) WARN_UNUSED;

#endif
