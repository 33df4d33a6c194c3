/* The listings of `meshproof show`, of one stored journal, against their stored texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/good_file_test.h"
#include "reports/listing.h"
#include "reports/report_fixture_test.h"
#include "verify/limits_fixture_test.h"

#define STORED SOURCE_ROOT "/suites/selftest/live/run.db"
#define GOOD SOURCE_ROOT "/suites/selftest/show/golden/"

struct stored {
    struct journal *journal;
    struct plan *plan;
    struct judgement *judgement;
    struct report report;
    struct scene *scene;
};

static void stored_open(struct stored *s)
{
    struct error err = {0};
    struct judge_options options = {0};
    *s = (struct stored){0};
    if (!journal_open(STORED, &s->journal, &err) ||
        !plan_from_json(s->journal->plan, &s->plan, &err) ||
        !judge_run(s->journal, &options, &s->judgement, &err))
        fail_msg("%s", err.text);
    s->report = (struct report){
        .journal = s->journal, .judgement = s->judgement, .plan = s->plan, .version = "1"};
    s->scene = scene_new(&s->report);
}

static void stored_close(struct stored *s)
{
    scene_free(s->scene);
    judgement_free(s->judgement);
    plan_free(s->plan);
    journal_free(s->journal);
}

static const struct listing *find(const char *name)
{
    size_t count;
    const struct listing *const *all = listings(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    fail_msg("there is no listing %s", name);
    return NULL;
}

/* The caller's to free; NULL: it failed with ${err}. */
static char *written(const struct scene *s, const char *name, const char *of, bool json,
                     struct error *err)
{
    char *at = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&at, &len);
    assert_non_null(to);
    bool good =
        json ? listing_json(find(name), s, of, to, err) : listing_write(find(name), s, of, to, err);
    fclose(to);
    if (good)
        return at;
    free(at);
    return NULL;
}

static void each_listing_of_a_stored_journal_is_its_stored_text(void **state)
{
    static const struct {
        const char *name, *of, *good;
    } rows[] = {
        {"phase", NULL, GOOD "phase.txt"},
        {"timeline", NULL, GOOD "timeline.txt"},
        {"faults", NULL, GOOD "faults.txt"},
        {"ejection", "payments/2", GOOD "ejection_2.txt"},
        {"ejection", "payments/1", GOOD "ejection_1.txt"},
        {"metrics", NULL, GOOD "metrics.txt"},
        {"samples", "client p99", GOOD "samples.txt"},
        {"refused", NULL, GOOD "refused.txt"},
    };
    struct stored s;
    struct error err = {0};
    (void)state;
    stored_open(&s);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *text = written(s.scene, rows[i].name, rows[i].of, false, &err);
        if (text == NULL)
            fail_msg("%s: %s", rows[i].name, err.text);
        good_file_is(rows[i].good, text);
        free(text);
    }
    stored_close(&s);
}

/* The processes first, then nothing but what the listing is of. */
static size_t count_json(const struct scene *s, const char *name, const char *of, const char *kind)
{
    struct error err = {0};
    size_t count = 0;
    bool begun = false;
    char *text = written(s, name, of, true, &err);
    if (text == NULL)
        fail_msg("%s", err.text);
    for (char *line = text, *end; *line != '\0'; line = end + 1) {
        end = strchr(line, '\n');
        assert_non_null(end);
        json_t *o = json_loadb(line, (size_t)(end - line), 0, NULL);
        assert_non_null(o);
        const char *is = json_string_value(json_object_get(o, "kind"));
        assert_non_null(is);
        begun = begun || strcmp(is, "proc") != 0;
        assert_true(!begun || strcmp(is, "proc") != 0);
        count += strcmp(is, kind) == 0;
        json_decref(o);
    }
    free(text);
    return count;
}

static void as_json_it_is_the_records_that_it_is_of(void **state)
{
    struct stored s;
    size_t second = 0, p99 = 0;
    (void)state;
    stored_open(&s);
    for (size_t i = 0; i < s.journal->attempt_count; i++)
        second += s.journal->attempts[i].r.endpoint == 2;
    for (size_t i = 0; i < s.journal->sample_count; i++)
        p99 += strcmp(journal_name(s.journal, s.journal->samples[i].r.probe), "client p99") == 0;
    assert_int_equal(count_json(s.scene, "faults", NULL, "fault"), 10);
    assert_int_equal(count_json(s.scene, "faults", NULL, "attempt"), 0);
    assert_int_equal(count_json(s.scene, "phase", NULL, "phase"), 4);
    assert_int_equal(count_json(s.scene, "phase", NULL, "phase end"), 4);
    assert_int_equal(count_json(s.scene, "timeline", NULL, "event"), 6);
    assert_int_equal(count_json(s.scene, "samples", "client p99", "sample"), p99);
    assert_true(p99 > 0 && p99 < s.journal->sample_count);
    assert_int_equal(count_json(s.scene, "ejection", "payments/2", "attempt"), second);
    assert_true(second > 0 && second < s.journal->attempt_count);
    assert_int_equal(count_json(s.scene, "refused", NULL, "refusal"), 0);
    stored_close(&s);
}

static void what_the_run_has_not_is_named_with_what_it_has(void **state)
{
    static const struct {
        const char *name, *of, *said;
    } rows[] = {
        {"ejection", "payments/4",
         "the run has no endpoint \"payments/4\"; it has payments/1 to /3"},
        {"ejection", "payments", "the run has no endpoint \"payments\"; it has payments/1 to /3"},
        {"ejection", "payments/0",
         "the run has no endpoint \"payments/0\"; it has payments/1 to /3"},
        {"samples", "orders",
         "the run has no probe \"orders\"; it has \"client errors\", \"client p99\""},
    };
    struct stored s;
    (void)state;
    stored_open(&s);
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        struct error err = {0};
        assert_null(written(s.scene, rows[i / 2].name, rows[i / 2].of, i % 2 != 0, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_string_equal(err.text, rows[i / 2].said);
    }
    stored_close(&s);
}

/* A journal with a phase, a few tries, and text that is not ours; no policy to read it by. */
static void of_a_journal_without_a_policy_each_says_what_there_is(void **state)
{
    struct report_fixture f;
    size_t count;
    const struct listing *const *all = listings(&count);
    (void)state;
    report_fixture_make(&f);
    struct fault_record r = {.at = 2000000000,
                             .fault = 2,
                             .place = journal_add_name(f.journal, "pay\033[2Jments"),
                             .params = journal_add_name(f.journal, "abort 503")};
    journal_add(f.journal, 2, RECORD_FAULT, &r);
    struct scene *s = scene_new(&f.report);
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        char *text = all[i]->knows != NULL ? NULL : written(s, all[i]->name, NULL, false, &err);
        assert_int_equal(err.kind, ERROR_NONE);
        assert_true(text == NULL || (text[0] != '\0' && strchr(text, '\033') == NULL));
        free(text);
    }
    struct error err = {0};
    assert_null(written(s, "ejection", "payments/1", false, &err));
    assert_null(written(s, "samples", "orders", false, &err));
    scene_free(s);
    report_fixture_release(&f);
}

static void put(struct limits *l, uint64_t at_us, const char *name, uint64_t value)
{
    struct metric_record m = {.at = LIMITS_T0 + at_us * NS_PER_US,
                              .answer = NS_PER_MS,
                              .value = (double)value,
                              .proxy = journal_add_name(l->j, "client -> payments"),
                              .name = journal_add_name(l->j, name)};
    journal_add(l->j, LIMITS_MESH, RECORD_METRIC, &m);
}

/* Forty requests with a retry each, of which the mesh counted thirty-one. */
static void a_counter_that_differs_is_told_with_its_difference(void **state)
{
    struct limits l;
    struct error err = {0};
    struct edge_policy edge = limits_policy(FLAVOUR_ENVOY, 2);
    (void)state;
    edge.retry.attempts = limits_value(2);
    limits_open(&l, &edge, 60 * LIMITS_S, "metrics", NULL);
    for (uint64_t i = 0; i < 40; i++) {
        uint64_t at = LIMITS_S + i * 50 * LIMITS_MS;
        uint64_t id = limits_request(&l, at, at + 30 * LIMITS_MS, 200, false);
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = at + LIMITS_MS,
                                                .out_us = at + 2 * LIMITS_MS,
                                                .status = 503,
                                                .k = 1});
        limits_add_try(&l, &(struct limits_try){.request = id,
                                                .head_us = at + 20 * LIMITS_MS,
                                                .out_us = at + 29 * LIMITS_MS,
                                                .endpoint = 2,
                                                .k = 2});
    }
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t at = i * 8 * LIMITS_S + 500 * LIMITS_MS;
        put(&l, at, "upstream_rq_total", 100 + i * 80);
        put(&l, at, "upstream_rq_retry", 7 + i * 31);
        put(&l, at, "upstream_cx_total", 12);
    }
    limits_judge(&l, "metrics.retries");
    struct report report = {.journal = l.j, .judgement = l.judgement, .plan = l.plan};
    struct scene *s = scene_new(&report);
    char *text = written(s, "metrics", NULL, false, &err);
    if (text == NULL)
        fail_msg("%s", err.text);
    good_file_is(GOOD "metrics_differ.txt", text);
    free(text);
    scene_free(s);
    limits_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_listing_of_a_stored_journal_is_its_stored_text),
        cmocka_unit_test(as_json_it_is_the_records_that_it_is_of),
        cmocka_unit_test(what_the_run_has_not_is_named_with_what_it_has),
        cmocka_unit_test(of_a_journal_without_a_policy_each_says_what_there_is),
        cmocka_unit_test(a_counter_that_differs_is_told_with_its_difference),
    };
    return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
