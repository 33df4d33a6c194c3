/* Records: straight from the pages where that is possible, else through SQLite. */
#include "journal/reader_inside.h"

#include <math.h>
#include <stdlib.h>

/* Some forty a row: a copy whose length is known beforehand is one instruction. */
static void put_number(uint8_t *to, uint64_t value, size_t width)
{
    uint32_t four = (uint32_t)value;
    uint16_t two = (uint16_t)value;
    switch (width) {
    case 8:
        memcpy(to, &value, 8);
        return;
    case 4:
        memcpy(to, &four, 4);
        return;
    case 2:
        memcpy(to, &two, 2);
        return;
    default:
        *to = (uint8_t)value;
        return;
    }
}

/* Its digest needs the values as they are in the file, so names are replaced later. */
static bool take_field(struct reader *r, sqlite3_value *from, const struct record_field *f,
                       uint8_t *record)
{
    if (f->kind == FIELD_REAL) {
        double real =
            sqlite3_value_type(from) == SQLITE_NULL ? (double)NAN : sqlite3_value_double(from);
        memcpy(record + f->offset, &real, sizeof(real));
        return true;
    }
    int64_t value = sqlite3_value_int64(from);
    if (f->width < 8 && (uint64_t)value >> (8 * f->width) != 0) {
        reader_too_large(r, r->type->name, f->name, value, (UINT64_C(1) << (8 * f->width)) - 1);
        return false;
    }
    put_number(record + f->offset, (uint64_t)value, f->width);
    return true;
}

static const char *name_of_field(const struct record_type *type, uint16_t offset)
{
    for (size_t i = 0; i < type->count; i++)
        if (type->fields[i].offset == offset)
            return type->fields[i].name;
    UNREACHABLE();
}

static bool resolve_names(struct reader *r, const struct reader_proc *p)
{
    for (size_t i = 0; i < r->name_fields; i++) {
        uint8_t *at = r->row + r->names_at[i];
        uint32_t name;
        memcpy(&name, at, sizeof(name));
        if (name > p->name_count)
            return error_set(r->err, ERROR_INPUT,
                             "is damaged: \"%s\".\"%s\" is name %u of process %u, which has %u",
                             r->type->name, name_of_field(r->type, r->names_at[i]), name, p->proc,
                             p->name_count);
        if (name > 0)
            memcpy(at, &p->names[name - 1], sizeof(name));
    }
    return true;
}

static bool take_origin(struct reader *r, sqlite3_value *from, const char *column, uint32_t *ret)
{
    int64_t value = sqlite3_value_int64(from);
    if (value < 0 || value > UINT32_MAX) {
        reader_too_large(r, r->type->name, column, value, UINT32_MAX);
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

/* Room for the next row, once the one that stands there is kept. */
static void step_on(struct reader *r)
{
    r->rows = rows_grow(r->rows, r->count, r->bytes);
    r->row = r->rows + r->count * r->bytes;
}

/* Of a journal in slices the wide rows are kept while they are few. */
static void keep(struct reader *r, size_t wide)
{
    if (wide != READER_WIDE && r->sliced && !r->let_go) {
        r->kept_bytes += r->bytes;
        if (r->kept_bytes > r->keep_bytes)
            reader_drop_wide(r);
    }
    if (wide == READER_WIDE || !r->let_go)
        r->count++;
    if (r->count > 0 || r->rows == NULL)
        step_on(r);
}

/* The row is at ${r->row}, with its origin behind it. */
static bool row_done(struct reader *r, int64_t rowid)
{
    uint32_t proc, seq;
    rows_origin(r->type, r->row, &proc, &seq);
    struct reader_proc *p = reader_proc_of(r, proc);
    r->seen++;
    if (r->slice != NULL) {
        if (!p->wanted || !reader_is_in_time(r, proc))
            return true;
        if (!resolve_names(r, p))
            return false;
        r->count++;
        step_on(r);
        return true;
    }
    size_t wide = reader_wide(r->type->kind);
    reader_count(p, digest_frame(seq, r->type->kind, r->row, r->type->bytes));
    p->newest_seq = seq > p->newest_seq ? seq : p->newest_seq;
    if (wide != READER_WIDE && r->sliced)
        reader_place(r, wide, rowid);
    if (!resolve_names(r, p))
        return false;
    keep(r, wide);
    return true;
}

/* An SQL function of a row's columns, which is the row's reader: asking SQLite for forty columns of
 * each row one by one costs more than all else that is done with it. An error is in ${r}. */
#define TAKE "meshproof_take"

static void take_row(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct reader *r = sqlite3_user_data(context);
    const struct record_type *type = r->type;
    uint32_t origin[2];
    INVARIANT(count == type->count + 4);
    int64_t rowid = sqlite3_value_int64(values[1]);
    values += 2; /* the last column, see reader_select, and the rowid */
    if (!take_origin(r, values[0], "proc", &origin[0]) ||
        !take_origin(r, values[1], "seq", &origin[1]))
        return;
    for (size_t i = 0; i < type->count; i++) {
        if (!take_field(r, values[i + 2], &type->fields[i], r->row))
            return;
    }
    memcpy(r->row + type->bytes, origin, sizeof(origin));
    (void)row_done(r, rowid);
}

static void read_by_sql(struct reader *r, int64_t first, int64_t last)
{
    const struct record_type *type = r->type;
    struct schema_table table = {.name = type->name, .count = (size_t)type->count + 3};
    char where[96];
    table.columns[0].name = "rowid";
    table.columns[1].name = "proc";
    table.columns[2].name = "seq";
    for (size_t i = 0; i < type->count; i++)
        table.columns[i + 3].name = type->fields[i].name;
    snprintf(where, sizeof(where), "rowid BETWEEN %lld AND %lld", (long long)first,
             (long long)last);
    if (!r->function && sqlite3_create_function(r->db, TAKE, -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, r,
                                                take_row, NULL, NULL) != SQLITE_OK)
        reader_damaged(r);
    r->function = true;
    sqlite3_stmt *s = reader_select(r, &table, TAKE, where);
    while (reader_next(r, s, table.name, table.count - 1) && r->err->kind == ERROR_NONE)
        ; /* take_row has it */
    sqlite3_finalize(s);
}

/* What each column of the file's own table becomes; false: the pages hold it in another way. */
static bool map_columns(struct reader *r, struct btree_column *columns, size_t *ret_count)
{
    const struct record_type *type = r->type;
    sqlite3_stmt *s = NULL;
    bool plain = sqlite3_prepare_v2(r->db, "SELECT name, hidden, pk FROM pragma_table_xinfo(?1)",
                                    -1, &s, NULL) == SQLITE_OK &&
                 sqlite3_bind_text(s, 1, type->name, -1, SQLITE_STATIC) == SQLITE_OK;
    size_t count = 0;
    for (; plain && sqlite3_step(s) == SQLITE_ROW; count++) {
        const char *name = (const char *)sqlite3_column_text(s, 0);
        plain = count < SCHEMA_COLUMNS_MOST && name != NULL && sqlite3_column_int(s, 1) == 0 &&
                sqlite3_column_int(s, 2) == 0;
        if (!plain)
            break;
        columns[count] = (struct btree_column){0};
        if (strcmp(name, "proc") == 0)
            columns[count] = (struct btree_column){type->bytes, 4, false};
        if (strcmp(name, "seq") == 0)
            columns[count] = (struct btree_column){(uint16_t)(type->bytes + 4), 4, false};
        for (size_t i = 0; i < type->count; i++)
            if (strcmp(name, type->fields[i].name) == 0)
                columns[count] = (struct btree_column){(uint16_t)type->fields[i].offset,
                                                       (uint8_t)type->fields[i].width,
                                                       type->fields[i].kind == FIELD_REAL};
    }
    sqlite3_finalize(s);
    *ret_count = count;
    return plain;
}

static uint32_t root_of(struct reader *r)
{
    sqlite3_stmt *s = NULL;
    int64_t root = 0;
    if (sqlite3_prepare_v2(r->db,
                           "SELECT rootpage FROM main.sqlite_schema WHERE type='table' AND name=?1",
                           -1, &s, NULL) == SQLITE_OK &&
        sqlite3_bind_text(s, 1, r->type->name, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        root = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return root > 0 && root <= UINT32_MAX ? (uint32_t)root : 0;
}

struct paging {
    struct reader *r;
    struct btree_column columns[SCHEMA_COLUMNS_MOST];
    size_t count;
    size_t first; /* so many of them tell of which process and time a row is */
};

/* Most rows beside a slice are not of it: that is seen by its first columns. */
static bool is_of_slice(const struct paging *p, struct bytes record, bool *ret_good)
{
    struct reader *r = p->r;
    uint32_t proc, seq;
    *ret_good = btree_take(record, p->columns, p->count, p->first, r->row);
    rows_origin(r->type, r->row, &proc, &seq);
    return *ret_good && reader_proc_of(r, proc)->wanted && reader_is_in_time(r, proc);
}

static bool on_page_row(void *cookie, int64_t rowid, struct bytes record)
{
    struct paging *p = cookie;
    struct reader *r = p->r;
    bool good;
    if (!reader_room(r, r->type->name, (size_t)r->type->count + 2))
        return false;
    memset(r->row, 0, r->bytes);
    if (r->slice != NULL && !is_of_slice(p, record, &good)) {
        r->seen++;
        return good;
    }
    memset(r->row, 0, r->bytes); /* it has aligned what it took */
    return btree_take(record, p->columns, p->count, p->count, r->row) && row_done(r, rowid);
}

static void read_by_pages(struct reader *r, int64_t first, int64_t last)
{
    struct paging p = {.r = r};
    uint16_t at = (uint16_t)r->type->fields[0].offset;
    r->odd = !map_columns(r, p.columns, &p.count);
    for (size_t i = 0; i < p.count && !r->odd; i++)
        if (p.columns[i].width > 0 &&
            (p.columns[i].offset == at || p.columns[i].offset == r->type->bytes))
            p.first = i + 1;
    r->odd = r->odd || btree_scan(r->pages, root_of(r), first, last, on_page_row, &p) != BTREE_DONE;
}

static void begin(struct reader *r, const struct record_type *type)
{
    r->type = type;
    r->bytes = rows_bytes(type);
    r->name_fields = 0;
    for (size_t i = 0; i < type->count; i++)
        if (type->fields[i].kind == FIELD_NAME)
            r->names_at[r->name_fields++] = (uint16_t)type->fields[i].offset;
    step_on(r);
}

static void read_range(struct reader *r, int64_t first, int64_t last)
{
    if (r->pages != NULL)
        read_by_pages(r, first, last);
    else
        read_by_sql(r, first, last);
}

void reader_read_rows(struct reader *r, const struct record_type *type)
{
    r->rows = NULL;
    r->count = 0;
    begin(r, type);
    read_range(r, INT64_MIN, INT64_MAX);
    rows_set(r->j, type->kind, r->rows, r->count);
}

void reader_read_range(struct reader *r, const struct record_type *type, int64_t first,
                       int64_t last)
{
    begin(r, type);
    read_range(r, first, last);
}
