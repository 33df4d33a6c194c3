#include "journal/store.h"

#include "base/rng.h"
#include "journal/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define AGENTS 7
#define RECORDS 200

/* What an agent sends, in its own order: its clock, and attempts whose times cross those of the
 * others. */
struct sender {
    uint32_t proc, seq, sent;
    bool named;
};

static void put(struct store *s, struct sender *a, uint8_t kind, const void *record, size_t len)
{
    struct error err = {0};
    assert_true(store_frame(s, a->proc, ++a->seq, kind, (struct bytes){record, len}, &err));
}

static void put_name(struct store *s, const struct sender *a, uint32_t id, const char *text)
{
    uint8_t body[64];
    struct error err = {0};
    size_t len = strlen(text);
    memcpy(body, &id, sizeof(id));
    memcpy(body + sizeof(id), text, len);
    assert_true(
        store_frame(s, a->proc, a->seq, RECORD_NAME, (struct bytes){body, sizeof(id) + len}, &err));
}

/* The next of what it has to say. */
static void speak(struct store *s, struct sender *a)
{
    struct error err = {0};
    char arm[] = "subject";
    if (!a->named) {
        a->named = true;
        assert_true(store_proc(s, a->proc, "proxy", arm, "payments", 100 + a->proc, &err));
        put_name(s, a, 1, a->proc % 2 == 0 ? "boot-a" : "boot-b");
        struct clock_record clock = {
            .at = 1, .boot_id = 1, .time_ns_inode = 4026531834 + a->proc % 3};
        put(s, a, RECORD_CLOCK, &clock, sizeof(clock));
        return;
    }
    struct attempt_record r = {.at = 1000 + a->sent * 10 + (a->sent * a->proc) % 7,
                               .endpoint = (uint16_t)a->proc,
                               .status = 200};
    a->sent++;
    put(s, a, RECORD_ATTEMPT, &r, sizeof(r));
}

/* The same set of rows in an order of arrival drawn by ${seed}; the file's bytes. */
static size_t write_file(const char *path, uint64_t seed, bool merges, uint8_t *to, size_t size)
{
    struct sender agents[AGENTS];
    struct store *s;
    struct error err = {0};
    struct rng rng = rng_for(seed, 1, 2, 3, 4);
    unlink(path);
    assert_true(store_open(path, &s, &err));
    if (merges)
        store_merges(s);
    assert_true(store_run(s, "{\"run\":\"7c1e4a90\"}", &err));
    assert_true(store_phase_begin(s, 1, 0, "subject", "mixed", 0, 1500, &err));
    assert_true(store_phase_end(s, 1, "clock", 2500, &err));
    for (uint32_t i = 0; i < AGENTS; i++)
        agents[i] = (struct sender){.proc = i + 2};
    for (uint32_t left = AGENTS * (RECORDS + 1); left > 0; left--) {
        struct sender *a;
        do
            a = &agents[rng_below(&rng, AGENTS)];
        while (a->sent == RECORDS);
        speak(s, a);
        if (rng_below(&rng, 50) == 0) /* where transactions end is chance too */
            assert_true(store_commit(s, &err));
    }
    assert_true(store_end(s, "complete", "{}", 9000, &err));
    assert_true(store_close(s, true, &err));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, to, size);
    close(fd);
    assert_in_range(n, 1, size - 1);
    return (size_t)n;
}

struct files {
    char folder[64], path[96];
    uint8_t *first, *second;
};
#define FILE_MOST ((size_t)4 * 1024 * 1024)

static int open_files(void **state)
{
    struct files *f = check_alloc_zero(1, sizeof(*f));
    snprintf(f->folder, sizeof(f->folder), "/tmp/meshproof-test-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/run.db", f->folder);
    f->first = check_alloc(FILE_MOST);
    f->second = check_alloc(FILE_MOST);
    *state = f;
    return 0;
}

static int close_files(void **state)
{
    struct files *f = *state;
    unlink(f->path);
    rmdir(f->folder);
    free(f->first);
    free(f->second);
    free(f);
    return 0;
}

static void the_same_set_is_the_same_file_whatever_the_order_of_arrival(void **state)
{
    struct files *f = *state;
    size_t want = write_file(f->path, 1, true, f->first, FILE_MOST);
    for (uint64_t seed = 2; seed < 8; seed++) {
        size_t have = write_file(f->path, seed, true, f->second, FILE_MOST);
        assert_int_equal(have, want);
        assert_memory_equal(f->first, f->second, want);
    }
}

static void unmerged_files_differ(void **state)
{
    struct files *f = *state;
    size_t first = write_file(f->path, 1, false, f->first, FILE_MOST);
    size_t second = write_file(f->path, 2, false, f->second, FILE_MOST);
    assert_false(first == second && memcmp(f->first, f->second, first) == 0);
}

static void a_merged_journal_is_whole_and_in_order(void **state)
{
    struct files *f = *state;
    struct journal *j;
    struct error err = {0};
    sqlite3 *db;
    sqlite3_stmt *q;
    write_file(f->path, 3, true, f->first, FILE_MOST);
    assert_true(journal_open(f->path, &j, &err));
    assert_true(journal_checksum_good(j));
    assert_int_equal(j->attempt_count, AGENTS * RECORDS);
    assert_int_equal(j->proc_count, AGENTS);
    journal_free(j);
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT n.\"text\", c.time_ns_inode, a.at, a.proc, a.seq, "
                                        "a.phase FROM attempt a JOIN clock c ON c.proc = a.proc "
                                        "JOIN name n ON n.proc = c.proc AND n.id = c.boot_id "
                                        "ORDER BY a.rowid",
                                        -1, &q, NULL),
                     SQLITE_OK);
    char boot[16] = "";
    int64_t last[4] = {0};
    size_t rows = 0;
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);
        int order = strcmp(boot, text);
        for (int i = 0; i < 4 && order == 0; i++)
            order = last[i] < sqlite3_column_int64(q, i + 1)   ? -1
                    : last[i] > sqlite3_column_int64(q, i + 1) ? 1
                                                               : 0;
        assert_true(order < 0);
        bool within = sqlite3_column_int64(q, 2) >= 1500 && sqlite3_column_int64(q, 2) < 2500;
        assert_int_equal(sqlite3_column_type(q, 5) != SQLITE_NULL, within);
        snprintf(boot, sizeof(boot), "%s", text);
        for (int i = 0; i < 4; i++)
            last[i] = sqlite3_column_int64(q, i + 1);
        rows++;
    }
    assert_int_equal(rows, AGENTS * RECORDS);
    sqlite3_finalize(q);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_set_is_the_same_file_whatever_the_order_of_arrival,
                                        open_files, close_files),
        cmocka_unit_test_setup_teardown(unmerged_files_differ, open_files, close_files),
        cmocka_unit_test_setup_teardown(a_merged_journal_is_whole_and_in_order, open_files,
                                        close_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
