#include "journal/store.h"
#include "journal/file_fixture_test.h"

#include "journal/journal.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool exists(const struct place *p, const char *tail)
{
    char file[128];
    struct stat st;
    snprintf(file, sizeof(file), "%s%s", p->path, tail);
    return stat(file, &st) == 0;
}

static bool send_name(struct store *s, uint32_t proc, uint32_t id, const char *text, size_t len,
                      struct error *err)
{
    uint8_t body[2048];
    memcpy(body, &id, sizeof(id));
    memcpy(body + sizeof(id), text, len);
    return store_frame(s, proc, 0, RECORD_NAME, (struct bytes){body, sizeof(id) + len}, err);
}

static bool send_attempt(struct store *s, uint32_t proc, uint32_t seq,
                         const struct attempt_record *a, struct error *err)
{
    return store_frame(s, proc, seq, RECORD_ATTEMPT, (struct bytes){(const uint8_t *)a, sizeof(*a)},
                       err);
}

static int64_t query(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t value = sqlite3_column_type(s, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

static void a_closed_journal_is_one_private_file(void **state)
{
    const struct place *p = *state;
    struct store *s;
    struct error err = {0};
    struct stat st;
    struct attempt_record a = {.at = 5, .key = UINT64_MAX, .status = 503};
    ok(store_open(p->path, &s, &err), &err);
    ok(send_attempt(s, 3, 1, &a, &err), &err);
    ok(store_commit(s, &err), &err);
    assert_true(exists(p, "-wal"));
    ok(store_close(s, true, &err), &err);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(exists(p, "-wal") || exists(p, "-shm") || exists(p, "-journal"));
    assert_int_equal(query(p->path, "PRAGMA page_size"), 8192);
    assert_int_equal(query(p->path, "SELECT \"key\" FROM attempt"), -1); /* the same 64 bits */
    assert_int_equal(
        query(p->path, "SELECT count(*) FROM sqlite_schema WHERE type='index' AND sql NOT NULL"),
        2);
}

static void evidence_is_never_overwritten(void **state)
{
    const struct place *p = *state;
    struct store *s;
    struct error err = {0};
    ok(store_open(p->path, &s, &err), &err);
    ok(store_close(s, true, &err), &err);
    assert_false(store_open(p->path, &s, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "exists already"));
    assert_true(store_close(NULL, true, &err));
}

static void a_folder_that_is_not_there_is_a_sentence(void **state)
{
    struct store *s;
    struct error err = {0};
    (void)state;
    assert_false(store_open("/tmp/meshproof-no-such-folder/run.db", &s, &err));
    assert_int_equal(err.kind, ERROR_SYSTEM);
}

static void frames_that_do_not_fit_the_table_are_the_agents_error(void **state)
{
    const struct place *p = *state;
    struct store *s;
    struct error err = {0};
    static const char text[2000] = {'x'};
    struct attempt_record a = {.at = 5, .path = 2};
    ok(store_open(p->path, &s, &err), &err);
    ok(store_frame(s, 1, 1, 60, BYTES("a kind of another build"), &err), &err);
    ok(store_frame(s, 1, 1, 200, BYTES(""), &err), &err);
    ok(send_name(s, 1, 1, "/a", 2, &err), &err);
    const struct {
        uint8_t kind;
        struct bytes body;
    } bad[] = {
        {RECORD_ATTEMPT, {(const uint8_t *)&a, sizeof(a) - 1}},
        {RECORD_ATTEMPT, {(const uint8_t *)&a, sizeof(a)}}, /* name 2 was never sent */
        {RECORD_ATTEMPT, {NULL, 0}},
        {RECORD_NAME, {(const uint8_t *)"\2\0", 2}},
        {RECORD_NAME, {(const uint8_t *)"\1\0\0\0again", 9}},
        {RECORD_NAME, {(const uint8_t *)"\3\0\0\0gap", 7}},
        {RECORD_NAME, {(const uint8_t *)text, 4 + NAME_MOST_BYTES + 1}},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        err = (struct error){0};
        assert_false(store_frame(s, 1, 9, bad[i].kind, bad[i].body, &err));
        assert_int_equal(err.kind, ERROR_PEER);
    }
    assert_int_equal(store_count(s, 1, RECORD_ATTEMPT), 0);
    assert_int_equal(store_count(s, 99, RECORD_ATTEMPT), 0);
    err = (struct error){0};
    ok(store_close(s, true, &err), &err);
}

static void texts_that_no_reader_takes_are_refused_by_name_of_their_limit(void **state)
{
    const struct place *p = *state;
    struct store *s;
    struct error err = {0};
    static char label[1026];
    memset(label, 'l', sizeof(label) - 1);
    ok(store_open(p->path, &s, &err), &err);
    assert_false(store_proc(s, 1, "proxy", label, "x", 1, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    err = (struct error){0};
    ok(store_event(s, 0, "await", label, 1, &err), &err); /* JSON may be longer */
    ok(store_close(s, false, &err), &err);
}

static void rows_get_the_phase_of_their_time_and_arm(void **state)
{
    const struct place *p = *state;
    struct store *s;
    struct error err = {0};
    static const uint64_t times[] = {5, 10, 19, 20, 29, 30, 35, 40};
    ok(store_open(p->path, &s, &err), &err);
    ok(store_proc(s, 1, "proxy", "subject", "a", 1, &err), &err);
    ok(store_proc(s, 2, "proxy", "right", "a", 2, &err), &err);
    ok(store_phase_begin(s, 1, 0, "subject", "one", 0, 10, &err), &err);
    ok(store_phase_end(s, 1, "clock", 20, &err), &err);
    ok(store_phase_begin(s, 2, 0, "right", "one", 0, 20, &err), &err);
    ok(store_phase_end(s, 2, "clock", 30, &err), &err);
    ok(store_phase_begin(s, 3, 0, "subject", "two", 1, 30, &err), &err);
    for (uint32_t i = 0; i < COUNT_OF(times); i++) {
        struct attempt_record a = {.at = times[i]};
        ok(send_attempt(s, 1, i + 1, &a, &err), &err);
        ok(send_attempt(s, 2, i + 1, &a, &err), &err);
    }
    ok(store_close(s, true, &err), &err);
    assert_int_equal(
        query(p->path, "SELECT group_concat(at)='10,19' FROM attempt WHERE phase=1 AND proc=1"), 1);
    assert_int_equal(
        query(p->path, "SELECT group_concat(at)='20,29' FROM attempt WHERE phase=2 AND proc=2"), 1);
    assert_int_equal(
        query(p->path, "SELECT group_concat(at)='30,35,40' FROM attempt WHERE phase=3 AND proc=1"),
        1);
    assert_int_equal(query(p->path, "SELECT count(*) FROM attempt WHERE phase IS NOT NULL"), 7);
}

static void phases_told_after_their_rows_are_filled_at_the_end(void **state)
{
    const struct place *p = *state;
    struct store *s;
    struct error err = {0};
    struct request_record late = {.due = 25}, within = {.due = 15};
    struct bytes late_body = {(const uint8_t *)&late, sizeof(late)};
    struct bytes within_body = {(const uint8_t *)&within, sizeof(within)};
    ok(store_open(p->path, &s, &err), &err);
    ok(store_frame(s, 1, 1, RECORD_REQUEST, within_body, &err), &err);
    ok(store_frame(s, 1, 2, RECORD_REQUEST, late_body, &err), &err);
    ok(store_proc(s, 1, "load", "subject", "a", 1, &err), &err);
    ok(store_phase_begin(s, 1, 0, "subject", "one", 0, 10, &err), &err);
    ok(store_phase_end(s, 1, "event", 20, &err), &err);
    assert_false(store_phase_end(s, 9, "event", 20, &err));
    err = (struct error){0};
    ok(store_close(s, true, &err), &err);
    assert_int_equal(query(p->path, "SELECT phase FROM request WHERE due=15"), 1);
    assert_int_equal(query(p->path, "SELECT phase FROM request WHERE due=25"), -1);
}

/* Never returns: commits 2000 attempts, tells, then goes on without a commit until it is killed. */
static void writer(const char *path, int told)
{
    struct store *s;
    struct error err = {0};
    if (!store_open(path, &s, &err) || !store_run(s, "{\"run\":\"7c1e4a90\"}", &err) ||
        !send_name(s, 1, 1, "/cart", 5, &err))
        _exit(3);
    for (uint32_t i = 1;; i++) {
        struct attempt_record a = {.at = i, .path = 1};
        if (!send_attempt(s, 1, i, &a, &err))
            _exit(4);
        if (i == 2000 && (!store_commit(s, &err) || write(told, "c", 1) != 1))
            _exit(5);
        if (i == 3000 && write(told, "u", 1) != 1) /* 1000 that no commit covers */
            _exit(6);
        if (i == 3000)
            pause();
    }
}

static void a_killed_conductor_leaves_a_journal_up_to_its_last_commit(void **state)
{
    const struct place *p = *state;
    int told[2], status;
    char bytes[2];
    struct journal *j = NULL;
    struct error err = {0};
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0)
        writer(p->path, told[1]);
    close(told[1]);
    assert_int_equal(read(told[0], &bytes[0], 1), 1);
    assert_int_equal(read(told[0], &bytes[1], 1), 1);
    ok(journal_open(p->path, &j, &err), &err); /* during the run */
    assert_int_equal(j->attempt_count, 2000);
    journal_free(j);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(exists(p, "-wal"));
    for (int again = 0; again < 2; again++) { /* reading does not change the evidence */
        ok(journal_open(p->path, &j, &err), &err);
        assert_int_equal(j->attempt_count, 2000);
        assert_int_equal(j->attempts[1999].seq, 2000);
        assert_string_equal(journal_name(j, j->attempts[7].r.path), "/cart");
        assert_true(journal_checksum_good(j));
        assert_null(j->end_how);
        journal_free(j);
    }
    close(told[0]);
}

static void a_store_with_a_reader_open_still_closes(void **state)
{
    const struct place *p = *state;
    struct store *s;
    struct journal *j = NULL;
    struct error err = {0};
    sqlite3 *db;
    struct attempt_record a = {.at = 5};
    ok(store_open(p->path, &s, &err), &err);
    ok(send_attempt(s, 1, 1, &a, &err), &err);
    ok(store_commit(s, &err), &err);
    assert_int_equal(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM attempt", NULL, NULL, NULL),
                     SQLITE_OK);
    ok(send_attempt(s, 1, 2, &a, &err), &err);
    ok(store_close(s, true, &err), &err);
    ok(journal_open(p->path, &j, &err), &err);
    assert_int_equal(j->attempt_count, 2);
    journal_free(j);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_closed_journal_is_one_private_file, setup, teardown),
        cmocka_unit_test_setup_teardown(evidence_is_never_overwritten, setup, teardown),
        cmocka_unit_test(a_folder_that_is_not_there_is_a_sentence),
        cmocka_unit_test_setup_teardown(frames_that_do_not_fit_the_table_are_the_agents_error,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            texts_that_no_reader_takes_are_refused_by_name_of_their_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_get_the_phase_of_their_time_and_arm, setup, teardown),
        cmocka_unit_test_setup_teardown(phases_told_after_their_rows_are_filled_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_killed_conductor_leaves_a_journal_up_to_its_last_commit,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_with_a_reader_open_still_closes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
