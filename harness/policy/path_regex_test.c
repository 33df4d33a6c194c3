#include "policy/path_regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static bool takes(const char *pattern, const char *text)
{
    struct arena arena;
    const struct path_regex *regex = NULL;
    arena_init(&arena, (size_t)1 << 20);
    if (!path_regex_parse(pattern, &arena, &regex))
        fail_msg("%s is not read", pattern);
    bool found = path_regex_matches(regex, bytes_of(text));
    arena_release(&arena);
    return found;
}

static void the_whole_path_must_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *in, *out;
    } rows[] = {
        {"/pay", "/pay", "/pay/1"},
        {"^/pay$", "/pay", "/pays"},
        {"/books/[^/]*\\.json", "/books/a.json", "/books/a/b.json"},
        {"/authors/\\d+", "/authors/42", "/authors/"},
        {"/a(/b)?", "/a/b", "/a/c"},
        {"/(red|green|blue)x*", "/bluexx", "/yellow"},
        {"/(?:a|b)+c", "/ababc", "/c"},
        {"/[a-cx_-]+", "/ab-x_c", "/d"},
        {"/.*", "/", "x"},
        {"(a*)*b", "aab", "aa"},
        {"", "", "/"},
        {"/a|/b", "/b", "/a/b"},
        {"/\\w+-\\s", "/a_9- ", "/-- "},
        {"/a+?b", "/aab", "/b"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!takes(rows[i].pattern, rows[i].in))
            fail_msg("%s does not take %s", rows[i].pattern, rows[i].in);
        if (takes(rows[i].pattern, rows[i].out))
            fail_msg("%s takes %s", rows[i].pattern, rows[i].out);
    }
}

static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "a{2}",        "(?i)a", "\\bx",
        "[[:alpha:]]", "(a",    "a)",
        "*a",          "a**",   "[a",
        "[]a]",        "a\\",   "^a|b$",
        "\\p{L}",      "[z-a]", "a$b",
        "[a&&b]",      "\\D",   "[\\d-z]",
        "(a^b)",       "(a$)",  "((((((((((((((((((((((((((a))))))))))))))))))))))))))",
    };
    struct arena arena;
    arena_init(&arena, (size_t)1 << 20);
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        const struct path_regex *regex = NULL;
        if (path_regex_parse(patterns[i], &arena, &regex))
            fail_msg("%s is read", patterns[i]);
    }
    char lengthy[400];
    memset(lengthy, 'a', sizeof(lengthy) - 1);
    lengthy[sizeof(lengthy) - 1] = '\0';
    const struct path_regex *regex = NULL;
    assert_false(path_regex_parse(lengthy, &arena, &regex));
    arena_release(&arena);
}

static void a_sample_is_taken(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "/pay",   "/books/[^/]*\\.json", "/authors/\\d+", "/(bc|a)", "/.*",
        "(a*)*b", "(/a|/b)+/",           "/x[^a-z]",      ""};
    struct arena arena;
    arena_init(&arena, (size_t)1 << 20);
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        const struct path_regex *regex = NULL;
        assert_true(path_regex_parse(patterns[i], &arena, &regex));
        const char *sample = path_regex_sample(regex, &arena);
        assert_non_null(sample);
        if (!path_regex_matches(regex, bytes_of(sample)))
            fail_msg("%s does not take its sample %s", patterns[i], sample);
    }
    const struct path_regex *regex = NULL;
    assert_true(path_regex_parse("/(bc|a)", &arena, &regex));
    assert_string_equal(path_regex_sample(regex, &arena), "/a"); /* the shortest */
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_path_must_match),
        cmocka_unit_test(what_is_not_known_is_refused),
        cmocka_unit_test(a_sample_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
