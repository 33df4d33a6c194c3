#include "journal/store.h"

#include "base/map.h"
#include "journal/digest.h"
#include "journal/schema.h"
#include "journal/store_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define PROCS_MOST 4096
#define PHASES_MOST 100000
#define CONDUCTOR INT64_C(-1) /* proc of the checksum of the conductor's own rows */

struct store_proc {
    uint32_t proc, names;
    char *arm; /* NULL: not told yet, so its rows have no phase */
    uint64_t counts[RECORD_KINDS], rows, digest;
    uint64_t newest_ns;       /* latest first time of its records */
    bool changed;             /* since its checksum was written */
    struct tap_names *tapped; /* NULL: nothing of it was shown yet */
};

struct store_phase {
    uint32_t phase, scenario, ordinal;
    uint64_t t0_ns, t1_ns;
    char *arm, *name;
};

struct store {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *inserts[RECORD_KINDS], *checksum;
    struct store_proc *procs; /* [0] is the conductor */
    struct store_phase *phases;
    size_t proc_count, phase_count;
    struct map proc_index;
    struct tap *tap; /* NULL: nobody looks on */
    bool open;       /* a transaction is */
    bool merges;     /* rows in the order of their merge key, at the end */
    bool stale;      /* a row was written before its phase, or its process's arm, was known */
};

static bool failed(const struct store *s, struct error *err)
{
    return error_set(err, ERROR_SYSTEM, "writing %s: %s", s->path, sqlite3_errmsg(s->db));
}

static bool run_sql(struct store *s, const char *sql, struct error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || failed(s, err);
}

static bool prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct error *err)
{
    return sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) == SQLITE_OK ||
           failed(s, err);
}

static bool prepare_inserts(struct store *s, struct error *err)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    for (size_t i = 0; i < count; i++) {
        struct text sql;
        text_init(&sql, 4096);
        text_add(&sql, "INSERT INTO \"%s\" VALUES (?", types[i].name);
        for (size_t k = 1; k < (size_t)types[i].count + 3; k++)
            text_add(&sql, ",?");
        text_add(&sql, ")");
        bool ok = prepare(s, text_get(&sql), &s->inserts[types[i].kind], err);
        text_release(&sql);
        if (!ok)
            return false;
    }
    return prepare(s, "INSERT INTO \"name\" VALUES (?,?,?)", &s->inserts[RECORD_NAME], err) &&
           prepare(s, "INSERT OR REPLACE INTO \"checksum\" VALUES (?,?,?)", &s->checksum, err);
}

/* A new file, 0600: a journal holds paths and headers of the system under test. */
static bool make_file(const char *path, struct error *err)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_INPUT,
                         "%s exists already; evidence is never overwritten, so name another file",
                         path);
    if (fd < 0)
        return error_system(err, errno, "making %s", path);
    close(fd);
    return true;
}

bool store_open(const char *path, struct store **ret, struct error *err)
{
    static const char settings[] =
        "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        "PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-16384;";
    if (!make_file(path, err))
        return false;
    struct store *s = check_alloc_zero(1, sizeof(*s));
    s->path = check_strdup(path);
    s->procs = check_alloc_zero(1, sizeof(*s->procs));
    s->proc_count = 1;
    map_init(&s->proc_index, PROCS_MOST);
    bool ok = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
                  SQLITE_OK ||
              failed(s, err);
    if (ok)
        sqlite3_busy_timeout(s->db, 2000);
    if (ok && run_sql(s, settings, err) && run_sql(s, "BEGIN", err) && schema_create(s->db, err) &&
        run_sql(s, "COMMIT", err) && prepare_inserts(s, err)) {
        *ret = s;
        return true;
    }
    store_close(s, false, NULL);
    unlink(path); /* made above, and nothing in it */
    return false;
}

void store_tap(struct store *s, tap_on_row *on_row, void *cookie)
{
    INVARIANT(s->tap == NULL);
    s->tap = tap_new(on_row, cookie);
}

void store_merges(struct store *s)
{
    s->merges = true;
}

/* Opens a transaction for the first write since the last commit. */
static bool begin(struct store *s, struct error *err)
{
    if (!s->open && !run_sql(s, "BEGIN", err))
        return false;
    s->open = true;
    return true;
}

static bool step(struct store *s, sqlite3_stmt *statement, struct error *err)
{
    bool ok = sqlite3_step(statement) == SQLITE_DONE || failed(s, err);
    sqlite3_reset(statement);
    return ok;
}

static struct store_proc *proc_of(struct store *s, uint32_t proc, struct error *err)
{
    bool is_new;
    uint64_t *at = map_at(&s->proc_index, (struct map_key){1, proc}, &is_new);
    if (at == NULL) {
        error_set(err, ERROR_LIMIT, "more than the %d processes that a journal holds", PROCS_MOST);
        return NULL;
    }
    if (is_new) {
        s->procs = check_realloc(s->procs, (s->proc_count + 1) * sizeof(*s->procs));
        s->procs[s->proc_count] = (struct store_proc){.proc = proc};
        *at = s->proc_count++;
    }
    return &s->procs[*at];
}

/* Its names, for who looks on. */
static struct tap_names *tapped(struct store *s, struct store_proc *p)
{
    if (p->tapped == NULL)
        p->tapped = tap_names_new(s->tap, p->proc);
    return p->tapped;
}

static void count_row(struct store_proc *p, uint64_t digest)
{
    p->rows++;
    p->digest += digest;
    p->changed = true;
}

static bool add_name(struct store *s, struct store_proc *p, struct bytes body, struct error *err)
{
    char text[NAME_MOST_BYTES];
    uint32_t id;
    if (body.len < sizeof(id) || body.len > sizeof(id) + sizeof(text))
        return error_set(err, ERROR_PEER, "process %u sent a name frame of %zu bytes", p->proc,
                         body.len);
    memcpy(&id, body.at, sizeof(id));
    if (id != p->names + 1 || id > NAMES_MOST)
        return error_set(err, ERROR_PEER, "process %u sent name %u where %u comes next", p->proc,
                         id, p->names + 1);
    size_t len = body.len - sizeof(id);
    memcpy(text, body.at + sizeof(id), len);
    record_clean_text(text, len);
    sqlite3_stmt *i = s->inserts[RECORD_NAME];
    sqlite3_bind_int64(i, 1, p->proc);
    sqlite3_bind_int64(i, 2, id);
    sqlite3_bind_text(i, 3, text, (int)len, SQLITE_STATIC);
    p->names++;
    count_row(p, digest_frame(id, RECORD_NAME, text, len));
    if (s->tap != NULL)
        tap_name(s->tap, tapped(s, p), text, len);
    return step(s, i, err);
}

/* The phase of ${arm} that holds ${t}; -1: none. Phases of an arm begin in order of time. */
static int64_t phase_at(const struct store *s, const char *arm, uint64_t t_ns)
{
    for (size_t i = s->phase_count; arm != NULL && i > 0; i--) {
        const struct store_phase *p = &s->phases[i - 1];
        if (p->t0_ns <= t_ns && strcmp(p->arm, arm) == 0)
            return t_ns < p->t1_ns ? (int64_t)p->phase : -1;
    }
    return -1;
}

/* Checks the name fields, and makes real numbers what SQLite gives back: NaN is NULL, -0 is 0. */
static bool settle(const struct store_proc *p, const struct record_type *type, uint8_t *record,
                   struct error *err)
{
    for (size_t i = 0; i < type->count; i++) {
        const struct record_field *f = &type->fields[i];
        if (f->kind == FIELD_NAME && record_get(f, record) > p->names)
            return error_set(err, ERROR_PEER,
                             "process %u used name %llu in %s.%s and never sent it", p->proc,
                             (unsigned long long)record_get(f, record), type->name, f->name);
        if (f->kind == FIELD_REAL) {
            double value;
            memcpy(&value, record + f->offset, sizeof(value));
            value = isnan(value) ? (double)NAN : value + 0.0;
            memcpy(record + f->offset, &value, sizeof(value));
        }
    }
    return true;
}

static void bind_field(sqlite3_stmt *to, int at, const struct record_field *f, const void *record)
{
    uint64_t bits = record_get(f, record);
    double real;
    if (f->kind == FIELD_REAL) {
        memcpy(&real, &bits, sizeof(real));
        sqlite3_bind_double(to, at, real);
    } else {
        sqlite3_bind_int64(to, at, (sqlite3_int64)bits);
    }
}

bool store_frame(struct store *s, uint32_t proc, uint32_t seq, uint8_t kind, struct bytes body,
                 struct error *err)
{
    uint8_t record[256];
    const struct record_type *type = record_type_of(kind);
    if (type == NULL && kind != RECORD_NAME)
        return true;
    struct store_proc *p = proc_of(s, proc, err);
    if (p == NULL || !begin(s, err))
        return false;
    if (kind == RECORD_NAME)
        return add_name(s, p, body, err);
    INVARIANT(type->bytes <= sizeof(record));
    if (body.len != type->bytes)
        return error_set(err, ERROR_PEER,
                         "process %u sent a record of kind %s with %zu bytes; it has %u", proc,
                         type->name, body.len, type->bytes);
    memcpy(record, body.at, body.len);
    if (!settle(p, type, record, err))
        return false;
    uint64_t t_ns = record_get(&type->fields[0], record);
    int64_t phase = phase_at(s, p->arm, t_ns);
    sqlite3_stmt *i = s->inserts[kind];
    sqlite3_bind_int64(i, 1, proc);
    sqlite3_bind_int64(i, 2, seq);
    if (phase < 0)
        sqlite3_bind_null(i, 3);
    else
        sqlite3_bind_int64(i, 3, phase);
    for (size_t k = 0; k < type->count; k++)
        bind_field(i, (int)k + 4, &type->fields[k], record);
    p->newest_ns = t_ns > p->newest_ns ? t_ns : p->newest_ns;
    p->counts[kind]++;
    count_row(p, digest_frame(seq, kind, record, type->bytes));
    if (!step(s, i, err))
        return false;
    if (s->tap != NULL)
        tap_record(s->tap, tapped(s, p), (enum record_kind)kind, record);
    return true;
}

bool store_commit(struct store *s, struct error *err)
{
    if (!s->open)
        return true;
    for (size_t i = 0; i < s->proc_count; i++) {
        struct store_proc *p = &s->procs[i];
        if (!p->changed)
            continue;
        sqlite3_bind_int64(s->checksum, 1, i == 0 ? CONDUCTOR : (int64_t)p->proc);
        sqlite3_bind_int64(s->checksum, 2, (sqlite3_int64)p->rows);
        sqlite3_bind_int64(s->checksum, 3, (sqlite3_int64)p->digest);
        if (!step(s, s->checksum, err))
            return false;
        p->changed = false;
    }
    s->open = false;
    return run_sql(s, "COMMIT", err);
}

uint64_t store_count(const struct store *s, uint32_t proc, enum record_kind kind)
{
    const uint64_t *at = map_find(&s->proc_index, (struct map_key){1, proc});
    return at == NULL ? 0 : s->procs[*at].counts[kind];
}

/* What is longer than the reader takes is refused here, not found out when the run is over. */
static bool fits(const char *tag, const struct digest_cell *cell, size_t most, struct error *err)
{
    return cell->text == NULL || strlen(cell->text) <= most ||
           error_set(err, ERROR_LIMIT, "a text of table %s has %zu bytes; a journal takes %zu", tag,
                     strlen(cell->text), most);
}

/* One of the conductor's own rows: ${sql} with a cell for each of its marks. JSON stands in the
 * columns that ${json_at} names by bit. */
static bool put_row(struct store *s, const char *tag, const char *sql,
                    const struct digest_cell *cells, size_t count, unsigned json_at,
                    struct error *err)
{
    sqlite3_stmt *row = NULL;
    for (size_t i = 0; i < count; i++) {
        bool is_json = (json_at >> i & 1) != 0;
        if (!fits(tag, &cells[i], is_json ? SCHEMA_JSON_MOST_BYTES : SCHEMA_LABEL_MOST_BYTES, err))
            return false;
    }
    if (!begin(s, err) || !prepare(s, sql, &row, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (cells[i].text != NULL)
            sqlite3_bind_text(row, (int)i + 1, cells[i].text, -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(row, (int)i + 1, cells[i].number);
    }
    count_row(&s->procs[0], digest_row(tag, cells, count));
    bool ok = step(s, row, err);
    sqlite3_finalize(row);
    return ok;
}

static struct digest_cell text_cell(const char *text)
{
    return (struct digest_cell){.text = text == NULL ? "" : text};
}

static struct digest_cell number_cell(uint64_t number)
{
    return (struct digest_cell){.number = (int64_t)number};
}

bool store_run(struct store *s, const char *json, struct error *err)
{
    return put_row(s, "run", "INSERT INTO \"run\" VALUES (?)",
                   (struct digest_cell[]){text_cell(json)}, 1, 1, err);
}

bool store_plan(struct store *s, const char *json, struct error *err)
{
    return put_row(s, "plan", "INSERT INTO \"plan\" VALUES (?)",
                   (struct digest_cell[]){text_cell(json)}, 1, 1, err);
}

bool store_policy(struct store *s, const char *json, struct error *err)
{
    return put_row(s, "policy", "INSERT INTO \"policy\" VALUES (?)",
                   (struct digest_cell[]){text_cell(json)}, 1, 1, err);
}

bool store_proc(struct store *s, uint32_t proc, const char *role, const char *arm,
                const char *service, int64_t pid, struct error *err)
{
    struct store_proc *p = proc_of(s, proc, err);
    struct digest_cell cells[] = {number_cell(proc), text_cell(role), text_cell(arm),
                                  text_cell(service), number_cell((uint64_t)pid)};
    if (p == NULL)
        return false;
    s->stale = s->stale || p->newest_ns > 0;
    free(p->arm);
    p->arm = check_strdup(cells[2].text);
    if (!put_row(s, "proc", "INSERT INTO \"proc\" VALUES (?,?,?,?,?)", cells, COUNT_OF(cells), 0,
                 err))
        return false;
    if (s->tap != NULL)
        tap_proc(s->tap, tapped(s, p),
                 &(struct journal_proc){proc, cells[1].text, cells[2].text, cells[3].text, pid});
    return true;
}

static void tell_phase(const struct store *s, const struct store_phase *p, const char *why)
{
    if (s->tap != NULL)
        tap_phase(s->tap, &(struct journal_phase){.phase = p->phase,
                                                  .scenario = p->scenario,
                                                  .ordinal = p->ordinal,
                                                  .arm = p->arm,
                                                  .name = p->name,
                                                  .why = why,
                                                  .t0_ns = p->t0_ns,
                                                  .t1_ns = p->t1_ns});
}

/* A boundary at ${t} moves rows that are already written. */
static void note_boundary(struct store *s, const char *arm, uint64_t t_ns)
{
    for (size_t i = 1; i < s->proc_count && !s->stale; i++)
        s->stale = s->procs[i].newest_ns >= t_ns && s->procs[i].arm != NULL &&
                   strcmp(s->procs[i].arm, arm) == 0;
}

bool store_phase_begin(struct store *s, uint32_t phase, uint32_t scenario, const char *arm,
                       const char *name, uint32_t ordinal, uint64_t t_ns, struct error *err)
{
    struct digest_cell cells[] = {number_cell(phase), number_cell(scenario), text_cell(arm),
                                  text_cell(name),    number_cell(ordinal),  number_cell(t_ns)};
    if (s->phase_count >= PHASES_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d phases that a journal holds",
                         PHASES_MOST);
    if ((s->phase_count & (s->phase_count - 1)) == 0) /* doubles at each power of two */
        s->phases = check_realloc(s->phases, (s->phase_count * 2 + 1) * sizeof(*s->phases));
    struct store_phase *p = &s->phases[s->phase_count++];
    *p = (struct store_phase){.phase = phase,
                              .scenario = scenario,
                              .ordinal = ordinal,
                              .t0_ns = t_ns,
                              .t1_ns = UINT64_MAX,
                              .arm = check_strdup(cells[2].text),
                              .name = check_strdup(cells[3].text)};
    note_boundary(s, cells[2].text, t_ns);
    if (!put_row(s, "phase", "INSERT INTO \"phase\" VALUES (?,?,?,?,?,?,NULL,NULL)", cells,
                 COUNT_OF(cells), 0, err))
        return false;
    tell_phase(s, p, NULL);
    return true;
}

bool store_phase_end(struct store *s, uint32_t phase, const char *why, uint64_t t_ns,
                     struct error *err)
{
    struct digest_cell cells[] = {number_cell(phase), text_cell(why), number_cell(t_ns)};
    for (size_t i = s->phase_count; i > 0; i--) {
        struct store_phase *p = &s->phases[i - 1];
        if (p->phase != phase)
            continue;
        p->t1_ns = t_ns;
        note_boundary(s, p->arm, t_ns);
        if (!put_row(s, "phase end",
                     "UPDATE \"phase\" SET \"why\"=?2, \"t1\"=?3 WHERE \"phase\"=?1", cells,
                     COUNT_OF(cells), 0, err))
            return false;
        tell_phase(s, p, cells[1].text);
        return true;
    }
    return error_set(err, ERROR_PEER, "phase %u ended and never began", phase);
}

bool store_event(struct store *s, uint32_t phase, const char *what, const char *json, uint64_t t_ns,
                 struct error *err)
{
    struct digest_cell cells[] = {number_cell(phase), number_cell(t_ns), text_cell(what),
                                  text_cell(json)};
    if (!put_row(s, "event", "INSERT INTO \"event\" VALUES (?,?,?,?)", cells, COUNT_OF(cells), 8,
                 err))
        return false;
    if (s->tap != NULL)
        tap_event(s->tap, phase, t_ns, cells[2].text, cells[3].text);
    return true;
}

bool store_event_json(struct store *s, uint32_t phase, const char *what, json_t *take_json,
                      uint64_t t_ns, struct error *err)
{
    char *text = take_json == NULL ? NULL : json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    bool ok = store_event(s, phase, what, text == NULL ? "{}" : text, t_ns, err);
    free(text);
    return ok;
}

bool store_end(struct store *s, const char *how, const char *json, uint64_t t_ns, struct error *err)
{
    struct digest_cell cells[] = {text_cell(how), text_cell(json), number_cell(t_ns)};
    if (!put_row(s, "end", "INSERT INTO \"end\" VALUES (?,?,?)", cells, COUNT_OF(cells), 2, err))
        return false;
    if (s->tap != NULL)
        tap_end(s->tap, &(struct journal_end){cells[0].text, t_ns});
    return true;
}

/* Rows written before their phase was known are few (a boundary stamped in the past), but then all
 * of a table may be wrong, so each is looked at again. */
static bool fill_phases(struct store *s, struct error *err)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    for (size_t i = 0; i < count; i++) {
        struct text sql;
        text_init(&sql, 2048);
        text_add(&sql,
                 "UPDATE \"%s\" AS r SET \"phase\" = (SELECT CASE WHEN p.\"t1\" IS NULL OR "
                 "r.\"%s\" < p.\"t1\" THEN p.\"phase\" END FROM \"proc\" AS q JOIN \"phase\" AS p "
                 "ON p.\"arm\" = q.\"arm\" WHERE q.\"proc\" = r.\"proc\" AND p.\"t0\" <= r.\"%s\" "
                 "ORDER BY p.\"t0\" DESC, p.rowid DESC LIMIT 1)",
                 types[i].name, types[i].fields[0].name, types[i].fields[0].name);
        INVARIANT(!sql.full);
        bool ok = run_sql(s, text_get(&sql), err);
        text_release(&sql);
        if (!ok)
            return false;
    }
    return true;
}

/* Indexes for people's SQL only: the reader scans. Made once, they cost a quarter of what they
 * would during the run (engine.md section 6). */
static bool finish(struct store *s, struct error *err)
{
    if (s->merges)
        store_merge(s->db, NULL);
    if (!begin(s, err) || (s->stale && !fill_phases(s, err)) ||
        !run_sql(s,
                 "CREATE INDEX \"attempt_id\" ON \"attempt\" (\"id_lo\", \"id_hi\");"
                 "CREATE INDEX \"request_id\" ON \"request\" (\"id_lo\", \"id_hi\");",
                 err) ||
        !store_commit(s, err))
        return false;
    if (s->merges)
        store_merge_pack(s->db, NULL);
    /* A reader that has the file open keeps its -wal alive; the evidence is whole all the same. */
    sqlite3_exec(s->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    sqlite3_exec(s->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    return true;
}

static void free_phase(struct store_phase *p)
{
    free(p->arm);
    free(p->name);
}

static void release(struct store *s)
{
    for (size_t i = 0; i < RECORD_KINDS; i++)
        sqlite3_finalize(s->inserts[i]);
    sqlite3_finalize(s->checksum);
    sqlite3_close(s->db);
    for (size_t i = 0; i < s->proc_count; i++)
        free(s->procs[i].arm);
    for (size_t i = 0; i < s->phase_count; i++)
        free_phase(&s->phases[i]);
    free(s->procs);
    free(s->phases);
    free(s->path);
    map_release(&s->proc_index);
    tap_free(s->tap);
    free(s);
}

bool store_close(struct store *s, bool final, struct error *err)
{
    if (s == NULL)
        return true;
    bool ok = store_commit(s, err) && (!final || finish(s, err));
    release(s);
    return ok;
}
