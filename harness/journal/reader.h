#ifndef JOURNAL_READER_H
#define JOURNAL_READER_H

/* Reads the tables of an open database into a struct journal. All of it may be hostile: every
 * length, number and reference is checked against its bound, and no row is believed to exist that
 * the file's bytes could not hold. */

#include "journal/journal.h"

#include <sqlite3.h>

/* ${file_bytes}: of the database with its -wal. Errors are ERROR_INPUT without the file's name:
 * "is damaged: ...". */
bool reader_read(sqlite3 *db, unsigned version, uint64_t file_bytes, struct journal *j,
                 struct error *err) WARN_UNUSED;

#endif
