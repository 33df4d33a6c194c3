#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/outcome.h"
#include "reports/report_fixture_test.h"

#include <unistd.h>

static json_t *printed(const struct outcome *o, int code, const char *why)
{
    struct text t;
    text_init(&t, 4 * TERMINATION_MOST_BYTES);
    outcome_print(o, code, why, &t);
    assert_true(t.len <= TERMINATION_MOST_BYTES);
    json_t *j = json_loads(text_get(&t), 0, NULL);
    assert_non_null(j);
    text_release(&t);
    return j;
}

static const char *word_of(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void the_message_names_run_verdict_counts_and_the_first_failure(void **state)
{
    struct report_fixture f;
    struct outcome o = {0};
    (void)state;
    report_fixture_make(&f);
    outcome_add(&o, &f.report, "/data/run.db", 1);
    json_t *j = printed(&o, 1, NULL);
    assert_string_equal(word_of(j, "run"), "7c1e4a90");
    assert_string_equal(word_of(j, "verdict"), "FAIL");
    assert_string_equal(word_of(j, "first"), "retries client -> payments");
    assert_string_equal(word_of(j, "results"), "/data/run.db");
    assert_int_equal(json_integer_value(json_object_get(j, "exit")), 1);
    assert_int_equal(json_integer_value(json_object_get(j, "pass")), 1);
    assert_int_equal(json_integer_value(json_object_get(j, "fail")), 1);
    assert_int_equal(json_integer_value(json_object_get(j, "inconclusive")), 1);
    json_decref(j);
    report_fixture_release(&f);
}

static void of_several_suites_the_worst_is_named_and_all_are_counted(void **state)
{
    struct report_fixture f;
    struct outcome o = {0};
    (void)state;
    report_fixture_make(&f);
    outcome_add(&o, &f.report, "a.db", 2);
    outcome_add(&o, &f.report, "b.db", 1);
    outcome_add(&o, &f.report, "c.db", 0);
    json_t *j = printed(&o, 1, NULL);
    assert_string_equal(word_of(j, "results"), "b.db");
    assert_int_equal(json_integer_value(json_object_get(j, "pass")), 3);
    json_decref(j);
    report_fixture_release(&f);
}

static void the_longest_and_ugliest_texts_stay_below_the_limit(void **state)
{
    struct report_fixture f;
    struct outcome o = {0};
    char ugly[5000];
    (void)state;
    memset(ugly, '"', sizeof(ugly) - 1);
    ugly[sizeof(ugly) - 1] = '\0';
    ugly[7] = '\x01';
    report_fixture_make(&f);
    f.judgement.verdicts[0].on = ugly;
    outcome_add(&o, &f.report, ugly, 1);
    o.pass = o.fail = o.inconclusive = INT32_MAX;
    json_decref(printed(&o, 1, NULL));
    json_t *j = printed(&o, EXIT_USAGE, ugly);
    assert_string_equal(word_of(j, "verdict"), "USAGE");
    assert_null(strchr(word_of(j, "first"), '\x01'));
    json_decref(j);
    report_fixture_release(&f);
}

static void every_exit_code_has_a_word_of_its_own(void **state)
{
    static const int codes[] = {EXIT_PASS,         EXIT_FAIL,       EXIT_INCONCLUSIVE,
                                EXIT_ABORTED,      EXIT_NOT_UNDONE, EXIT_USAGE,
                                EXIT_SURROUNDINGS, EXIT_JOURNAL,    EXIT_BUG};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(outcome_word(codes[i]), outcome_word(codes[k]));
}

static int ended(const char *word, const char *message, const struct outcome *o, int code)
{
    const char *argv[] = {"run", "--verdict-file", word, "--termination-log", message};
    struct arguments args;
    struct error err = {0};
    assert_true(arguments_parse(&args, command_find("run"), COUNT_OF(argv),
                                (char **)(uintptr_t)argv, &err));
    code = outcome_write(o, &args, code);
    arguments_release(&args);
    return code;
}

static void both_files_are_written_and_an_older_word_does_not_stay(void **state)
{
    char word[] = "/tmp/meshproof-word-XXXXXX", message[] = "/tmp/meshproof-message-XXXXXX";
    char line[64] = "";
    int fd = mkstemp(word);
    (void)state;
    assert_true(fd >= 0 && write(fd, "PASS and more\n", 14) == 14);
    close(fd);
    close(mkstemp(message));
    struct outcome o = {0};
    outcome_begin(&o, "7f3a91c2");
    assert_int_equal(ended(word, message, &o, EXIT_SURROUNDINGS), EXIT_SURROUNDINGS);
    FILE *file = fopen(word, "r");
    assert_non_null(fgets(line, sizeof(line), file));
    assert_string_equal(line, "SURROUNDINGS\n");
    assert_null(fgets(line, sizeof(line), file));
    fclose(file);
    json_t *j = json_load_file(message, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(j, "exit")), EXIT_SURROUNDINGS);
    assert_string_equal(word_of(j, "run"), "7f3a91c2");
    json_decref(j);
    unlink(word);
    unlink(message);
}

static void a_file_that_cannot_be_written_makes_no_pass(void **state)
{
    (void)state;
    assert_int_equal(ended("/nowhere/word", "/nowhere/message", &(struct outcome){0}, EXIT_PASS),
                     EXIT_SURROUNDINGS);
    assert_int_equal(ended("/nowhere/word", "/nowhere/message", &(struct outcome){0}, EXIT_FAIL),
                     EXIT_FAIL);
    assert_non_null(strstr(command_first_said(), "/nowhere/word"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_message_names_run_verdict_counts_and_the_first_failure),
        cmocka_unit_test(of_several_suites_the_worst_is_named_and_all_are_counted),
        cmocka_unit_test(the_longest_and_ugliest_texts_stay_below_the_limit),
        cmocka_unit_test(every_exit_code_has_a_word_of_its_own),
        cmocka_unit_test(both_files_are_written_and_an_older_word_does_not_stay),
        cmocka_unit_test(a_file_that_cannot_be_written_makes_no_pass),
    };
    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
