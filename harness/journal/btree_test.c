#include "journal/btree.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct place {
    char path[64];
    sqlite3 *db;
};

/* As a record's table, but for the names. */
struct row {
    uint64_t wide;
    double real;
    uint32_t four;
    uint16_t two;
    uint8_t one;
};
static const struct btree_column columns[] = {
    {offsetof(struct row, four), 4, false},
    {offsetof(struct row, wide), 8, false},
    {0, 0, false},
    {offsetof(struct row, real), 8, true},
    {offsetof(struct row, two), 2, false},
    {offsetof(struct row, one), 1, false},
};

static void run(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
        fail_msg("%s: %s", sql, text);
}

static int setup(void **state)
{
    struct place *p = check_alloc_zero(1, sizeof(*p));
    snprintf(p->path, sizeof(p->path), "/tmp/meshproof-btree-XXXXXX");
    int fd = mkstemp(p->path);
    if (fd < 0)
        return -1;
    close(fd);
    *state = p;
    return sqlite3_open(p->path, &p->db) == SQLITE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct place *p = *state;
    sqlite3_close(p->db);
    unlink(p->path);
    free(p);
    return 0;
}

/* Each length that an integer may have in a row, each near its ends; reals that are integers. */
static void fill(sqlite3 *db, int64_t rows)
{
    struct rng r = rng_of(3);
    sqlite3_stmt *s = NULL;
    run(db, "PRAGMA page_size=1024; CREATE TABLE t (four INTEGER, wide INTEGER, spare INTEGER, "
            "real REAL, two INTEGER, one INTEGER) STRICT; BEGIN");
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "INSERT INTO t (rowid, four, wide, spare, real, two, one) "
                                        "VALUES (?,?,?,?,?,?,?)",
                                        -1, &s, NULL),
                     SQLITE_OK);
    for (int64_t i = 0; i < rows; i++) {
        unsigned bits = (unsigned)rng_below(&r, 64);
        int64_t wide = (int64_t)(rng_next(&r) >> bits);
        sqlite3_bind_int64(s, 1, i * 3 - 100);
        sqlite3_bind_int64(s, 2, (int64_t)(rng_next(&r) & UINT32_MAX) >> rng_below(&r, 32));
        sqlite3_bind_int64(s, 3, i % 3 == 0 ? -wide : wide);
        sqlite3_bind_int64(s, 4, wide);
        if (i % 7 == 0)
            sqlite3_bind_null(s, 5);
        else
            sqlite3_bind_double(s, 5, i % 2 == 0 ? (double)i : (double)i / 3);
        sqlite3_bind_int64(s, 6, (int64_t)rng_below(&r, 65536));
        if (i % 5 == 0)
            sqlite3_bind_null(s, 7);
        else
            sqlite3_bind_int64(s, 7, (int64_t)rng_below(&r, 256));
        assert_int_equal(sqlite3_step(s), SQLITE_DONE);
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    run(db, "COMMIT; BEGIN; SELECT count(*) FROM sqlite_schema");
}

static uint32_t root_of(sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_schema WHERE name='t'", -1, &s, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    uint32_t root = (uint32_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return root;
}

struct told {
    sqlite3_stmt *s; /* the same rows, as SQLite has them */
    size_t rows;
};

static bool is_next(void *cookie, int64_t rowid, struct bytes record)
{
    struct told *t = cookie;
    struct row row = {0};
    assert_int_equal(sqlite3_step(t->s), SQLITE_ROW);
    assert_int_equal(rowid, sqlite3_column_int64(t->s, 0));
    assert_true(btree_take(record, columns, COUNT_OF(columns), COUNT_OF(columns), (uint8_t *)&row));
    assert_int_equal(row.four, sqlite3_column_int64(t->s, 1));
    assert_int_equal(row.wide, (uint64_t)sqlite3_column_int64(t->s, 2));
    if (sqlite3_column_type(t->s, 3) == SQLITE_NULL)
        assert_true(isnan(row.real));
    else
        assert_true(row.real == sqlite3_column_double(t->s, 3));
    assert_int_equal(row.two, sqlite3_column_int64(t->s, 4));
    assert_int_equal(row.one, sqlite3_column_int64(t->s, 5));
    t->rows++;
    return true;
}

static size_t scan_as_sqlite(sqlite3 *db, struct btree *b, int64_t from, int64_t to)
{
    struct told t = {0};
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT rowid, four, wide, real, two, one FROM t WHERE "
                                        "rowid BETWEEN ? AND ? ORDER BY rowid",
                                        -1, &t.s, NULL),
                     SQLITE_OK);
    sqlite3_bind_int64(t.s, 1, from);
    sqlite3_bind_int64(t.s, 2, to);
    assert_int_equal(btree_scan(b, root_of(db), from, to, is_next, &t), BTREE_DONE);
    assert_int_equal(sqlite3_step(t.s), SQLITE_DONE);
    sqlite3_finalize(t.s);
    return t.rows;
}

static void rows_are_what_sqlite_says(void **state)
{
    struct place *p = *state;
    fill(p->db, 5000);
    struct btree *b = btree_new(p->db);
    assert_non_null(b);
    assert_int_equal(scan_as_sqlite(p->db, b, INT64_MIN, INT64_MAX), 5000);
    assert_int_equal(scan_as_sqlite(p->db, b, 0, 3000), 1000);
    assert_int_equal(scan_as_sqlite(p->db, b, -100, -100), 1);
    assert_int_equal(scan_as_sqlite(p->db, b, 30000, INT64_MAX), 0);
    struct rng r = rng_of(4);
    for (int i = 0; i < 200; i++) {
        int64_t from = (int64_t)rng_below(&r, 15200) - 150;
        scan_as_sqlite(p->db, b, from, from + (int64_t)rng_below(&r, 2000));
    }
    btree_free(b);
}

static bool take_any(void *cookie, int64_t rowid, struct bytes record)
{
    struct row row = {0};
    (void)rowid;
    ++*(size_t *)cookie;
    return btree_take(record, columns, COUNT_OF(columns), COUNT_OF(columns), (uint8_t *)&row);
}

/* What is not a plain row of numbers that fit is SQLite's. */
static void what_is_out_of_the_common_is_left_to_sqlite(void **state)
{
    static const char *const changes[] = {
        "UPDATE t SET two=65536 WHERE rowid=2000",
        "UPDATE t SET one=-1 WHERE rowid=2000",
        "UPDATE t SET four=1<<32 WHERE rowid=2000",
        "ALTER TABLE t ADD COLUMN more INTEGER; UPDATE t SET more=1 WHERE rowid=2000",
        "ALTER TABLE t ADD COLUMN more TEXT; UPDATE t SET more=hex(zeroblob(2000)) WHERE "
        "rowid=2000",
    };
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        void *each = NULL;
        size_t rows = 0;
        assert_int_equal(setup(&each), 0);
        struct place *p = each;
        fill(p->db, 1000);
        run(p->db, "COMMIT");
        run(p->db, changes[i]);
        run(p->db, "BEGIN; SELECT count(*) FROM sqlite_schema");
        struct btree *b = btree_new(p->db);
        assert_non_null(b);
        if (btree_scan(b, root_of(p->db), INT64_MIN, INT64_MAX, take_any, &rows) != BTREE_ODD)
            fail_msg("not seen: %s", changes[i]);
        btree_free(b);
        teardown(&each);
    }
    struct place *p = *state;
    fill(p->db, 10);
    run(p->db, "COMMIT; PRAGMA journal_mode=WAL; INSERT INTO t (four) VALUES (1); BEGIN; SELECT "
               "count(*) FROM t");
    assert_null(btree_new(p->db));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_what_sqlite_says, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_out_of_the_common_is_left_to_sqlite, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
