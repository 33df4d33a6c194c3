/* The names that the engine writes are those that the judge looks for. */

#include "journal/look.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void each_run_of_a_phase_has_its_name(void **state)
{
    static const struct {
        uint32_t look;
        bool resumed;
        const char *name;
    } rows[] = {
        {0, false, "storm"},
        {0, true, "storm (resumed)"},
        {1, false, "storm (again)"},
        {2, false, "storm (again, 2)"},
        {2, true, "storm (again, 2) (resumed)"},
    };
    char name[LOOK_NAME_MOST];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(look_name(name, sizeof(name), "storm", rows[i].look, rows[i].resumed),
                            rows[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_run_of_a_phase_has_its_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
