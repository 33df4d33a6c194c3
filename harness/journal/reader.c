#include "journal/reader.h"

#include "journal/digest.h"
#include "journal/rows.h"
#include "journal/schema.h"

#include <math.h>
#include <stdlib.h>

#define ROWS_MOST UINT64_C(100000000)

struct reader_proc {
    uint32_t proc, name_count, newest_seq;
    uint32_t *names; /* by the process's own number, from 1: index of journal.names */
    uint64_t rows, digest;
};

struct reader {
    sqlite3 *db;
    struct journal *j;
    uint64_t room, file_bytes; /* room: bytes of the file that no row accounts for yet */
    uint64_t row_count;
    struct reader_proc *procs; /* [0]: the conductor's own rows */
    size_t proc_count;
    struct map proc_index;
    const struct record_type *type; /* of the record that take_row takes, and where it puts it */
    uint8_t *row;
    struct error *err;
};

static bool damaged(struct reader *r)
{
    return error_set(r->err, ERROR_INPUT, "is damaged: %s", sqlite3_errmsg(r->db));
}

/* A query over all of a table in the order of its rows, past any index that the file brings; of
 * what the function ${through} makes of the columns, where one is named. */
static sqlite3_stmt *select_all(struct reader *r, const struct schema_table *table,
                                const char *through)
{
    struct text sql;
    sqlite3_stmt *s = NULL;
    text_init(&sql, 4096);
    text_add(&sql, "SELECT %s%s", through == NULL ? "" : through, through == NULL ? "" : "(");
    /* SQLite decodes the head of a row as far as the column that it is asked for: the last
     * one first, and so all at once, is a third less work than one after the other. */
    if (through != NULL)
        text_add(&sql, "\"%s\",", table->columns[table->count - 1].name);
    for (size_t i = 0; i < table->count; i++)
        text_add(&sql, "%s\"%s\"", i == 0 ? "" : ",", table->columns[i].name);
    text_add(&sql, "%s FROM main.\"%s\" NOT INDEXED ORDER BY rowid", through == NULL ? "" : ")",
             table->name);
    if (sqlite3_prepare_v2(r->db, text_get(&sql), -1, &s, NULL) != SQLITE_OK)
        damaged(r);
    text_release(&sql);
    return s;
}

/* The next row. False at the end and on damage (then the error is set). A row has a byte a column
 * at least, so pages that are linked in circles come to an end here. */
static bool next_row(struct reader *r, sqlite3_stmt *s, const char *table, size_t columns)
{
    if (s == NULL || r->err->kind != ERROR_NONE)
        return false;
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW) {
        if (rc != SQLITE_DONE)
            damaged(r);
        return false;
    }
    if (r->room < columns)
        return error_set(
            r->err, ERROR_INPUT,
            "is damaged: table \"%s\" has more rows than a file of %llu bytes can hold", table,
            (unsigned long long)r->file_bytes);
    r->room -= columns;
    if (++r->row_count > ROWS_MOST)
        return error_set(r->err, ERROR_LIMIT, "has more than %llu rows, the most that is read",
                         (unsigned long long)ROWS_MOST);
    return true;
}

static struct reader_proc *proc_of(struct reader *r, uint32_t proc)
{
    bool is_new;
    uint64_t *at = map_at(&r->proc_index, (struct map_key){1, proc}, &is_new);
    INVARIANT(at != NULL);
    if (is_new) {
        r->procs = rows_grow(r->procs, r->proc_count, sizeof(*r->procs));
        r->procs[r->proc_count] = (struct reader_proc){.proc = proc};
        *at = r->proc_count++;
    }
    return &r->procs[*at];
}

static void too_large(struct reader *r, const char *table, const char *column, int64_t value,
                      uint64_t most)
{
    error_set(r->err, ERROR_INPUT, "is damaged: \"%s\".\"%s\" is %lld; it must be 0 to %llu", table,
              column, (long long)value, (unsigned long long)most);
}

/* Column ${at} as a number of 32 bits. */
static uint32_t number32(struct reader *r, sqlite3_stmt *s, int at, const char *table)
{
    int64_t value = sqlite3_column_int64(s, at);
    if (value < 0 || value > UINT32_MAX)
        too_large(r, table, sqlite3_column_name(s, at), value, UINT32_MAX);
    return (uint32_t)value;
}

/* Column ${at} as text of at most ${most} bytes, "" for NULL, good until the next step. */
static const char *text_of(struct reader *r, sqlite3_stmt *s, int at, size_t most,
                           const char *table)
{
    const char *text = (const char *)sqlite3_column_text(s, at);
    size_t len = (size_t)sqlite3_column_bytes(s, at);
    if (text == NULL)
        return "";
    if (len > most) {
        error_set(r->err, ERROR_INPUT, "is damaged: \"%s\".\"%s\" has %zu bytes; %zu are allowed",
                  table, sqlite3_column_name(s, at), len, most);
        return "";
    }
    return text;
}

static const char *label_of(struct reader *r, sqlite3_stmt *s, int at, const char *table,
                            struct digest_cell *cell)
{
    *cell = (struct digest_cell){.text = text_of(r, s, at, SCHEMA_LABEL_MOST_BYTES, table)};
    char *clean = arena_strdup(&r->j->arena, cell->text);
    record_clean_text(clean, strlen(clean));
    return clean;
}

/* Column ${at} as JSON; NULL for an empty text. */
static json_t *json_of(struct reader *r, sqlite3_stmt *s, int at, const char *table,
                       struct digest_cell *cell)
{
    json_error_t at_fault;
    *cell = (struct digest_cell){.text = text_of(r, s, at, SCHEMA_JSON_MOST_BYTES, table)};
    if (cell->text[0] == '\0' || r->err->kind != ERROR_NONE)
        return NULL;
    json_t *json = json_loads(cell->text, JSON_DECODE_ANY, &at_fault);
    if (json == NULL)
        error_set(r->err, ERROR_INPUT, "is damaged: the JSON of table \"%s\": line %d: %.120s",
                  table, at_fault.line, at_fault.text);
    return json;
}

static uint64_t time_of(sqlite3_stmt *s, int at, struct digest_cell *cell)
{
    *cell = (struct digest_cell){.number = sqlite3_column_int64(s, at)};
    return (uint64_t)cell->number;
}

static uint32_t count_of(struct reader *r, sqlite3_stmt *s, int at, const char *table,
                         struct digest_cell *cell)
{
    *cell = (struct digest_cell){.number = number32(r, s, at, table)};
    return (uint32_t)cell->number;
}

static void count_row(struct reader_proc *p, uint64_t digest)
{
    p->rows++;
    p->digest += digest;
}

static void own_row(struct reader *r, const char *tag, const struct digest_cell *cells,
                    size_t count)
{
    count_row(&r->procs[0], digest_row(tag, cells, count));
}

static void read_document(struct reader *r, sqlite3_stmt *s, const struct schema_table *table,
                          json_t **to)
{
    struct digest_cell cell;
    while (next_row(r, s, table->name, table->count)) {
        if (*to != NULL) {
            error_set(r->err, ERROR_INPUT, "is damaged: table \"%s\" has more than one row",
                      table->name);
            return;
        }
        *to = json_of(r, s, 0, table->name, &cell);
        own_row(r, table->name, &cell, 1);
    }
}

static void read_run(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    read_document(r, s, table, &r->j->run);
}

static void read_plan(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    read_document(r, s, table, &r->j->plan);
}

static void read_policy(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    read_document(r, s, table, &r->j->policy);
}

static void read_procs(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    struct journal *j = r->j;
    while (next_row(r, s, table->name, table->count)) {
        struct digest_cell c[5];
        struct journal_proc p = {.proc = count_of(r, s, 0, table->name, &c[0]),
                                 .role = label_of(r, s, 1, table->name, &c[1]),
                                 .arm = label_of(r, s, 2, table->name, &c[2]),
                                 .service = label_of(r, s, 3, table->name, &c[3]),
                                 .pid = (int64_t)time_of(s, 4, &c[4])};
        own_row(r, "proc", c, COUNT_OF(c));
        j->procs = rows_grow(j->procs, j->proc_count, sizeof(*j->procs));
        j->procs[j->proc_count++] = p;
    }
}

static void read_phases(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    struct journal *j = r->j;
    while (next_row(r, s, table->name, table->count)) {
        struct digest_cell c[6], e[3];
        struct journal_phase p = {.phase = count_of(r, s, 0, table->name, &c[0]),
                                  .scenario = count_of(r, s, 1, table->name, &c[1]),
                                  .arm = label_of(r, s, 2, table->name, &c[2]),
                                  .name = label_of(r, s, 3, table->name, &c[3]),
                                  .ordinal = count_of(r, s, 4, table->name, &c[4]),
                                  .t0_ns = time_of(s, 5, &c[5]),
                                  .t1_ns = UINT64_MAX};
        own_row(r, "phase", c, COUNT_OF(c));
        if (sqlite3_column_type(s, 6) != SQLITE_NULL) {
            e[0] = c[0];
            p.why = label_of(r, s, 7, table->name, &e[1]);
            p.t1_ns = time_of(s, 6, &e[2]);
            own_row(r, "phase end", e, COUNT_OF(e));
        }
        j->phases = rows_grow(j->phases, j->phase_count, sizeof(*j->phases));
        j->phases[j->phase_count++] = p;
    }
}

static void read_events(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    struct journal *j = r->j;
    while (next_row(r, s, table->name, table->count)) {
        struct digest_cell c[4];
        struct journal_event e = {.phase = count_of(r, s, 0, table->name, &c[0]),
                                  .t_ns = time_of(s, 1, &c[1]),
                                  .what = label_of(r, s, 2, table->name, &c[2]),
                                  .json = json_of(r, s, 3, table->name, &c[3])};
        own_row(r, "event", c, COUNT_OF(c));
        j->events = rows_grow(j->events, j->event_count, sizeof(*j->events));
        j->events[j->event_count++] = e;
    }
}

static void read_end(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    struct journal *j = r->j;
    while (next_row(r, s, table->name, table->count)) {
        struct digest_cell c[3];
        if (j->end_how != NULL) {
            error_set(r->err, ERROR_INPUT, "is damaged: table \"end\" has more than one row");
            return;
        }
        j->end_how = label_of(r, s, 0, table->name, &c[0]);
        j->end = json_of(r, s, 1, table->name, &c[1]);
        j->end_ns = time_of(s, 2, &c[2]);
        own_row(r, "end", c, COUNT_OF(c));
    }
}

static void read_names(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    char clean[NAME_MOST_BYTES + 1];
    while (next_row(r, s, table->name, table->count)) {
        uint32_t proc = number32(r, s, 0, table->name), id = number32(r, s, 1, table->name);
        struct reader_proc *p = proc_of(r, proc);
        const char *text = text_of(r, s, 2, NAME_MOST_BYTES, table->name);
        size_t len = text[0] == '\0' ? 0 : (size_t)sqlite3_column_bytes(s, 2);
        if (r->err->kind != ERROR_NONE)
            return;
        /* the recorder numbers from 1 without gaps: so an array by number is as long as its rows */
        if (id != p->name_count + 1) {
            error_set(r->err, ERROR_INPUT,
                      "is damaged: name %u of process %u stands where %u comes next", id, proc,
                      p->name_count + 1);
            return;
        }
        count_row(p, digest_frame(id, RECORD_NAME, text, len));
        memcpy(clean, text, len);
        record_clean_text(clean, len);
        clean[len] = '\0';
        p->names = rows_grow(p->names, p->name_count, sizeof(*p->names));
        p->names[p->name_count++] = journal_add_name(r->j, clean);
    }
}

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
        too_large(r, r->type->name, f->name, value, (UINT64_C(1) << (8 * f->width)) - 1);
        return false;
    }
    put_number(record + f->offset, (uint64_t)value, f->width);
    return true;
}

static bool resolve_names(struct reader *r, const struct reader_proc *p,
                          const struct record_type *type, uint8_t *record)
{
    for (size_t i = 0; i < type->count; i++) {
        const struct record_field *f = &type->fields[i];
        uint32_t name;
        if (f->kind != FIELD_NAME)
            continue;
        memcpy(&name, record + f->offset, sizeof(name));
        if (name > p->name_count)
            return error_set(r->err, ERROR_INPUT,
                             "is damaged: \"%s\".\"%s\" is name %u of process %u, which has %u",
                             type->name, f->name, name, p->proc, p->name_count);
        if (name > 0)
            memcpy(record + f->offset, &p->names[name - 1], sizeof(name));
    }
    return true;
}

static bool take_origin(struct reader *r, sqlite3_value *from, const char *column, uint32_t *ret)
{
    int64_t value = sqlite3_value_int64(from);
    if (value < 0 || value > UINT32_MAX) {
        too_large(r, r->type->name, column, value, UINT32_MAX);
        return false;
    }
    *ret = (uint32_t)value;
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
    INVARIANT(count == type->count + 3);
    values++; /* the last column, see select_all */
    if (!take_origin(r, values[0], "proc", &origin[0]) ||
        !take_origin(r, values[1], "seq", &origin[1]))
        return;
    struct reader_proc *p = proc_of(r, origin[0]);
    for (size_t i = 0; i < type->count; i++) {
        if (!take_field(r, values[i + 2], &type->fields[i], r->row))
            return;
    }
    count_row(p, digest_frame(origin[1], type->kind, r->row, type->bytes));
    memcpy(r->row + type->bytes, origin, sizeof(origin));
    p->newest_seq = origin[1] > p->newest_seq ? origin[1] : p->newest_seq;
    (void)resolve_names(r, p, type, r->row);
}

static void read_records(struct reader *r, const struct record_type *type)
{
    struct schema_table table = {.name = type->name, .count = (size_t)type->count + 2};
    table.columns[0].name = "proc";
    table.columns[1].name = "seq";
    for (size_t i = 0; i < type->count; i++)
        table.columns[i + 2].name = type->fields[i].name;
    sqlite3_stmt *s = select_all(r, &table, TAKE);
    size_t count = 0, bytes = rows_bytes(type);
    uint8_t *rows = NULL;
    r->type = type;
    for (;; count++) {
        rows = rows_grow(rows, count, bytes);
        r->row = rows + count * bytes;
        if (!next_row(r, s, table.name, table.count) || r->err->kind != ERROR_NONE)
            break;
    }
    sqlite3_finalize(s);
    rows_set(r->j, type->kind, rows, count);
}

/* Every sum of the file's against ours. */
static void read_checksums(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    size_t matched = 0, filled = 0;
    for (size_t i = 0; i < r->proc_count; i++)
        filled += r->procs[i].rows > 0;
    while (next_row(r, s, table->name, table->count)) {
        int64_t proc = sqlite3_column_int64(s, 0);
        struct reader_proc *p =
            proc == -1 ? &r->procs[0] : proc_of(r, number32(r, s, 0, table->name));
        matched += p->rows > 0 && p->rows == (uint64_t)sqlite3_column_int64(s, 1) &&
                   p->digest == (uint64_t)sqlite3_column_int64(s, 2);
    }
    r->j->index->altered = matched != filled;
}

static void read_texts(struct reader *r)
{
    static const struct {
        const char *name;
        void (*read)(struct reader *r, sqlite3_stmt *s, const struct schema_table *table);
    } tables[] = {{"run", read_run},    {"plan", read_plan},    {"policy", read_policy},
                  {"proc", read_procs}, {"phase", read_phases}, {"event", read_events},
                  {"end", read_end},    {"name", read_names},   {"checksum", NULL}};
    for (size_t i = 0; i < COUNT_OF(tables) && r->err->kind == ERROR_NONE; i++) {
        struct schema_table table;
        schema_table(i, &table);
        INVARIANT(strcmp(table.name, tables[i].name) == 0);
        if (tables[i].read == NULL)
            continue;
        sqlite3_stmt *s = select_all(r, &table, NULL);
        tables[i].read(r, s, &table);
        sqlite3_finalize(s);
    }
}

static void finish(struct reader *r)
{
    struct schema_table table = {.name = ""};
    for (size_t i = 0; i < schema_table_count() && strcmp(table.name, "checksum") != 0; i++)
        schema_table(i, &table);
    INVARIANT(strcmp(table.name, "checksum") == 0);
    sqlite3_stmt *s = select_all(r, &table, NULL);
    read_checksums(r, s, &table);
    sqlite3_finalize(s);
    for (size_t i = 1; i < r->proc_count; i++) {
        struct reader_proc *p = &r->procs[i];
        *rows_seq(r->j, p->proc) = p->newest_seq;
    }
    journal_sort(r->j);
    journal_align(r->j);
}

bool reader_read(sqlite3 *db, unsigned version, uint64_t file_bytes, struct journal *j,
                 struct error *err)
{
    struct reader r = {.db = db, .j = j, .room = file_bytes, .file_bytes = file_bytes, .err = err};
    size_t count;
    const struct record_type *types = record_types(&count);
    r.procs = rows_grow(NULL, 0, sizeof(*r.procs));
    r.procs[0] = (struct reader_proc){0};
    r.proc_count = 1;
    map_init(&r.proc_index, SIZE_MAX / 2);
    if (sqlite3_create_function(db, TAKE, -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, &r, take_row, NULL,
                                NULL) != SQLITE_OK)
        damaged(&r);
    read_texts(&r);
    for (size_t i = 0; i < count && err->kind == ERROR_NONE; i++)
        if (schema_since(types[i].kind) <= version)
            read_records(&r, &types[i]);
    if (err->kind == ERROR_NONE)
        finish(&r);
    for (size_t i = 0; i < r.proc_count; i++)
        free(r.procs[i].names);
    free(r.procs);
    map_release(&r.proc_index);
    return err->kind == ERROR_NONE;
}
