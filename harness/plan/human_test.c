/* What a person may answer, and what it means. */
#include "plan/human.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void yes_and_no_are_read_in_short_and_in_any_case(void **state)
{
    static const struct {
        const char *said, *means;
    } rows[] = {{"yes", "yes"}, {"Y", "yes"}, {" YES ", "yes"}, {"no", "no"}, {"N", "no"},
                {"", NULL},     {"ye", NULL}, {"yes!", NULL},   {"noo", NULL}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *means = human_yes_or_no(rows[i].said);
        if (means == NULL || rows[i].means == NULL)
            assert_ptr_equal(means, rows[i].means);
        else
            assert_string_equal(means, rows[i].means);
    }
    assert_true(human_expects_yes_or_no("No"));
    assert_false(human_expects_yes_or_no("y"));
}

static void an_answer_is_compared_without_case_and_outer_spaces(void **state)
{
    (void)state;
    assert_true(human_matches("payments 5xx", " Payments 5XX"));
    assert_false(human_matches("payments 5xx", "payments  5xx"));
    assert_false(human_matches("payments 5xx", "payments 5x"));
    assert_false(human_matches("payments", "payments 5xx"));
}

static void a_name_is_one_word_of_known_characters(void **state)
{
    char longest[HUMAN_NAME_MOST + 2];
    (void)state;
    assert_true(human_name_is_good("alice.o-neil_2@sre"));
    assert_false(human_name_is_good(""));
    assert_false(human_name_is_good("al ice"));
    assert_false(human_name_is_good("<b>"));
    assert_false(human_name_is_good("al\033[2J"));
    memset(longest, 'a', sizeof(longest));
    longest[HUMAN_NAME_MOST] = '\0';
    assert_true(human_name_is_good(longest));
    longest[HUMAN_NAME_MOST] = 'a';
    longest[HUMAN_NAME_MOST + 1] = '\0';
    assert_false(human_name_is_good(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yes_and_no_are_read_in_short_and_in_any_case),
        cmocka_unit_test(an_answer_is_compared_without_case_and_outer_spaces),
        cmocka_unit_test(a_name_is_one_word_of_known_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
