#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void the_first_cause_stays(void **state)
{
    struct error err = {0};
    (void)state;
    assert_false(error_set(&err, ERROR_PEER, "it left after %d bytes", 3));
    assert_false(error_set(&err, ERROR_INPUT, "later"));
    assert_false(error_system(&err, EPIPE, "later still"));
    assert_int_equal(err.kind, ERROR_PEER);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.text, "it left after 3 bytes");
}

static void no_error_wanted_is_no_crash(void **state)
{
    (void)state;
    assert_false(error_set(NULL, ERROR_INPUT, "x"));
    assert_false(error_system(NULL, ENOENT, "x"));
    error_prefix(NULL, "x");
}

static void a_system_error_names_its_cause(void **state)
{
    struct error err = {0};
    (void)state;
    assert_false(error_system(&err, ENOENT, "opening %s", "a.yaml"));
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(err.text, "opening a.yaml: No such file or directory");
}

static void prefixes_come_before_and_only_on_errors(void **state)
{
    struct error err = {0};
    (void)state;
    error_prefix(&err, "reading: ");
    assert_string_equal(err.text, "");
    error_set(&err, ERROR_INPUT, "bad");
    error_prefix(&err, "row %d: ", 4);
    assert_string_equal(err.text, "row 4: bad");
}

static void long_texts_are_cut_and_terminated(void **state)
{
    char text[600];
    struct error err = {0};
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set(&err, ERROR_INPUT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    error_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    char shown[16];
    assert_true(error_format(&err, shown, sizeof(shown)) >= sizeof(shown));
    assert_int_equal(strlen(shown), sizeof(shown) - 1);
}

static void marks_print_as_far_as_they_are_known(void **state)
{
    static const struct {
        struct source source;
        const char *want;
    } rows[] = {
        {{NULL, 0, 0}, "bad"},
        {{"a.lua", 0, 0}, "a.lua: bad"},
        {{"a.lua", 9, 0}, "a.lua:9: bad"},
        {{"a.lua", 9, 4}, "a.lua:9:4: bad"},
    };
    char shown[64];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = {0};
        assert_false(error_at(&err, rows[i].source, ERROR_INPUT, "bad"));
        assert_int_equal(error_format(&err, shown, sizeof(shown)), strlen(rows[i].want));
        assert_string_equal(shown, rows[i].want);
    }
    source_format((struct source){"a.lua", 9, 4}, false, shown, sizeof(shown));
    assert_string_equal(shown, "a.lua:9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_cause_stays),
        cmocka_unit_test(no_error_wanted_is_no_crash),
        cmocka_unit_test(a_system_error_names_its_cause),
        cmocka_unit_test(prefixes_come_before_and_only_on_errors),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(marks_print_as_far_as_they_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
