#include "base/text.h"

#include "base/rng.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void a_text_grows_by_pieces_of_any_length(void **state)
{
    struct text t;
    static char large[3000];
    (void)state;
    memset(large, 'y', sizeof(large) - 1);
    text_init(&t, 10000);
    assert_string_equal(text_get(&t), "");
    text_add(&t, "%s=%d ", "a", 5);
    text_add(&t, "%s", large);
    text_add_bytes(&t, BYTES("end"));
    assert_int_equal(t.len, 4 + 2999 + 3);
    assert_int_equal(strlen(text_get(&t)), t.len);
    assert_int_equal(strncmp(text_get(&t), "a=5 yyy", 7), 0);
    text_clear(&t);
    assert_string_equal(text_get(&t), "");
    text_release(&t);
}

static void what_does_not_fit_is_left_out_whole_and_said(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, 8);
    text_add(&t, "12345");
    text_add(&t, "6789");
    assert_true(t.full);
    assert_string_equal(text_get(&t), "12345");
    text_add(&t, "6"); /* nothing after a hole */
    assert_string_equal(text_get(&t), "12345");
    text_clear(&t);
    text_add(&t, "12345678");
    assert_false(t.full);
    text_release(&t);
}

static void taking_gives_the_string_away(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, 100);
    text_add(&t, "mine");
    char *taken = text_take(&t), *empty = text_take(&t);
    assert_string_equal(taken, "mine");
    assert_string_equal(empty, "");
    free(taken);
    free(empty);
}

/* The definition, word by word. */
static bool slow_glob(const char *of, const char *glob)
{
    if (glob[0] == '\0')
        return of[0] == '\0';
    if (glob[0] == '*' && glob[1] == '*') {
        for (const char *p = of;; p++) {
            if (slow_glob(p, glob + 2))
                return true;
            if (*p == '\0')
                return false;
        }
    }
    if (glob[0] == '*') {
        for (const char *p = of;; p++) {
            if (slow_glob(p, glob + 1))
                return true;
            if (*p == '\0' || *p == '/')
                return false;
        }
    }
    return of[0] == glob[0] && slow_glob(of + 1, glob + 1);
}

static void globs_match_as_they_are_defined(void **state)
{
    struct rng r = rng_of(4);
    size_t matches = 0;
    (void)state;
    for (int i = 0; i < 300000; i++) {
        char of[12] = "", glob[12] = "";
        size_t n = (size_t)rng_below(&r, 9), m = (size_t)rng_below(&r, 8);
        for (size_t k = 0; k < n; k++)
            of[k] = "ab/"[rng_below(&r, 3)];
        for (size_t k = 0; k < m; k++)
            glob[k] = "ab/**"[rng_below(&r, 5)];
        bool want = slow_glob(of, glob);
        matches += want;
        if (text_glob(bytes_of(of), bytes_of(glob)) != want)
            fail_msg("\"%s\" against \"%s\"", of, glob);
    }
    assert_true(matches > 10000);
}

static void a_long_glob_takes_linear_time(void **state)
{
    static char of[20001], glob[2001];
    (void)state;
    memset(of, 'a', sizeof(of) - 1);
    for (size_t i = 0; i + 1 < sizeof(glob); i++)
        glob[i] = i % 2 == 0 ? '*' : 'a';
    glob[sizeof(glob) - 2] = 'b';
    assert_false(text_glob(bytes_of(of), bytes_of(glob))); /* exponential for a naive matcher */
}

static void the_nearest_word_is_at_most_two_edits_away(void **state)
{
    static const char *const words[] = {"latency", "abort", "reset"};
    (void)state;
    assert_string_equal(text_nearest("latancy", words, 3), "latency");
    assert_string_equal(text_nearest("rest", words, 3), "reset");
    assert_string_equal(text_nearest("abort", words, 3), "abort");
    assert_null(text_nearest("blackhole", words, 3));
    assert_null(text_nearest("", words, 3));
    assert_null(
        text_nearest("a very long word that no table of any suite will ever hold", words, 3));
}

static void a_pad_goes_to_its_column_and_ends_where_there_is_no_room(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, 16);
    text_add(&t, "head\nab");
    text_pad(&t, 5, 4, 1);
    assert_string_equal(text_get(&t), "head\nab  ");
    text_pad(&t, 5, 4, 0);
    text_pad(&t, 5, 2, 1);
    assert_string_equal(text_get(&t), "head\nab   ");
    assert_false(t.full);
    text_pad(&t, 5, 60, 0);
    assert_true(t.full);
    assert_string_equal(text_get(&t), "head\nab   ");
    text_release(&t);
}

static void numbers_are_grouped_by_three(void **state)
{
    char to[40];
    (void)state;
    assert_string_equal(text_grouped(0, to, sizeof(to)), "0");
    assert_string_equal(text_grouped(999, to, sizeof(to)), "999");
    assert_string_equal(text_grouped(17000, to, sizeof(to)), "17 000");
    assert_string_equal(text_grouped(UINT64_MAX, to, sizeof(to)), "18 446 744 073 709 551 615");
}

/* A tag, a path, a question: an author's words must not steer the reader's terminal. */
static void what_steers_a_terminal_is_made_a_question_mark(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, 100);
    text_add_clean(&t, "Z\xc3\xbcrich\x1b[2J\n\x7f\xc2\x9b"
                       "1m \xc2\xa3");
    assert_string_equal(text_get(&t), "Z\xc3\xbcrich?[2J???1m \xc2\xa3");
    text_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_grows_by_pieces_of_any_length),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole_and_said),
        cmocka_unit_test(taking_gives_the_string_away),
        cmocka_unit_test(globs_match_as_they_are_defined),
        cmocka_unit_test(a_long_glob_takes_linear_time),
        cmocka_unit_test(the_nearest_word_is_at_most_two_edits_away),
        cmocka_unit_test(a_pad_goes_to_its_column_and_ends_where_there_is_no_room),
        cmocka_unit_test(what_steers_a_terminal_is_made_a_question_mark),
        cmocka_unit_test(numbers_are_grouped_by_three),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
