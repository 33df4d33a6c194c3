#include "policy/testing.h"

#define RULE(name, host, subsets) \
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " name "}\n" \
    "spec:\n  host: " host "\n  subsets: " subsets "\n"

static void rules_of_one_host_are_merged_and_the_first_has_the_name(void **unused)
{
    struct policy *p = testing_read(
        "istio@1.31", 3,
        RULE("a", "b", "[{name: v1, labels: {version: v1, app: b}}]") "---\n" RULE(
            "z", "b",
            "[{name: v1, labels: {version: v9}}, {name: v2}]") "---\n" RULE("c", "c",
                                                                            "[{name: v3, labels: "
                                                                            "{version: v3}}]"));
    struct arena arena;
    size_t count;
    (void)unused;
    arena_init(&arena, 1 << 20);
    const struct subset *all = policy_subsets(p, "b", &arena, &count);
    assert_int_equal(count, 2);
    assert_string_equal(all[0].name, "v1");
    assert_int_equal(all[0].label_count, 2);
    assert_string_equal(all[0].labels[0].key, "version");
    assert_string_equal(all[0].labels[0].value, "v1");
    assert_string_equal(all[0].labels[1].key, "app");
    assert_true(all[0].source.line > 0);
    assert_string_equal(all[1].name, "v2");
    assert_int_equal(all[1].label_count, 0);
    (void)policy_subsets(p, "nobody", &arena, &count);
    assert_int_equal(count, 0);
    arena_release(&arena);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_one_host_are_merged_and_the_first_has_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
