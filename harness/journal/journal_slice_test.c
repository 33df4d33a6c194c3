/* Journals that are read slice by slice. */
#include "journal/journal.h"
#include "journal/file_fixture_test.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
#define T0 (1000 * SECOND)
#define ROWS 6000 /* of each kind and arm, over 600 s */

/* Two arms at the same time, one of them on a clock that is ${ahead_ns} before the conductor's; its
 * rows lie as they came in, the arms in turns. */
static void save(const char *path, int64_t ahead_ns)
{
    struct journal *j = journal_new();
    struct error err = {0};
    struct clock_record ours = {.at = T0, .boot_id = 1}, other = {.at = T0 + (uint64_t)ahead_ns,
                                                                  .boot_id = 2,
                                                                  .offset_lo = ahead_ns,
                                                                  .offset_hi = ahead_ns};
    journal_add_proc(j, 1, "conductor", "", "");
    journal_add_proc(j, 2, "proxy", "subject", "payments");
    journal_add_proc(j, 3, "proxy", "right", "payments");
    journal_add(j, 1, RECORD_CLOCK, &ours);
    if (ahead_ns != 0)
        journal_add(j, 3, RECORD_CLOCK, &other);
    for (uint32_t i = 0; i < 4; i++)
        journal_add_phase(j, &(struct journal_phase){.phase = i + 1,
                                                     .scenario = i / 2,
                                                     .arm = i % 2 == 0 ? "subject" : "right",
                                                     .name = "calm",
                                                     .why = "clock",
                                                     .t0_ns = T0 + i / 2 * 300 * SECOND,
                                                     .t1_ns = T0 + (i / 2 + 1) * 300 * SECOND});
    for (uint64_t i = 0; i < ROWS; i++)
        for (uint32_t proc = 2; proc <= 3; proc++) {
            uint64_t at = T0 + i * (600 * SECOND / ROWS) + (proc == 3 ? (uint64_t)ahead_ns : 0);
            struct attempt_record a = {.at = at,
                                       .id_hi = proc,
                                       .id_lo = i,
                                       .done = 1000,
                                       .path = journal_add_name(j, proc == 2 ? "/a" : "/b")};
            struct request_record q = {
                .due = at, .id_hi = proc, .id_lo = i, .start = 1, .done = 2 * SECOND};
            struct connection_record c = {.at = at, .conn = (uint32_t)i + 1};
            journal_add(j, proc, RECORD_ATTEMPT, &a);
            journal_add(j, proc, RECORD_REQUEST, &q);
            journal_add(j, proc, RECORD_CONNECTION, &c);
        }
    j->end_how = "complete";
    j->end_ns = T0 + 600 * SECOND;
    ok(journal_save(j, path, &err), &err);
    journal_free(j);
}

static struct journal *opened(const char *path, uint64_t keep_bytes)
{
    struct journal *j = NULL;
    struct error err = {0};
    ok(journal_open_sliced(path, keep_bytes, &j, &err), &err);
    assert_true(journal_checksum_good(j));
    return j;
}

/* All that ${part} has is as ${whole} has it, and nothing between two of its rows is missing. */
static void is_of(const struct journal *part, const struct journal *whole, const char *arm,
                  uint64_t from_ns, uint64_t to_ns)
{
    size_t k = 0;
    for (size_t i = 0; i < whole->attempt_count; i++) {
        const struct attempt_row *w = &whole->attempts[i];
        bool meant = strcmp(journal_proc_of(whole, w->proc)->arm, arm) == 0 && w->r.at >= from_ns &&
                     w->r.at <= to_ns;
        bool here = k < part->attempt_count && memcmp(w, &part->attempts[k], sizeof(*w)) == 0;
        if (meant && !here)
            fail_msg("attempt %zu of process %u is not in the slice", i, w->proc);
        k += here;
    }
    assert_int_equal(k, part->attempt_count);
    for (size_t i = k = 0; i < whole->request_count; i++)
        k += k < part->request_count &&
             memcmp(&whole->requests[i], &part->requests[k], sizeof(part->requests[k])) == 0;
    assert_int_equal(k, part->request_count);
}

static void look(const struct place *p, const char *arm, uint64_t from_s, uint64_t to_s)
{
    struct journal *whole = opened(p->path, UINT64_MAX), *part = opened(p->path, 0);
    struct error err = {0};
    struct journal_slice slice = {arm, T0 + from_s * SECOND, T0 + to_s * SECOND};
    assert_true(journal_is_whole(whole));
    assert_false(journal_is_whole(part));
    assert_int_equal(part->attempt_count + part->request_count + part->connection_count, 0);
    assert_int_equal(journal_row_count(part), journal_row_count(whole));
    for (int round = 0; round < 2; round++) {
        struct journal_slice other = {NULL, T0, T0 + 600 * SECOND};
        ok(journal_load(part, &other, &err), &err);
        assert_int_equal(part->attempt_count, 2 * ROWS);
        ok(journal_load(part, &slice, &err), &err);
        is_of(part, whole, arm, slice.from_ns, slice.to_ns);
        /* beside it: what lasted longest, 2 s, and one second, on both sides, ten rows a second */
        assert_in_range(part->attempt_count, (to_s - from_s) * 10, (to_s - from_s + 6) * 10 + 1);
        assert_in_range(part->request_count, (to_s - from_s) * 10, (to_s - from_s + 6) * 10 + 1);
        assert_in_range(part->connection_count, (to_s - from_s) * 10, (to_s - from_s + 6) * 10 + 1);
        assert_int_equal(journal_row_count(part), journal_row_count(whole));
    }
    journal_free(whole);
    journal_free(part);
}

static void a_slice_has_the_rows_of_its_arm_and_time(void **state)
{
    const struct place *p = *state;
    save(p->path, 0);
    look(p, "subject", 0, 300);
    look(p, "right", 300, 600);
    look(p, "right", 100, 101);
}

static void times_of_another_clock_are_of_the_slice_that_they_are_aligned_to(void **state)
{
    const struct place *p = *state;
    save(p->path, (int64_t)(7200 * SECOND));
    look(p, "right", 300, 400);
    unlink(p->path);
    save(p->path, -(int64_t)(90 * SECOND));
    look(p, "right", 300, 400);
}

static void few_rows_are_kept(void **state)
{
    const struct place *p = *state;
    save(p->path, 0);
    struct journal *j = opened(p->path, JOURNAL_KEEP_BYTES);
    struct error err = {0};
    struct journal_slice slice = {"right", T0, T0};
    assert_true(journal_is_whole(j));
    assert_int_equal(j->attempt_count, 2 * ROWS);
    ok(journal_load(j, &slice, &err), &err);
    assert_int_equal(j->attempt_count, 2 * ROWS); /* nothing to do */
    journal_free(j);
}

static void change(const struct place *p, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* In a WAL, and where a row is on several pages, it is SQLite that reads. */
static void what_the_pages_do_not_tell_sqlite_does(void **state)
{
    const struct place *p = *state;
    sqlite3 *db;
    save(p->path, 0);
    struct journal *by_pages = opened(p->path, UINT64_MAX);
    change(p, "ALTER TABLE attempt ADD COLUMN more TEXT; UPDATE attempt SET "
              "more=hex(zeroblob(20000)) WHERE rowid=7");
    struct journal *by_sql = opened(p->path, UINT64_MAX);
    assert_int_equal(by_sql->attempt_count, by_pages->attempt_count);
    assert_memory_equal(by_sql->attempts, by_pages->attempts,
                        by_sql->attempt_count * sizeof(by_sql->attempts[0]));
    journal_free(by_sql);
    journal_free(by_pages);
    look(p, "right", 100, 200);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode=WAL; DELETE FROM attempt; DELETE FROM "
                                  "checksum",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    struct journal *j = NULL;
    struct error err = {0};
    ok(journal_open(p->path, &j, &err), &err);
    assert_int_equal(j->attempt_count, 0); /* which only the WAL says */
    assert_int_equal(j->request_count, 2 * ROWS);
    journal_free(j);
    sqlite3_close(db);
}

/* A run of one walk is judged at once, so nothing is gained by reading it twice. */
static void a_journal_of_one_walk_is_whole(void **state)
{
    const struct place *p = *state;
    save(p->path, 0);
    change(p, "DELETE FROM phase WHERE phase > 1; DELETE FROM checksum");
    struct journal *j = NULL;
    struct error err = {0};
    ok(journal_open_sliced(p->path, 0, &j, &err), &err);
    assert_true(journal_is_whole(j));
    assert_int_equal(j->attempt_count, 2 * ROWS);
    journal_free(j);
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_FILE(a_slice_has_the_rows_of_its_arm_and_time),
        WITH_FILE(times_of_another_clock_are_of_the_slice_that_they_are_aligned_to),
        WITH_FILE(few_rows_are_kept),
        WITH_FILE(what_the_pages_do_not_tell_sqlite_does),
        WITH_FILE(a_journal_of_one_walk_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
