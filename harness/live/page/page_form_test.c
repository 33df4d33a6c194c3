#include "live/page/page_form.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void need_value(const char *form, const char *name, const char *value)
{
    char got[12];
    assert_int_equal(page_form_get(bytes_of(form), name, got, sizeof(got)), value != NULL);
    assert_string_equal(got, value == NULL ? "" : value);
}

static void a_form_gives_its_decoded_values(void **state)
{
    (void)state;
    need_value("a=1&b=2", "a", "1");
    need_value("a=1&b=2", "b", "2");
    need_value("a=1&a=2", "a", "1");
    need_value("a=", "a", "");
    need_value("a=x%3Dy+z%26", "a", "x=y z&");
    need_value("a=%", "a", "%");
    need_value("a=%4", "a", "%4");
    need_value("a=%zz", "a", "%zz");
    need_value("&&=&a=1&", "a", "1");
    need_value("a=%C3%A9", "a", "\xc3\xa9");
    need_value("a=12345678901", "a", "12345678901");
}

static void a_form_has_no_value_where_there_is_none(void **state)
{
    (void)state;
    need_value("", "a", NULL);
    need_value("a", "a", NULL);
    need_value("aa=1&b=a", "a", NULL);
    need_value("a=123456789012", "a", NULL); /* longer than there is room */
    need_value("a=%00", "a", NULL);
    need_value("a=x%0Ay", "a", NULL);
    need_value("a=%7f", "a", NULL);
    need_value("a=%ff", "a", NULL);
    need_value("a=%C3", "a", NULL);
}

static void a_target_is_a_path_and_a_query(void **state)
{
    struct bytes path, query;
    (void)state;
    page_form_target(BYTES("/a?b=c?d"), &path, &query);
    assert_true(bytes_equal(path, BYTES("/a")) && bytes_equal(query, BYTES("b=c?d")));
    page_form_target(BYTES("/a"), &path, &query);
    assert_true(bytes_equal(path, BYTES("/a")) && query.len == 0);
    page_form_target(BYTES("?"), &path, &query);
    assert_true(path.len == 0 && query.len == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_gives_its_decoded_values),
        cmocka_unit_test(a_form_has_no_value_where_there_is_none),
        cmocka_unit_test(a_target_is_a_path_and_a_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
