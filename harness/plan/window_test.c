/* guard.window by the clock on the wall of its zone. */

#include "plan/window.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define HOUR (3600 * NS_PER_S)
#define SAT_2026_11_28_14H02 ((UINT64_C(1795874520)) * NS_PER_S) /* UTC */

static bool open_at(const char *allow, const char *deny, const char *zone, uint64_t wall_ns,
                    struct error *err)
{
    struct guard_plan g = {.kind = GUARD_WINDOW,
                           .allow = &allow,
                           .allow_count = allow != NULL,
                           .deny = &deny,
                           .deny_count = deny != NULL,
                           .zone = zone};
    *err = (struct error){0};
    assert_true(window_check(&g, err));
    return window_open(&g, wall_ns, err);
}

static void hours_and_days_are_those_of_the_zone(void **state)
{
    struct error err;
    struct stat status;
    (void)state;
    assert_true(open_at("Mon-Sat 14:02-14:03", NULL, NULL, SAT_2026_11_28_14H02, &err));
    assert_false(open_at("Mon-Sat 14:03-15:00", NULL, NULL, SAT_2026_11_28_14H02, &err));
    assert_string_equal(err.text, "guard.window: it is Sat 2026-11-28 14:02 in UTC, outside allow "
                                  "\"Mon-Sat 14:03-15:00\"");
    assert_false(open_at("Mon-Fri 00:00-24:00", NULL, NULL, SAT_2026_11_28_14H02, &err));
    assert_true(open_at("Fri-Mon 00:00-24:00", NULL, NULL, SAT_2026_11_28_14H02, &err));
    if (stat("/usr/share/zoneinfo/Europe/Berlin", &status) != 0)
        return; /* a machine without time zones: the next test says what is said there */
    assert_true(open_at("Sat 15:02-15:03", NULL, "Europe/Berlin", SAT_2026_11_28_14H02, &err));
    assert_true(
        open_at("Sun 00:01-00:03", NULL, "Europe/Berlin", SAT_2026_11_28_14H02 + 9 * HOUR, &err));
}

static void a_denied_span_of_days_includes_both_ends(void **state)
{
    struct error err;
    (void)state;
    assert_false(open_at(NULL, "2026-11-28..2026-12-01", NULL, SAT_2026_11_28_14H02, &err));
    assert_non_null(strstr(err.text, "which deny \"2026-11-28..2026-12-01\" forbids"));
    assert_false(open_at(NULL, "2026-11-01..2026-11-28", NULL, SAT_2026_11_28_14H02, &err));
    assert_true(open_at(NULL, "2026-11-29", NULL, SAT_2026_11_28_14H02, &err));
    assert_false(open_at("Sat 00:00-24:00", "2026-11-28", NULL, SAT_2026_11_28_14H02, &err));
}

static void what_is_no_window_is_said(void **state)
{
    static const char *const wrong[] = {
        "",           "weekdays", "Mon 9:00-17:00",         "Mon 09:00",      "Mon 17:00-09:00",
        "2026-13-01", "Mon-",     "2026-12-02..2026-12-01", "Mon 09:00-25:00"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct error err = {0};
        const char *allow = wrong[i];
        struct guard_plan g = {.allow = &allow, .allow_count = 1, .zone = "UTC"};
        assert_false(window_check(&g, &err));
        assert_non_null(strstr(err.text, "allow is "));
    }
}

static void a_zone_that_is_none_is_said(void **state)
{
    static const char *const wrong[] = {"Mars/Base", "../../etc/passwd", "/etc/passwd", ""};
    const char *allow = "Mon 09:00-17:00";
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct error err = {0};
        struct guard_plan g = {.allow = &allow, .allow_count = 1, .zone = wrong[i]};
        assert_false(window_check(&g, &err));
        assert_non_null(strstr(err.text, "zone is \""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_and_days_are_those_of_the_zone),
        cmocka_unit_test(a_denied_span_of_days_includes_both_ends),
        cmocka_unit_test(what_is_no_window_is_said),
        cmocka_unit_test(a_zone_that_is_none_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
