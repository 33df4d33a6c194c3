#include "journal/reader_inside.h"

#include "journal/digest.h"

#include <stdlib.h>

#define ROWS_MOST UINT64_C(100000000)

bool reader_damaged(struct reader *r)
{
    return error_set(r->err, ERROR_INPUT, "is damaged: %s", sqlite3_errmsg(r->db));
}

/* A query over a table in the order of its rows, past any index that the file brings; of what the
 * function ${through} makes of the columns, where one is named, and of those rows that are ${where}
 * (NULL: all). */
sqlite3_stmt *reader_select(struct reader *r, const struct schema_table *table, const char *through,
                            const char *where)
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
    text_add(&sql, "%s FROM main.\"%s\" NOT INDEXED %s%s ORDER BY rowid",
             through == NULL ? "" : ")", table->name, where == NULL ? "" : "WHERE ",
             where == NULL ? "" : where);
    if (sqlite3_prepare_v2(r->db, text_get(&sql), -1, &s, NULL) != SQLITE_OK)
        reader_damaged(r);
    text_release(&sql);
    return s;
}

/* A row has a byte a column at least, so pages that are linked in circles come to an end here. */
bool reader_room(struct reader *r, const char *table, size_t columns)
{
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

/* The next row. False at the end and on damage (then the error is set). */
bool reader_next(struct reader *r, sqlite3_stmt *s, const char *table, size_t columns)
{
    if (s == NULL || r->err->kind != ERROR_NONE)
        return false;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return reader_room(r, table, columns);
    if (rc != SQLITE_DONE)
        reader_damaged(r);
    return false;
}

/* Rows come in long runs of one process. */
struct reader_proc *reader_proc_of(struct reader *r, uint32_t proc)
{
    bool is_new;
    if (r->last_proc != 0 && r->procs[r->last_proc].proc == proc)
        return &r->procs[r->last_proc];
    uint64_t *at = map_at(&r->proc_index, (struct map_key){1, proc}, &is_new);
    INVARIANT(at != NULL);
    if (is_new) {
        r->procs = rows_grow(r->procs, r->proc_count, sizeof(*r->procs));
        r->procs[r->proc_count] = (struct reader_proc){.proc = proc};
        *at = r->proc_count++;
    }
    r->last_proc = *at;
    return &r->procs[*at];
}

void reader_too_large(struct reader *r, const char *table, const char *column, int64_t value,
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
        reader_too_large(r, table, sqlite3_column_name(s, at), value, UINT32_MAX);
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

void reader_count(struct reader_proc *p, uint64_t digest)
{
    p->rows++;
    p->digest += digest;
}

static void own_row(struct reader *r, const char *tag, const struct digest_cell *cells,
                    size_t count)
{
    reader_count(&r->procs[0], digest_row(tag, cells, count));
}

static void read_document(struct reader *r, sqlite3_stmt *s, const struct schema_table *table,
                          json_t **to)
{
    struct digest_cell cell;
    while (reader_next(r, s, table->name, table->count)) {
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
    while (reader_next(r, s, table->name, table->count)) {
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
    while (reader_next(r, s, table->name, table->count)) {
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
    while (reader_next(r, s, table->name, table->count)) {
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
    while (reader_next(r, s, table->name, table->count)) {
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
    while (reader_next(r, s, table->name, table->count)) {
        uint32_t proc = number32(r, s, 0, table->name), id = number32(r, s, 1, table->name);
        struct reader_proc *p = reader_proc_of(r, proc);
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
        reader_count(p, digest_frame(id, RECORD_NAME, text, len));
        memcpy(clean, text, len);
        record_clean_text(clean, len);
        clean[len] = '\0';
        p->names = rows_grow(p->names, p->name_count, sizeof(*p->names));
        p->names[p->name_count++] = journal_add_name(r->j, clean);
    }
}

/* Every sum of the file's against ours. */
static void read_checksums(struct reader *r, sqlite3_stmt *s, const struct schema_table *table)
{
    size_t matched = 0, filled = 0;
    for (size_t i = 0; i < r->proc_count; i++)
        filled += r->procs[i].rows > 0;
    while (reader_next(r, s, table->name, table->count)) {
        int64_t proc = sqlite3_column_int64(s, 0);
        struct reader_proc *p =
            proc == -1 ? &r->procs[0] : reader_proc_of(r, number32(r, s, 0, table->name));
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
        sqlite3_stmt *s = reader_select(r, &table, NULL, NULL);
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
    sqlite3_stmt *s = reader_select(r, &table, NULL, NULL);
    read_checksums(r, s, &table);
    sqlite3_finalize(s);
    for (size_t i = 1; i < r->proc_count; i++) {
        struct reader_proc *p = &r->procs[i];
        *rows_seq(r->j, p->proc) = p->newest_seq;
    }
    journal_sort(r->j);
    r->clocks = clocks_new(r->j);
    clocks_align_all(r->clocks, r->j);
}

struct reader *reader_new(sqlite3 *take_db, uint64_t file_bytes, struct journal *j)
{
    struct reader *r = check_alloc_zero(1, sizeof(*r));
    *r = (struct reader){.db = take_db, .j = j, .room = file_bytes, .file_bytes = file_bytes};
    r->procs = rows_grow(NULL, 0, sizeof(*r->procs));
    r->procs[0] = (struct reader_proc){0};
    r->proc_count = 1;
    map_init(&r->proc_index, SIZE_MAX / 2);
    return r;
}

void reader_free(struct reader *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->proc_count; i++)
        free(r->procs[i].names);
    free(r->procs);
    map_release(&r->proc_index);
    for (size_t i = 0; i < READER_WIDE; i++)
        free(r->blocks[i].at);
    clocks_free(r->clocks);
    btree_free(r->pages);
    sqlite3_close(r->db);
    free(r);
}

enum reader_end reader_read(struct reader *r, unsigned version, bool by_pages, uint64_t keep_bytes,
                            struct error *err)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    r->err = err;
    r->keep_bytes = keep_bytes;
    read_texts(r);
    r->sliced = keep_bytes != UINT64_MAX && err->kind == ERROR_NONE && reader_has_slices(r->j);
    r->pages = by_pages && err->kind == ERROR_NONE ? btree_new(r->db) : NULL;
    for (size_t i = 0; i < count && err->kind == ERROR_NONE && !r->odd; i++)
        if (schema_since(types[i].kind) <= version)
            reader_read_rows(r, &types[i]);
    if (r->odd) {
        *err = (struct error){0}; /* SQLite's word on it counts */
        return READER_ODD;
    }
    if (err->kind == ERROR_NONE)
        finish(r);
    return err->kind == ERROR_NONE ? READER_DONE : READER_FAILED;
}
