#ifndef JOURNAL_SCHEMA_H
#define JOURNAL_SCHEMA_H

/* The tables of a journal file, for the store that makes them and the reader that checks them.
 * Record tables come from records.def, with proc, seq and phase before the fields; the others are
 * here. */

#include "base/text.h"
#include "journal/record.h"

#include <sqlite3.h>

#define SCHEMA_APPLICATION 0x6d70726a /* "mprj": PRAGMA application_id, and so file(1) */
#define SCHEMA_VERSION 5 /* PRAGMA user_version; rises when an old reader would misread */

#define SCHEMA_COLUMNS_MOST 64
#define SCHEMA_LABEL_MOST_BYTES 1024 /* roles, arms, names of phases */
#define SCHEMA_JSON_MOST_BYTES ((size_t)16 * 1024 * 1024)
struct schema_column {
    const char *name, *type;
};
struct schema_table {
    const char *name;
    bool keyed;    /* the first column is the primary key */
    uint8_t since; /* the first format that has it; a file of an older one is read as if it were
                      empty */
    size_t count;
    struct schema_column columns[SCHEMA_COLUMNS_MOST];
};

/* Table ${at} (0 .. schema_table_count() - 1), records' included. */
void schema_table(size_t at, struct schema_table *ret);
size_t schema_table_count(void);
/* Makes all tables and marks the format. */
bool schema_create(sqlite3 *db, struct error *err) WARN_UNUSED;
/* All tables are there, are plain STRICT tables (no view, no generated column: nothing of a hostile
 * file runs), and have the columns with their types. */
bool schema_check(sqlite3 *db, unsigned version, struct error *err) WARN_UNUSED;
/* The first format that has records of ${kind}. */
uint8_t schema_since(uint8_t kind);

#endif
