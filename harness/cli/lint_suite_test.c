#include "cli/lint_paths.h"
#include "cli/lint_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The fixtures of suites (suites/lint/RULE.fail.lua, RULE.pass.lua; the others are
 * policy/lint_rules_test.c's), and which paths are suites. */

#define FOLDER SOURCE_ROOT "/suites/lint/"

/* The first line of the file: "-- line 8"; 0: says none. */
static uint32_t line_of(const char *path)
{
    char first[100] = "";
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_non_null(fgets(first, sizeof(first), file));
    fclose(file);
    return strncmp(first, "-- line ", 8) == 0 ? (uint32_t)strtoul(first + 8, NULL, 10) : 0;
}

static bool exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL)
        fclose(file);
    return file != NULL;
}

static size_t times(const char *path, const char *rule, uint32_t line)
{
    struct arena arena;
    struct error err = {0};
    size_t said = 0;
    arena_init(&arena, (size_t)64 << 20);
    struct lint_list list = {.arena = &arena};
    if (!lint_suite(path, &list, NULL, NULL, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.rows[i].rule, rule) != 0)
            continue;
        said++;
        if (list.rows[i].source.line != line)
            fail_msg("%s: line %u: %s", path, list.rows[i].source.line, list.rows[i].text);
        assert_string_equal(list.rows[i].source.file, path);
    }
    lint_list_release(&list);
    arena_release(&arena);
    return said;
}

static void rules_of_suites_are_given_and_not_given(void **state)
{
    (void)state;
    size_t count = 0, seen = 0;
    const struct lint_rule *rules = lint_rules(&count);
    for (size_t i = 0; i < count; i++) {
        char fail[300], pass[300];
        snprintf(fail, sizeof(fail), FOLDER "%s.fail.lua", rules[i].id);
        snprintf(pass, sizeof(pass), FOLDER "%s.pass.lua", rules[i].id);
        if (!exists(fail))
            continue;
        seen++;
        assert_int_equal(times(fail, rules[i].id, line_of(fail)), 1);
        assert_int_equal(times(pass, rules[i].id, 0), 0);
    }
    assert_int_equal(seen, 2);
}

static void both_layers_retry_in_the_nine_example(void **state)
{
    (void)state;
    assert_int_equal(times(SOURCE_ROOT "/suites/selftest/nine.lua", "retry.app_times_mesh", 9), 1);
}

/* Its first scenario adds a root, changes leaves and drops the old one; its third is the wrong
 * order, on purpose: one note, and it is on the leaf that comes first. */
static void only_the_wrong_rotation_is_named(void **state)
{
    (void)state;
    assert_int_equal(times(SOURCE_ROOT "/suites/examples/rotation.lua", "rotation.no_overlap", 33),
                     1);
}

static void folders_are_read_for_suites_without_lib_and_hooks(void **state)
{
    (void)state;
    static const char *const paths[] = {SOURCE_ROOT "/suites/examples",
                                        SOURCE_ROOT "/suites/seed/k8s",
                                        SOURCE_ROOT "/suites/seed/payments.lua"};
    struct arena arena;
    struct lint_paths found;
    struct error err = {0};
    arena_init(&arena, (size_t)16 << 20);
    assert_true(lint_paths_collect(paths, COUNT_OF(paths), &arena, &found, &err));
    assert_int_equal(found.policy_count, 2); /* the accepted failures beside the suites are YAML */
    assert_string_equal(found.policies[0], paths[0]);
    assert_string_equal(found.policies[1], paths[1]);
    assert_true(found.suite_count >= 6);
    assert_string_equal(found.suites[found.suite_count - 1], paths[2]);
    for (size_t i = 0; i < found.suite_count; i++)
        assert_null(strstr(found.suites[i], "/hooks/"));
    assert_string_equal(found.suites[0], SOURCE_ROOT "/suites/examples/01_slow_payments.lua");
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_of_suites_are_given_and_not_given),
        cmocka_unit_test(both_layers_retry_in_the_nine_example),
        cmocka_unit_test(only_the_wrong_rotation_is_named),
        cmocka_unit_test(folders_are_read_for_suites_without_lib_and_hooks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
