#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "reports/html_text.h"

#define FFFD "\xEF\xBF\xBD"

typedef void adder(struct text *to, const char *from);

static void check(adder *add, const char *from, const char *expected)
{
    struct text t;
    text_init(&t, 4096);
    add(&t, from);
    assert_string_equal(text_get(&t), expected);
    text_release(&t);
}

static void markup_comes_out_as_text(void **state)
{
    (void)state;
    check(html_text, "</script><b a=\"x\" c='y'>&amp;",
          "&lt;/script&gt;&lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;amp;");
    check(html_text, NULL, "");
    check(html_text,
          "back-off 0\xE2\x80\xA6"
          "25 ms",
          "back-off 0\xE2\x80\xA6"
          "25 ms");
}

static void bytes_that_are_not_utf8_are_replaced_one_by_one(void **state)
{
    (void)state;
    check(html_text, "a\xFFz", "a" FFFD "z");
    check(html_text, "\xC0\xAF", FFFD FFFD);                   /* overlong */
    check(html_text, "\xED\xA0\x80", FFFD FFFD FFFD);          /* a surrogate */
    check(html_text, "\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD); /* past U+10FFFF */
    check(html_text, "cut \xE2\x80", "cut " FFFD FFFD);
    check(html_text, "\xE2<\x80", FFFD "&lt;" FFFD);
}

static void controls_and_turns_of_direction_are_replaced(void **state)
{
    (void)state;
    check(html_text, "a\x1B[31m\r\x7F\tb\n", "a" FFFD "[31m" FFFD FFFD "\tb\n");
    check(html_text,
          "\xE2\x80\xAE"
          "drow",
          FFFD "drow");                     /* U+202E */
    check(html_text, "\xC2\x85", FFFD);     /* C1 */
    check(html_text, "\xEF\xBF\xBF", FFFD); /* no character */
}

static void no_text_closes_the_data_island(void **state)
{
    (void)state;
    check(html_json, "</script>&\"\\\n", "\"\\u003c/script\\u003e\\u0026\\u0022\\u005c\\u000a\"");
    check(html_json, "a\xE2\x80\xA8\xE2\x80\xA9z", "\"a\\u2028\\u2029z\"");
    check(html_json, "\xFF", "\"\\ufffd\"");
    check(html_json, NULL, "\"\"");
}

static void a_long_name_is_cut_in_its_middle_and_kept_in_the_title(void **state)
{
    (void)state;
    check(html_name, "client -> payments", "client -&gt; payments");
    check(html_name, "1234567890123456789012345678", "1234567890123456789012345678");
    check(html_name, "12345678901234567890123456789",
          "<span title=\"12345678901234567890123456789\">1234567890123\xE2\x80\xA6"
          "67890123456789</span>");
    /* characters are counted, and none is cut */
    check(html_cut, "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4",
          "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4");
}

static void numbers_are_of_fixed_point_in_every_locale(void **state)
{
    static const struct {
        int64_t value;
        unsigned decimals;
        const char *text;
    } rows[] = {{0, 1, "0"},       {5, 1, "0.5"},      {-5, 1, "-0.5"}, {-30, 1, "-3"},
                {2450, 2, "24.5"}, {2405, 2, "24.05"}, {7, 3, "0.007"}, {1200, 0, "1200"}};
    struct text t;
    (void)state;
    text_init(&t, 4096);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        html_fixed(&t, rows[i].value, rows[i].decimals);
        assert_string_equal(text_get(&t), rows[i].text);
        text_clear(&t);
    }
    text_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_comes_out_as_text),
        cmocka_unit_test(bytes_that_are_not_utf8_are_replaced_one_by_one),
        cmocka_unit_test(controls_and_turns_of_direction_are_replaced),
        cmocka_unit_test(no_text_closes_the_data_island),
        cmocka_unit_test(a_long_name_is_cut_in_its_middle_and_kept_in_the_title),
        cmocka_unit_test(numbers_are_of_fixed_point_in_every_locale),
    };
    return cmocka_run_group_tests_name("html_text", tests, NULL, NULL);
}
