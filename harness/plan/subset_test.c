#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_labels_of_an_endpoint_are_its_services(void **unused)
{
    const char *versions[] = {"v1", "v2"}, *zones[] = {"a", "b", "c"};
    struct service_plan s = {.name = "payments", .endpoints = 4};
    (void)unused;
    assert_null(plan_label_of(&s, 1, "version"));
    assert_null(plan_label_of(&s, 1, "topology.kubernetes.io/zone"));
    assert_string_equal(plan_label_of(&s, 1, "app"), "payments");
    s.versions = versions;
    s.version_count = 2;
    s.zones = zones;
    s.zone_count = 3;
    assert_string_equal(plan_label_of(&s, 1, "version"), "v1");
    assert_string_equal(plan_label_of(&s, 4, "version"), "v2");
    assert_string_equal(plan_label_of(&s, 4, "topology.kubernetes.io/zone"), "a");
    assert_null(plan_label_of(&s, 1, "tier"));
}

static void a_place_has_all_one_or_those_of_its_subset(void **unused)
{
    struct scenario s = {.lab.subsets = json_pack("{s:{s:[i,i]}}", "b", "v2", 2, 3)};
    struct place_end all = {.service = "b"}, one = {.service = "b", .endpoint = 2},
                     subset = {.service = "b", .subset = "v2"},
                     unknown = {.service = "b", .subset = "v9"};
    (void)unused;
    for (uint32_t n = 1; n <= 4; n++) {
        assert_true(plan_place_has(&s, &all, n));
        assert_int_equal(plan_place_has(&s, &one, n), n == 2);
        assert_int_equal(plan_place_has(&s, &subset, n), n == 2 || n == 3);
        assert_false(plan_place_has(&s, &unknown, n));
    }
    assert_int_equal(plan_subset_count(&s, &subset), 2);
    assert_int_equal(plan_subset_count(&s, &unknown), 0);
    json_decref(s.lab.subsets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_labels_of_an_endpoint_are_its_services),
        cmocka_unit_test(a_place_has_all_one_or_those_of_its_subset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
