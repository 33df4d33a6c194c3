#ifndef JOURNAL_BTREE_H
#define JOURNAL_BTREE_H

/* The rows of a table straight from the pages of a database file (SQLite's "Database File Format",
 * sections 1.6 and 2.1): SQLite takes some hundred instructions for each column of a row that it
 * decodes, and a record has forty. The file is read through SQLite's own handle, under the lock of
 * its open transaction. What is in any way out of the common (a WAL, a row on several pages, a key
 * out of order, damage) is not for this reader: SQLite itself reads that, and says what is wrong.
 */

#include "base/bytes.h"

#include <sqlite3.h>

struct btree;

/* ${db}: in a transaction that has read. NULL: nothing of this file is for this reader. */
struct btree *btree_new(sqlite3 *db);
void btree_free(struct btree *b);

/* ${record}: a row in SQLite's record format, good for the call; eight more bytes behind it may be
 * read. False ends the scan as BTREE_ODD. */
typedef bool btree_on_row(void *cookie, int64_t rowid, struct bytes record);
enum btree_end { BTREE_DONE, BTREE_ODD };
/* Each row of the table at page ${root} with a rowid in [${from}, ${to}], in order of rowid. ODD:
 * it ended early, and what was told so far is not to be believed. */
enum btree_end btree_scan(struct btree *b, uint32_t root, int64_t from, int64_t to,
                          btree_on_row *on_row, void *cookie);

/* What becomes of a column of a row: ${width} bytes (1, 2, 4 or 8, unsigned but for 8) at
 * ${offset}; 0: it is passed over. */
struct btree_column {
    uint16_t offset;
    uint8_t width;
    bool real; /* a double; NULL is NaN */
};
/* Writes the ${first} first of the ${count} columns of ${record} to ${row}, which is zero:
 * integers, NULL as 0. False: it is not of so many columns, or one of them is no number or does not
 * fit. */
bool btree_take(struct bytes record, const struct btree_column *columns, size_t count, size_t first,
                uint8_t *row);

#endif
