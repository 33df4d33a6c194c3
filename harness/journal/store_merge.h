#ifndef JOURNAL_STORE_MERGE_H
#define JOURNAL_STORE_MERGE_H

/* The rows of a finished journal in the order of their merge key: clock (boot id, time namespace),
 * time, process, seq (kubernetes.md section 7). Where many agents wrote, the order of arrival is
 * chance; after this the same set of rows is the same file, byte for byte. */

#include "base/error.h"

#include <sqlite3.h>

/* Outside a transaction, before the indexes are made. Copies each table once. False (there was no
 * room, most likely) leaves the database as it was: the order is a courtesy, and readers have their
 * own. */
bool store_merge(sqlite3 *db, struct error *err);
/* Last: no page is left whose place tells of the order of arrival. Copies the file. */
bool store_merge_pack(sqlite3 *db, struct error *err);

#endif
