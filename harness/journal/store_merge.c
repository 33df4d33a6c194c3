#include "journal/store_merge.h"

#include "journal/schema.h"

#include <string.h>

static bool run_sql(sqlite3 *db, const char *sql, struct error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           error_set(err, ERROR_SYSTEM, "putting the journal in order: %s", sqlite3_errmsg(db));
}

/* Each process's clock, by its first row of that kind; one that has told none is the conductor's
 * own machine's. */
static const char clocks_sql[] =
    "CREATE TEMP TABLE \"clock_of\" (\"proc\" INTEGER PRIMARY KEY, \"boot\" TEXT, \"ns\" INTEGER);"
    "INSERT OR IGNORE INTO \"clock_of\" SELECT c.\"proc\", n.\"text\", c.\"time_ns_inode\" "
    "FROM main.\"clock\" AS c JOIN main.\"name\" AS n ON n.\"proc\" = c.\"proc\" AND "
    "n.\"id\" = c.\"boot_id\" ORDER BY c.\"proc\", c.\"seq\";";

static bool is_record(const struct schema_table *t, const struct record_type **ret)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(types[i].name, t->name) != 0)
            continue;
        *ret = &types[i];
        return true;
    }
    return false;
}

/* What the table's rows are put in order by; false: they are the conductor's own, in the order in
 * which things happened. */
static bool order_of(const struct schema_table *t, struct text *to)
{
    const struct record_type *type;
    if (is_record(t, &type))
        text_add(to, "k.\"boot\", k.\"ns\", r.\"%s\", r.\"proc\", r.\"seq\"", type->fields[0].name);
    else if (strcmp(t->name, "name") == 0)
        text_add(to, "r.\"proc\", r.\"id\"");
    else if (strcmp(t->name, "proc") == 0)
        text_add(to, "r.\"proc\"");
    else
        return false;
    return true;
}

/* The rows go out to a table beside, and come back in order: the table itself keeps its place in
 * the schema. */
static bool sort_table(sqlite3 *db, const struct schema_table *t, struct error *err)
{
    struct text sql, order;
    text_init(&sql, 4096);
    text_init(&order, 512);
    bool ok = true;
    if (order_of(t, &order)) {
        text_add(&sql,
                 "CREATE TABLE main.\"unsorted\" AS SELECT * FROM main.\"%s\";"
                 "DELETE FROM main.\"%s\";"
                 "INSERT INTO main.\"%s\" SELECT r.* FROM main.\"unsorted\" AS r LEFT JOIN "
                 "\"clock_of\" AS k ON k.\"proc\" = r.\"proc\" ORDER BY %s;"
                 "DROP TABLE main.\"unsorted\";",
                 t->name, t->name, t->name, text_get(&order));
        INVARIANT(!sql.full && !order.full);
        ok = run_sql(db, text_get(&sql), err);
    }
    text_release(&sql);
    text_release(&order);
    return ok;
}

bool store_merge(sqlite3 *db, struct error *err)
{
    bool ok = run_sql(db, "BEGIN", err);
    ok = ok && run_sql(db, clocks_sql, err);
    for (size_t i = 0; ok && i < schema_table_count(); i++) {
        struct schema_table t;
        schema_table(i, &t);
        ok = sort_table(db, &t, err);
    }
    ok = ok && run_sql(db, "DROP TABLE \"clock_of\"; COMMIT", err);
    if (!ok)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

bool store_merge_pack(sqlite3 *db, struct error *err)
{
    return run_sql(db, "VACUUM", err);
}
