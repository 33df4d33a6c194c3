#include "journal/journal.h"
#include "journal/file_fixture_test.h"

#include "base/rng.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A journal with something of everything; two processes in turns. */
static struct journal *sample(size_t attempts)
{
    struct journal *j = journal_new();
    struct rng r = rng_of(11);
    j->run = json_pack("{s:s, s:s}", "run", "7c1e4a90", "seed", "3f1c09ab");
    j->plan = json_pack("{s:[i,i]}", "phases", 1, 2);
    j->policy = json_pack("{s:[]}", "edges");
    j->end_how = "complete";
    j->end = json_pack("{s:i}", "records", 3);
    j->end_ns = 99;
    journal_add_proc(j, 1, "load", "subject", "checkout");
    journal_add_proc(j, 2, "proxy", "subject", "payments");
    journal_add_phase(
        j,
        &(struct journal_phase){
            .phase = 1, .arm = "subject", .name = "one", .why = "clock", .t0_ns = 1, .t1_ns = 500});
    journal_add_phase(j, &(struct journal_phase){.phase = 2,
                                                 .scenario = 1,
                                                 .ordinal = 1,
                                                 .arm = "subject",
                                                 .name = "two",
                                                 .t0_ns = 500,
                                                 .t1_ns = UINT64_MAX});
    journal_add_event(j, 1, 7, "await", json_pack("{s:b}", "met", 1));
    journal_add_event(j, 2, 8, "note", NULL);
    for (size_t i = 0; i < attempts; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/p/%zu", i % 10);
        struct attempt_record a = {.at = 10 + i,
                                   .id_hi = UINT64_MAX,
                                   .id_lo = rng_next(&r),
                                   .key = rng_next(&r),
                                   .path = journal_add_name(j, path),
                                   .peer = journal_add_name(j, "127.0.0.1:9"),
                                   .status = 503,
                                   .outcome = OUTCOME_LEFT,
                                   .left_kind = LEFT_RST,
                                   .flags = 255};
        journal_add(j, 1 + (uint32_t)(i % 2), RECORD_ATTEMPT, &a);
    }
    struct request_record q = {
        .due = 3, .edge = journal_add_name(j, "checkout -> payments"), .done = 9, .status = 200};
    struct metric_record m[] = {{.at = 4, .value = 0.1},
                                {.at = 5, .value = NAN},
                                {.at = 6, .value = 3},
                                {.at = 7, .value = -INFINITY}};
    struct clock_record c = {
        .at = 1, .offset_lo = -5, .offset_hi = INT64_MAX, .host = journal_add_name(j, "ci-7")};
    struct connection_record n = {.at = 2, .unsolicited = UINT32_MAX};
    struct fault_record f = {
        .at = 2, .place = journal_add_name(j, "payments/2"), .endpoint = UINT16_MAX};
    struct world_record w = {.at = 2, .what = journal_add_name(j, "listener_down")};
    struct stall_record s = {.at = 2, .fired = 9};
    struct host_record h = {.at = 2, .load = 150};
    struct lost_record l = {.at = 2, .count = 4, .kind = RECORD_ATTEMPT};
    journal_add(j, 1, RECORD_REQUEST, &q);
    for (size_t i = 0; i < COUNT_OF(m); i++)
        journal_add(j, 2, RECORD_METRIC, &m[i]);
    journal_add(j, 1, RECORD_CLOCK, &c);
    journal_add(j, 2, RECORD_CONNECTION, &n);
    journal_add(j, 2, RECORD_FAULT, &f);
    journal_add(j, 2, RECORD_WORLD, &w);
    journal_add(j, 1, RECORD_STALL, &s);
    journal_add(j, 1, RECORD_HOST, &h);
    journal_add(j, 1, RECORD_LOST, &l);
    journal_sort(j);
    return j;
}

static char *printed(const struct journal *j)
{
    char *text = NULL;
    size_t len;
    struct error err = {0};
    FILE *to = open_memstream(&text, &len);
    ok(journal_print_ndjson(j, to, &err), &err);
    fclose(to);
    return text;
}

static void what_is_saved_is_what_is_read(void **state)
{
    const struct place *p = *state;
    struct journal *j = sample(1001), *back = NULL;
    struct error err = {0};
    ok(journal_save(j, p->path, &err), &err);
    ok(journal_open(p->path, &back, &err), &err);
    assert_true(journal_checksum_good(back));
    assert_string_equal(back->path, p->path);
    assert_int_equal(back->attempt_count, 1001);
    for (size_t i = 0; i < back->attempt_count; i++) {
        struct attempt_row a = j->attempts[i], b = back->attempts[i];
        assert_string_equal(journal_name(j, a.r.path), journal_name(back, b.r.path));
        assert_string_equal(journal_name(j, a.r.peer), journal_name(back, b.r.peer));
        a.r.path = b.r.path = a.r.peer = b.r.peer = 0;
        assert_memory_equal(&a, &b, sizeof(a));
    }
    assert_memory_equal(&j->stalls[0], &back->stalls[0], sizeof(j->stalls[0]));
    assert_memory_equal(&j->connections[0], &back->connections[0], sizeof(j->connections[0]));
    assert_true(back->clocks[0].r.offset_lo == -5 && back->clocks[0].r.offset_hi == INT64_MAX);
    assert_true(isnan(back->metrics[1].r.value) && isinf(back->metrics[3].r.value));
    assert_string_equal(back->end_how, "complete");
    assert_null(back->phases[1].why);
    assert_true(back->phases[1].t1_ns == UINT64_MAX);
    assert_null(back->events[1].json);
    char *before = printed(j), *after = printed(back);
    assert_string_equal(before, after); /* the rest: every field of every kind, as text */
    free(before);
    free(after);
    journal_free(j);
    journal_free(back);
}

static void processes_in_turns_come_out_in_order(void **state)
{
    struct journal *j = sample(100);
    (void)state;
    for (size_t i = 1; i < j->attempt_count; i++) {
        const struct attempt_row *a = &j->attempts[i - 1], *b = &j->attempts[i];
        assert_true(a->proc < b->proc || (a->proc == b->proc && a->seq < b->seq));
    }
    /* The sorted array has the room that its count says, and each process counts on. */
    size_t count = j->attempt_count;
    for (uint32_t i = 0; i < 900; i++) {
        struct attempt_record r = {.at = i};
        journal_add(j, i % 3 == 0 ? 90 : 80 + i % 3, RECORD_ATTEMPT, &r);
    }
    assert_int_equal(j->attempt_count, count + 900);
    for (uint32_t i = 0; i < 900; i++) {
        assert_int_equal(j->attempts[count + i].r.at, i);
        assert_int_equal(j->attempts[count + i].seq, i / 3 + 1);
    }
    journal_free(j);
}

static void rows_that_were_expected_have_room_and_so_have_the_others(void **state)
{
    struct journal *j = journal_new();
    (void)state;
    journal_expect(j, RECORD_STALL, 100);
    const struct stall_row *at = j->stalls;
    for (uint32_t i = 0; i < 2000; i++) {
        struct stall_record r = {.at = i};
        assert_true(i > 220 || j->stalls == at); /* not copied */
        journal_add(j, 2 - i % 2, RECORD_STALL, &r);
        if (i == 220 || i == 300)
            journal_sort(j);
    }
    assert_int_equal(j->stall_count, 2000);
    for (uint32_t i = 301; i < 2000; i++)
        assert_int_equal(j->stalls[i].r.at, i);
    for (uint32_t i = 1; i < 301; i++)
        assert_true(j->stalls[i - 1].proc < j->stalls[i].proc ||
                    j->stalls[i - 1].seq + 1 == j->stalls[i].seq);
    journal_free(j);
}

static void names_and_processes_are_found(void **state)
{
    struct journal *j = sample(5);
    (void)state;
    assert_string_equal(journal_name(j, 0), "");
    assert_string_equal(journal_name(j, 1000), "");
    assert_string_equal(journal_name(j, journal_find_name(j, "/p/3")), "/p/3");
    assert_int_equal(journal_find_name(j, "/p/3000"), 0);
    assert_int_equal(journal_find_name(j, ""), 0);
    assert_string_equal(journal_proc_of(j, 2)->service, "payments");
    assert_null(journal_proc_of(j, 3));
    journal_free(j);
}

static void records_may_be_added_to_a_journal_that_was_read(void **state)
{
    const struct place *p = *state;
    struct journal *j = sample(17), *back = NULL;
    struct error err = {0};
    ok(journal_save(j, p->path, &err), &err);
    ok(journal_open(p->path, &back, &err), &err);
    struct stall_record s = {.at = 77};
    uint32_t newest = 0;
    for (size_t i = 0; i < back->attempt_count; i++)
        newest = back->attempts[i].seq > newest ? back->attempts[i].seq : newest;
    for (int i = 0; i < 100; i++)
        journal_add(back, 2, RECORD_STALL, &s);
    assert_int_equal(back->stall_count, 101);
    assert_true(back->stalls[1].seq > 9); /* seq goes on after the file's */
    journal_free(j);
    journal_free(back);
}

static void every_line_is_json_with_words_in_order_of_time(void **state)
{
    struct journal *j = sample(3);
    (void)state;
    journal_add_name(j, "x");
    char *text = printed(j), *line = text, *end;
    json_int_t last = 0;
    size_t lines = 0, attempts = 0;
    for (; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++) {
        json_error_t at;
        json_t *o = json_loadb(line, (size_t)(end - line), 0, &at);
        assert_non_null(o);
        const char *kind = json_string_value(json_object_get(o, "kind"));
        assert_non_null(kind);
        json_t *t = json_object_get(o, strcmp(kind, "request") == 0 ? "due" : "at");
        if (t != NULL && strcmp(kind, "end") != 0) {
            assert_true(json_integer_value(t) >= last);
            last = json_integer_value(t);
        }
        if (strcmp(kind, "lost") == 0)
            assert_string_equal(json_string_value(json_object_get(o, "lost")), "attempt");
        if (strcmp(kind, "attempt") == 0) {
            attempts++;
            assert_string_equal(json_string_value(json_object_get(o, "outcome")), "left");
            assert_string_equal(json_string_value(json_object_get(o, "left_kind")), "RST");
            assert_int_equal(
                strncmp(json_string_value(json_object_get(o, "id")), "ffffffff-ffffffff-", 18), 0);
            assert_int_equal(strlen(json_string_value(json_object_get(o, "key"))), 16);
            assert_null(json_object_get(o, "body")); /* a span of 0 did not happen */
            assert_null(json_object_get(o, "tag"));
        }
        json_decref(o);
    }
    assert_string_equal(line, "");
    assert_int_equal(attempts, 3);
    assert_int_equal(lines, 3 + 2 + 3 + 2 + 3 + 12 + 1);
    free(text);
    journal_free(j);
}

/* ---- files of others ---- */

static void refused(const char *path, const char *words)
{
    struct journal *j = NULL;
    struct error err = {0};
    bool opened = journal_open(path, &j, &err);
    if (opened)
        journal_free(j);
    assert_false(opened);
    if (err.kind != ERROR_INPUT || strstr(err.text, words) == NULL ||
        strchr(err.text, '\n') != NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, words);
    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
}

static void write_file(const char *path, const void *at, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(at, 1, len, f), len);
    fclose(f);
}

static void what_is_no_journal_is_one_sentence(void **state)
{
    const struct place *p = *state;
    refused(p->path, "cannot be read: No such file");
    refused(p->folder, "not a regular file");
    write_file(p->path, "", 0);
    refused(p->path, "is not a journal");
    write_file(p->path, "hello, this is a text and no database at all\n", 45);
    refused(p->path, "is not a journal");
    unlink(p->path);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    refused(p->path, "another program");
}

/* Saves a sample, changes it by ${sql}. */
static void changed(const struct place *p, const char *sql)
{
    struct journal *j = sample(50);
    struct error err = {0};
    sqlite3 *db;
    unlink(p->path);
    ok(journal_save(j, p->path, &err), &err);
    journal_free(j);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* Format 1 had neither handshakes nor hooks, format 2 no refusals, format 3 no samples, format 4 no
 * hops; their files are judged for ever. */
static void a_file_of_an_older_format_is_read_as_one_without_the_newer_tables(void **state)
{
    static const char *const older[] = {
        "DROP TABLE hop; DROP TABLE sample; DROP TABLE refusal; DROP TABLE handshake; "
        "DROP TABLE hook; PRAGMA user_version=1",
        "DROP TABLE hop; DROP TABLE sample; DROP TABLE refusal; PRAGMA user_version=2",
        "DROP TABLE hop; DROP TABLE sample; PRAGMA user_version=3",
        "DROP TABLE hop; PRAGMA user_version=4",
    };
    const struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(older); i++) {
        struct journal *j = NULL;
        struct error err = {0};
        changed(p, older[i]);
        ok(journal_open(p->path, &j, &err), &err);
        assert_int_equal(j->attempt_count, 50);
        assert_int_equal(j->handshake_count + j->hook_count + j->refusal_count, 0);
        assert_true(journal_checksum_good(j));
        journal_free(j);
    }
    changed(p, "DROP TABLE handshake");
    refused(p->path, "no table \"handshake\"");
    changed(p, "DROP TABLE refusal");
    refused(p->path, "no table \"refusal\"");
}

static void a_refusal_keeps_its_reason(void **state)
{
    const struct place *p = *state;
    struct journal *j = journal_new(), *back = NULL;
    struct error err = {0};
    struct refusal_record r = {.at = 5,
                               .conn = 7,
                               .mesh_conn = 7,
                               .sequence = 2,
                               .reason = journal_add_name(j, "two host fields"),
                               .endpoint = 3,
                               .about = REFUSAL_LIMIT};
    journal_add(j, 2, RECORD_REFUSAL, &r);
    ok(journal_save(j, p->path, &err), &err);
    ok(journal_open(p->path, &back, &err), &err);
    assert_int_equal(back->refusal_count, 1);
    assert_string_equal(journal_name(back, back->refusals[0].r.reason), "two host fields");
    assert_int_equal(back->refusals[0].r.sequence, 2);
    assert_string_equal(record_enum_name("about", back->refusals[0].r.about), "limit");
    assert_true(journal_checksum_good(back));
    journal_free(j);
    journal_free(back);
}

static void a_hostile_or_damaged_file_is_one_sentence(void **state)
{
    static const struct {
        const char *sql, *words;
    } rows[] = {
        {"PRAGMA user_version=6", "format 6; this meshproof reads formats up to 5"},
        {"PRAGMA user_version=0", "format 0 does not exist"},
        {"DROP TABLE attempt", "no table \"attempt\""},
        {"DROP TABLE checksum", "no table \"checksum\""},
        {"ALTER TABLE attempt DROP COLUMN status", "no INTEGER column \"status\""},
        {"DROP TABLE host; CREATE VIEW host AS SELECT * FROM stall", "no table \"host\""},
        {"DROP TABLE plan; CREATE TABLE plan (json TEXT)", "no table \"plan\""},
        {"DROP TABLE plan; CREATE TABLE plan (json INTEGER) STRICT", "no TEXT column \"json\""},
        {"DROP TABLE plan; CREATE TABLE plan (a TEXT, json TEXT AS (hex(zeroblob(1000)))) STRICT",
         "no TEXT column \"json\""},
        {"UPDATE attempt SET status=65536 WHERE rowid=7",
         "\"attempt\".\"status\" is 65536; it must be 0 to 65535"},
        {"UPDATE attempt SET flags=-1", "\"attempt\".\"flags\" is -1"},
        {"UPDATE attempt SET path=1000", "is name 1000 of process"},
        {"UPDATE attempt SET proc=-1", "\"attempt\".\"proc\""},
        {"UPDATE attempt SET seq=1<<40", "\"attempt\".\"seq\""},
        {"DELETE FROM name WHERE id=1", "stands where 1 comes next"},
        {"UPDATE name SET id=4000000000", "stands where 1 comes next"},
        {"UPDATE name SET text=hex(zeroblob(1000))", "has 2000 bytes; 1024 are allowed"},
        {"UPDATE proc SET arm=hex(zeroblob(1000))", "has 2000 bytes; 1024 are allowed"},
        {"UPDATE plan SET json='{'", "the JSON of table \"plan\""},
        {"UPDATE event SET json=replace(hex(zeroblob(5000)), '00', '[')",
         "the JSON of table \"event\""},
        {"UPDATE run SET json=CAST(zeroblob(20000000) AS TEXT)", "is damaged"},
        {"INSERT INTO policy VALUES ('{}')", "table \"policy\" has more than one row"},
        {"INSERT INTO \"end\" VALUES ('complete', '', 1)", "table \"end\" has more than one row"},
        {"UPDATE phase SET phase=-3", "\"phase\".\"phase\" is -3"},
    };
    const struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        changed(p, rows[i].sql);
        refused(p->path, rows[i].words);
    }
}

static void any_change_of_a_row_spoils_the_checksum(void **state)
{
    static const char *const changes[] = {
        "UPDATE attempt SET status=200 WHERE rowid=3",
        "UPDATE attempt SET seq=1000 WHERE rowid=3",
        "UPDATE attempt SET proc=2 WHERE rowid=1 AND proc=1",
        "UPDATE stall SET proc=9",
        "DELETE FROM attempt WHERE rowid=3",
        "INSERT INTO stall SELECT proc, seq+1000, phase, at, fired, run_delay, turn FROM stall",
        "UPDATE metric SET value=0.2 WHERE rowid=1",
        "UPDATE metric SET value=NULL WHERE rowid=1",
        "UPDATE name SET text='/q' WHERE rowid=2",
        "UPDATE run SET json='{\"run\":\"7c1e4a91\",\"seed\":\"3f1c09ab\"}'",
        "UPDATE plan SET json='{\"phases\":[1,3]}'",
        "UPDATE policy SET json='{}'",
        "DELETE FROM policy",
        "UPDATE phase SET t1=501 WHERE phase=1",
        "UPDATE phase SET t1=501, why='clock' WHERE phase=2",
        "UPDATE event SET what='note' WHERE rowid=1",
        "UPDATE \"end\" SET how='aborted'",
        "UPDATE proc SET arm='right' WHERE proc=1",
        "DELETE FROM checksum WHERE proc=1",
        "UPDATE checksum SET digest=digest+1 WHERE proc=-1",
    };
    const struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct journal *j = NULL;
        struct error err = {0};
        changed(p, changes[i]);
        ok(journal_open(p->path, &j, &err), &err);
        if (journal_checksum_good(j))
            fail_msg("not seen: %s", changes[i]);
        journal_free(j);
    }
    struct journal *j = NULL;
    struct error err = {0};
    changed(p, "VACUUM; CREATE INDEX mine ON attempt (status); CREATE VIEW v AS SELECT 1");
    ok(journal_open(p->path, &j, &err), &err);
    assert_true(journal_checksum_good(j)); /* what changes no row is no alteration */
    journal_free(j);
}

static void hostile_texts_become_valid_utf8(void **state)
{
    const struct place *p = *state;
    struct journal *j = NULL;
    struct error err = {0};
    changed(p, "UPDATE name SET text=CAST(x'2fff00c3' AS TEXT) WHERE rowid=2; UPDATE proc SET "
               "role=CAST(x'ff' AS TEXT)");
    ok(journal_open(p->path, &j, &err), &err);
    assert_string_equal(j->procs[0].role, "?");
    assert_int_not_equal(journal_find_name(j, "/???"), 0);
    char *text = printed(j);
    free(text);
    journal_free(j);
}

/* Whatever bytes are broken: a journal or a sentence, never a crash (ASan looks on). */
static void broken_bytes_never_crash_the_reader(void **state)
{
    const struct place *p = *state;
    struct stat st;
    struct rng r = rng_of(5);
    size_t refusals = 0, altered = 0;
    changed(p, "SELECT 1");
    assert_int_equal(stat(p->path, &st), 0);
    size_t len = (size_t)st.st_size;
    uint8_t *good = check_alloc(len), *bad = check_alloc(len);
    FILE *f = fopen(p->path, "rb");
    assert_int_equal(fread(good, 1, len, f), len);
    fclose(f);
    for (int round = 0; round < 400; round++) {
        struct journal *j = NULL;
        struct error err = {0};
        memcpy(bad, good, len);
        size_t flips = 1 + (size_t)rng_below(&r, 30), cut = len;
        for (size_t i = 0; i < flips; i++)
            bad[rng_below(&r, round % 3 == 0 ? 8192 : len)] = (uint8_t)rng_next(&r);
        if (round % 10 == 9)
            cut = (size_t)rng_below(&r, len);
        write_file(p->path, bad, cut);
        if (journal_open(p->path, &j, &err)) {
            altered += !journal_checksum_good(j);
            journal_free(j);
        } else {
            refusals++;
            assert_true(err.kind == ERROR_INPUT || err.kind == ERROR_LIMIT);
            assert_null(strchr(err.text, '\n'));
        }
    }
    assert_true(refusals > 50 && altered > 5);
    free(good);
    free(bad);
}

/* Points every child of a table's root at one leaf: more rows than the file could hold. */
static void pages_linked_in_circles_come_to_an_end(void **state)
{
    const struct place *p = *state;
    sqlite3 *db;
    sqlite3_stmt *s;
    struct journal *j = sample(3000);
    struct error err = {0};
    ok(journal_save(j, p->path, &err), &err);
    journal_free(j);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT rootpage FROM sqlite_schema WHERE name='attempt'",
                                        -1, &s, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    long root = (long)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    static uint8_t page[8192];
    FILE *f = fopen(p->path, "r+b");
    assert_non_null(f);
    fseek(f, (root - 1) * 8192, SEEK_SET);
    assert_int_equal(fread(page, 1, sizeof(page), f), sizeof(page));
    assert_int_equal(page[0], 5); /* an interior table page */
    /* 1000 cells, all at one place in the page: child 4 bytes, then a key of one byte */
    uint8_t child[4];
    memcpy(child, page + ((size_t)page[12] << 8 | page[13]), 4);
    page[3] = 1000 >> 8;
    page[4] = 1000 & 255;
    for (size_t i = 0; i < 1000; i++) {
        page[12 + 2 * i] = 8000 >> 8;
        page[13 + 2 * i] = 8000 & 255;
    }
    memcpy(page + 8000, child, 4);
    page[8004] = 1;
    fseek(f, (root - 1) * 8192, SEEK_SET);
    assert_int_equal(fwrite(page, 1, sizeof(page), f), sizeof(page));
    fclose(f);
    refused(p->path, "is damaged");
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_FILE(what_is_saved_is_what_is_read),
        cmocka_unit_test(processes_in_turns_come_out_in_order),
        cmocka_unit_test(rows_that_were_expected_have_room_and_so_have_the_others),
        cmocka_unit_test(names_and_processes_are_found),
        WITH_FILE(records_may_be_added_to_a_journal_that_was_read),
        cmocka_unit_test(every_line_is_json_with_words_in_order_of_time),
        WITH_FILE(what_is_no_journal_is_one_sentence),
        WITH_FILE(a_file_of_an_older_format_is_read_as_one_without_the_newer_tables),
        WITH_FILE(a_refusal_keeps_its_reason),
        WITH_FILE(a_hostile_or_damaged_file_is_one_sentence),
        WITH_FILE(any_change_of_a_row_spoils_the_checksum),
        WITH_FILE(hostile_texts_become_valid_utf8),
        WITH_FILE(broken_bytes_never_crash_the_reader),
        WITH_FILE(pages_linked_in_circles_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
