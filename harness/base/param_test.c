#include "base/param.h"

#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct sample {
    const char *name, *at, *headers;
    uint64_t count, delay, size, share, rate, speed, when;
};
static const char *const whens[] = {"head", "body", "end", NULL};
static const struct param rows[] = {
    PARAM(struct sample, name, UNIT_TEXT, .fallback = "nobody"),
    PARAM(struct sample, at, UNIT_PLACE, .help = "where"),
    PARAM(struct sample, headers, UNIT_MAP, .help = "which"),
    PARAM(struct sample, count, UNIT_COUNT, .required = true, .least = 1, .most = 10),
    PARAM(struct sample, delay, UNIT_TIME_NS, .fallback = "250ms", .most = UINT64_C(60000000000)),
    PARAM(struct sample, size, UNIT_BYTES, .fallback = "64KiB"),
    PARAM(struct sample, share, UNIT_SHARE_PPM, .fallback = "30%"),
    PARAM(struct sample, rate, UNIT_RATE_PER_H, .fallback = "200/s"),
    PARAM(struct sample, speed, UNIT_BYTES_PER_S, .fallback = "64KiB/s"),
    PARAM(struct sample, when, UNIT_WORD, .fallback = "body", .words = whens),
};

static void defaults_are_the_fallbacks_or_unset(void **state)
{
    struct sample s;
    struct arena a;
    (void)state;
    memset(&s, 0xaa, sizeof(s));
    arena_init(&a, 65536);
    param_defaults(rows, COUNT_OF(rows), &s, &a);
    assert_string_equal(s.name, "nobody");
    assert_null(s.at);
    assert_null(s.headers);
    assert_true(s.count == PARAM_UNSET);
    assert_true(s.delay == 250000000 && s.size == 65536 && s.share == 300000 && s.rate == 720000);
    assert_true(s.speed == 65536 && s.when == 1);
    arena_release(&a);
}

static void what_is_printed_is_what_was_written(void **state)
{
    struct sample s;
    struct arena a;
    char shown[64];
    (void)state;
    arena_init(&a, 65536);
    param_defaults(rows, COUNT_OF(rows), &s, &a);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_set = param_print(&rows[i], &s, shown, sizeof(shown));
        assert_int_equal(is_set, rows[i].fallback != NULL);
        if (is_set)
            assert_string_equal(shown, rows[i].fallback);
    }
    arena_release(&a);
}

static void bounds_and_words_are_told_in_the_users_units(void **state)
{
    static const struct {
        const char *row, *text, *want;
    } bad[] = {
        {"count", "0", "is 0, less than the 1 allowed"},
        {"count", "11", "is 11, more than the 10 allowed"},
        {"count", "many", "is \"many\"; it must be a count such as 3"},
        {"delay", "2m", "is 2m, more than the 1m allowed"},
        {"delay", "18446744073709551615ns", "is \"18446744073709551615ns\", more than any limit"},
        {"when", "tail", "is \"tail\"; it is one of head, body, end"},
        {"share", "130%", "is \"130%\"; it must be a share such as \"30%\""},
    };
    struct sample s = {.count = 5};
    struct arena a;
    (void)state;
    arena_init(&a, 65536);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};
        const struct param *row = param_find(rows, COUNT_OF(rows), bad[i].row);
        assert_non_null(row);
        assert_false(param_parse(row, bad[i].text, &s, &a, &err));
        assert_string_equal(err.text, bad[i].want);
        assert_int_equal(err.kind, ERROR_INPUT);
    }
    assert_int_equal(s.count, 5); /* a refused value changes nothing */
    arena_release(&a);
}

static void texts_are_copied(void **state)
{
    struct sample s = {0};
    struct arena a;
    char text[] = "payments/2";
    (void)state;
    arena_init(&a, 65536);
    assert_true(param_parse(param_find(rows, COUNT_OF(rows), "at"), text, &s, &a, NULL));
    text[0] = 'X';
    assert_string_equal(s.at, "payments/2");
    assert_null(param_find(rows, COUNT_OF(rows), "nonsense"));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_fallbacks_or_unset),
        cmocka_unit_test(what_is_printed_is_what_was_written),
        cmocka_unit_test(bounds_and_words_are_told_in_the_users_units),
        cmocka_unit_test(texts_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
