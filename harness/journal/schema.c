#include "journal/schema.h"

/* proc -1 of checksum is the conductor's own rows. phase.t1 and why are NULL while it lasts. */
static const struct schema_table texts[] = {
    {"run", false, 1, 1, {{"json", "TEXT"}}},
    {"plan", false, 1, 1, {{"json", "TEXT"}}},
    {"policy", false, 1, 1, {{"json", "TEXT"}}},
    {"proc",
     false,
     1,
     5,
     {{"proc", "INTEGER"},
      {"role", "TEXT"},
      {"arm", "TEXT"},
      {"service", "TEXT"},
      {"pid", "INTEGER"}}},
    {"phase",
     false,
     1,
     8,
     {{"phase", "INTEGER"},
      {"scenario", "INTEGER"},
      {"arm", "TEXT"},
      {"name", "TEXT"},
      {"ordinal", "INTEGER"},
      {"t0", "INTEGER"},
      {"t1", "INTEGER"},
      {"why", "TEXT"}}},
    {"event",
     false,
     1,
     4,
     {{"phase", "INTEGER"}, {"t", "INTEGER"}, {"what", "TEXT"}, {"json", "TEXT"}}},
    {"end", false, 1, 3, {{"how", "TEXT"}, {"json", "TEXT"}, {"t", "INTEGER"}}},
    {"name", false, 1, 3, {{"proc", "INTEGER"}, {"id", "INTEGER"}, {"text", "TEXT"}}},
    {"checksum", true, 1, 3, {{"proc", "INTEGER"}, {"rows", "INTEGER"}, {"digest", "INTEGER"}}},
};

uint8_t schema_since(uint8_t kind)
{
    if (kind == RECORD_HOP)
        return 5;
    if (kind == RECORD_SAMPLE)
        return 4;
    if (kind == RECORD_REFUSAL)
        return 3;
    return kind == RECORD_HANDSHAKE || kind == RECORD_HOOK ? 2 : 1;
}

size_t schema_table_count(void)
{
    size_t records;
    record_types(&records);
    return COUNT_OF(texts) + records;
}

void schema_table(size_t at, struct schema_table *ret)
{
    if (at < COUNT_OF(texts)) {
        *ret = texts[at];
        return;
    }
    size_t records;
    const struct record_type *type = &record_types(&records)[at - COUNT_OF(texts)];
    INVARIANT(at - COUNT_OF(texts) < records && type->count + 3 <= SCHEMA_COLUMNS_MOST);
    *ret = (struct schema_table){
        .name = type->name,
        .count = (size_t)type->count + 3,
        .since = schema_since(type->kind),
        .columns = {{"proc", "INTEGER"}, {"seq", "INTEGER"}, {"phase", "INTEGER"}}};
    for (size_t i = 0; i < type->count; i++)
        ret->columns[i + 3] = (struct schema_column){
            type->fields[i].name, type->fields[i].kind == FIELD_REAL ? "REAL" : "INTEGER"};
}

bool schema_create(sqlite3 *db, struct error *err)
{
    struct text sql;
    struct schema_table table;
    text_init(&sql, (size_t)64 * 1024);
    text_add(&sql, "PRAGMA application_id=%d; PRAGMA user_version=%d;", SCHEMA_APPLICATION,
             SCHEMA_VERSION);
    for (size_t i = 0; i < schema_table_count(); i++) {
        schema_table(i, &table);
        text_add(&sql, "CREATE TABLE \"%s\" (", table.name);
        for (size_t k = 0; k < table.count; k++)
            text_add(&sql, "%s\"%s\" %s%s", k == 0 ? "" : ", ", table.columns[k].name,
                     table.columns[k].type, table.keyed && k == 0 ? " PRIMARY KEY" : "");
        text_add(&sql, ") STRICT;\n");
    }
    INVARIANT(!sql.full);
    bool ok = sqlite3_exec(db, text_get(&sql), NULL, NULL, NULL) == SQLITE_OK;
    text_release(&sql);
    return ok || error_set(err, ERROR_SYSTEM, "making the tables: %s", sqlite3_errmsg(db));
}

/* One row of text columns from ${sql}, with ${name} bound; the caller finalizes. */
static sqlite3_stmt *query(sqlite3 *db, const char *sql, const char *name, struct error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK ||
        sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
        error_set(err, ERROR_INPUT, "is damaged: %s", sqlite3_errmsg(db));
    return s;
}

static bool check_kind(sqlite3 *db, const struct schema_table *table, struct error *err)
{
    sqlite3_stmt *s =
        query(db,
              "SELECT 1 FROM pragma_table_list(?1) WHERE schema='main' AND type='table' "
              "AND strict AND NOT wr",
              table->name, err);
    if (err->kind != ERROR_NONE) {
        sqlite3_finalize(s);
        return false;
    }
    int rc = sqlite3_step(s);
    if (rc == SQLITE_DONE)
        error_set(err, ERROR_INPUT, "is not a journal of this format: it has no table \"%s\"",
                  table->name);
    else if (rc != SQLITE_ROW)
        error_set(err, ERROR_INPUT, "is damaged: %s", sqlite3_errmsg(db));
    sqlite3_finalize(s);
    return err->kind == ERROR_NONE;
}

static bool is_column(sqlite3_stmt *s, const struct schema_column *column)
{
    const char *name = (const char *)sqlite3_column_text(s, 0);
    const char *type = (const char *)sqlite3_column_text(s, 1);
    return name != NULL && type != NULL && strcmp(name, column->name) == 0 &&
           strcmp(type, column->type) == 0 && sqlite3_column_int(s, 2) == 0;
}

static bool check_columns(sqlite3 *db, const struct schema_table *table, struct error *err)
{
    bool seen[SCHEMA_COLUMNS_MOST] = {false};
    sqlite3_stmt *s =
        query(db, "SELECT name, type, hidden FROM pragma_table_xinfo(?1)", table->name, err);
    while (err->kind == ERROR_NONE && sqlite3_step(s) == SQLITE_ROW) {
        for (size_t i = 0; i < table->count; i++)
            seen[i] = seen[i] || is_column(s, &table->columns[i]);
    }
    sqlite3_finalize(s);
    for (size_t i = 0; i < table->count && err->kind == ERROR_NONE; i++) {
        if (!seen[i])
            error_set(err, ERROR_INPUT,
                      "is not a journal of this format: table \"%s\" has no %s column \"%s\"",
                      table->name, table->columns[i].type, table->columns[i].name);
    }
    return err->kind == ERROR_NONE;
}

bool schema_check(sqlite3 *db, unsigned version, struct error *err)
{
    struct schema_table table;
    for (size_t i = 0; i < schema_table_count(); i++) {
        schema_table(i, &table);
        if (table.since > version)
            continue;
        if (!check_kind(db, &table, err) || !check_columns(db, &table, err))
            return false;
    }
    return true;
}
