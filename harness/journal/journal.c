#include "journal/journal.h"

#include "journal/reader.h"
#include "journal/rows.h"
#include "journal/schema.h"

#include <errno.h>
#include <sys/stat.h>

static bool sql_failed(sqlite3 *db, struct error *err)
{
    int rc = sqlite3_errcode(db) & 0xff;
    if (rc == SQLITE_NOTADB)
        return error_set(err, ERROR_INPUT, "is not a journal: it is no SQLite database");
    if (rc == SQLITE_CANTOPEN || rc == SQLITE_PERM || rc == SQLITE_READONLY)
        return error_set(err, ERROR_INPUT, "cannot be read: %s", sqlite3_errmsg(db));
    if (rc == SQLITE_BUSY)
        return error_set(err, ERROR_INPUT, "cannot be read: another program has locked it");
    return error_set(err, ERROR_INPUT, "is damaged: %s", sqlite3_errmsg(db));
}

/* A file from elsewhere runs nothing: no triggers or views, no functions in its schema, no mmap
 * that a truncation would turn into SIGBUS, no text longer than a journal's. */
static bool harden(sqlite3 *db, struct error *err)
{
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)SCHEMA_JSON_MOST_BYTES + 65536);
    sqlite3_busy_timeout(db, 2000);
    return sqlite3_exec(db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=ON; BEGIN", NULL, NULL,
                        NULL) == SQLITE_OK ||
           sql_failed(db, err);
}

static bool pragma(sqlite3 *db, const char *sql, int64_t *ret, struct error *err)
{
    sqlite3_stmt *s = NULL;
    bool ok =
        sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW;
    *ret = ok ? sqlite3_column_int64(s, 0) : 0;
    if (!ok)
        sql_failed(db, err);
    sqlite3_finalize(s);
    return ok;
}

static bool check_format(sqlite3 *db, unsigned *ret_version, struct error *err)
{
    int64_t application, version;
    if (!pragma(db, "PRAGMA application_id", &application, err) ||
        !pragma(db, "PRAGMA user_version", &version, err))
        return false;
    if (application != SCHEMA_APPLICATION)
        return error_set(err, ERROR_INPUT,
                         "is not a journal: it is an SQLite database of another program");
    if (version > SCHEMA_VERSION)
        return error_set(err, ERROR_INPUT,
                         "is a journal of format %lld; this meshproof reads formats up to %d, so "
                         "use a newer one",
                         (long long)version, SCHEMA_VERSION);
    if (version < 1)
        return error_set(err, ERROR_INPUT, "is damaged: format %lld does not exist",
                         (long long)version);
    *ret_version = (unsigned)version;
    return schema_check(db, (unsigned)version, err);
}

/* The bytes of the database and of its -wal, which holds what was not yet checkpointed. */
static bool file_size(const char *path, uint64_t *ret, struct error *err)
{
    struct stat file, wal;
    if (stat(path, &file) != 0)
        return error_set(err, ERROR_INPUT, "cannot be read: %s", strerror(errno));
    if (!S_ISREG(file.st_mode))
        return error_set(err, ERROR_INPUT, "is not a journal: it is not a regular file");
    struct text name;
    text_init(&name, 8192);
    text_add(&name, "%s-wal", path);
    *ret = (uint64_t)file.st_size;
    if (stat(text_get(&name), &wal) == 0)
        *ret += (uint64_t)wal.st_size;
    text_release(&name);
    return true;
}

/* The database of ${path}, in the transaction in which all is read; NULL: it is no journal. */
static sqlite3 *open_file(const char *path, uint64_t *ret_bytes, unsigned *ret_version,
                          struct error *err)
{
    sqlite3 *db = NULL;
    if (!file_size(path, ret_bytes, err))
        return NULL;
    bool ok =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK ||
        sql_failed(db, err);
    ok = ok && harden(db, err) && check_format(db, ret_version, err);
    /* again: the snapshot is taken now, and a run may have written since */
    if (ok && file_size(path, ret_bytes, err))
        return db;
    sqlite3_close(db);
    return NULL;
}

/* NULL with no error: the pages are odd. */
static struct journal *read_file(const char *path, bool by_pages, uint64_t keep_bytes,
                                 struct error *err)
{
    uint64_t bytes;
    unsigned version = 0;
    sqlite3 *db = open_file(path, &bytes, &version, err);
    if (db == NULL)
        return NULL;
    struct journal *j = journal_new();
    struct reader *r = reader_new(db, bytes, j);
    j->path = arena_strdup(&j->arena, path);
    if (reader_read(r, version, by_pages, keep_bytes, err) != READER_DONE) {
        reader_free(r);
        journal_free(j);
        return NULL;
    }
    if (reader_let_go(r))
        j->index->reader = r;
    else
        reader_free(r);
    return j;
}

/* A damaged schema's own words may be in it. */
static bool failed(const char *path, struct error *local, struct error *err)
{
    for (char *c = local->text; *c != '\0'; c++)
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c;
    return error_set(err, local->kind, "%s %s", path, local->text);
}

bool journal_open_sliced(const char *path, uint64_t keep_bytes, struct journal **ret,
                         struct error *err)
{
    struct error local = {0};
    struct journal *j = read_file(path, true, keep_bytes, &local);
    if (j == NULL && local.kind == ERROR_NONE)
        j = read_file(path, false, keep_bytes, &local);
    if (j == NULL)
        return failed(path, &local, err);
    *ret = j;
    return true;
}

bool journal_open(const char *path, struct journal **ret, struct error *err)
{
    return journal_open_sliced(path, UINT64_MAX, ret, err);
}

bool journal_is_whole(const struct journal *j)
{
    return j->index->reader == NULL;
}

bool journal_load(struct journal *j, const struct journal_slice *slice, struct error *err)
{
    struct error local = {0};
    return j->index->reader == NULL || reader_load(j->index->reader, slice, &local) ||
           failed(j->path, &local, err);
}
