#include "stats/late.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void lateness_that_the_control_lacks_fails(void **state)
{
    (void)state;
    struct late l = late_test(10, 10, 0, 1000, 1e-8);
    assert_int_equal(l.verdict, LATE_FAIL);
    assert_true(fabs(l.p_hi - 0.018932317011342965) < 1e-12);
    assert_true(fabs(l.tail / 5.91612959507642e-18 - 1) < 1e-9);
    assert_int_equal(late_test(7, 10, 0, 1000, 1e-8).verdict, LATE_FAIL);
}

static void lateness_that_the_control_shares_does_not_fail(void **state)
{
    (void)state;
    assert_int_equal(late_test(10, 100, 100, 1000, 1e-8).verdict, LATE_PASS);
    assert_int_equal(late_test(50, 100, 500, 1000, 1e-8).verdict, LATE_UNDECIDED);
}

static void no_late_instance_passes_and_no_instance_does_not(void **state)
{
    (void)state;
    assert_int_equal(late_test(0, 1, 0, 1000, 1e-8).verdict, LATE_PASS);
    struct late l = late_test(0, 0, 0, 1000, 1e-8);
    assert_int_equal(l.verdict, LATE_UNDECIDED);
    assert_int_equal(l.needed, 1);
}

static void late_instances_without_a_control_decide_nothing(void **state)
{
    (void)state;
    struct late l = late_test(1, 1000, 0, 0, 1e-8);
    assert_int_equal(l.verdict, LATE_UNDECIDED);
    assert_int_equal(l.needed, 0);
}

static void an_undecided_test_names_the_number_that_decides(void **state)
{
    (void)state;
    struct late l = late_test(3, 10, 0, 1000, 1e-8);
    assert_int_equal(l.verdict, LATE_UNDECIDED);
    assert_int_equal(l.needed, 40); /* 6 of 20: 3e-7; 12 of 40: 7e-13 */
    assert_int_equal(late_test(12, 40, 0, 1000, 1e-8).verdict, LATE_FAIL);
    assert_int_equal(late_test(6, 20, 0, 1000, 1e-8).verdict, LATE_UNDECIDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lateness_that_the_control_lacks_fails),
        cmocka_unit_test(lateness_that_the_control_shares_does_not_fail),
        cmocka_unit_test(no_late_instance_passes_and_no_instance_does_not),
        cmocka_unit_test(late_instances_without_a_control_decide_nothing),
        cmocka_unit_test(an_undecided_test_names_the_number_that_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
