#include "policy/lint_exception.h"
#include "policy/testing.h"

#include <errno.h>

/* Every rule of the table has a fixture that gives it at the line that its first comment says, and
 * one that does not: suites/lint/RULE.fail.yaml, RULE.pass.yaml. Those of suites are .lua files,
 * read by cli/lint_suite_test.c; here they must be there. */

#define FOLDER SOURCE_ROOT "/suites/lint/"

struct fixture {
    char path[300], text[8192], target[48];
    uint32_t endpoints, line, today;
};

static bool read_fixture(const char *rule, const char *kind, struct fixture *f)
{
    *f = (struct fixture){0};
    snprintf(f->path, sizeof(f->path), FOLDER "%s.%s", rule, kind);
    FILE *file = fopen(f->path, "rb");
    if (file == NULL)
        return false;
    size_t n = fread(f->text, 1, sizeof(f->text) - 1, file);
    f->text[n] = '\0';
    fclose(file);
    return true;
}

/* The number behind ${word} in the first line, 0: none. */
static uint32_t number_in(const char *text, const char *word)
{
    size_t end = strcspn(text, "\n");
    const char *at = strstr(text, word);
    return at == NULL || (size_t)(at - text) > end ? 0
                                                   : (uint32_t)strtoul(at + strlen(word), NULL, 10);
}

static void read_head(struct fixture *f)
{
    static const char target[] = "# target ", on[] = "# exceptions on ";
    f->endpoints = number_in(f->text, "endpoints ");
    f->line = number_in(f->text, "line ");
    if (strncmp(f->text, target, strlen(target)) == 0) {
        snprintf(f->target, sizeof(f->target), "%.*s",
                 (int)strcspn(f->text + strlen(target), ",\n"), f->text + strlen(target));
    } else if (strncmp(f->text, on, strlen(on)) == 0) {
        char day[11] = {0};
        snprintf(day, sizeof(day), "%.10s", f->text + strlen(on));
        assert_true(exception_date_parse(day, &f->today));
    } else {
        fail_msg("%s: its first line must be \"# target NAME@VERSION, ...\"", f->path);
    }
}

/* Whether the finding of the rule is there, and where the fixture says. */
static bool is_said(const struct fixture *f, const char *rule, const struct finding *found)
{
    if (strcmp(found->rule, rule) != 0)
        return false;
    if (f->line != 0 && found->source.line != f->line)
        fail_msg("%s: %s is at line %u, not %u: %s", f->path, rule, found->source.line, f->line,
                 found->text);
    assert_true(found->source.column > 0);
    assert_true(found->text[0] != '\0' && found->text[strlen(found->text) - 1] != '.');
    return true;
}

static bool says_policy(const struct fixture *f, const char *rule)
{
    struct policy *p = NULL;
    struct policy_options options = testing_options(f->target, f->endpoints);
    struct error err = {0};
    size_t count = 0;
    bool said = false;
    if (!policy_read_bytes(bytes_of(f->text), f->path, &options, &p, &err))
        fail_msg("%s", err.text);
    const struct finding *found = policy_findings(p, &count);
    for (size_t i = 0; i < count; i++)
        said = is_said(f, rule, &found[i]) || said;
    policy_free(p);
    return said;
}

static bool says_exceptions(const struct fixture *f, const char *rule)
{
    static const struct finding inert = {
        "ejection.inert", SEVERITY_WARNING, {"k8s/payments.yaml", 13, 27}, "inert", ""};
    struct lint_exceptions list;
    struct lint_results results;
    struct arena arena;
    struct error err = {0};
    bool said = false;
    arena_init(&arena, (size_t)16 << 20);
    if (!lint_exceptions_read(bytes_of(f->text), f->path, &arena, &list, &err))
        fail_msg("%s", err.text);
    lint_exceptions_apply(&list, f->today, &inert, 1, &arena, &results);
    for (size_t i = 0; i < results.count; i++)
        said = is_said(f, rule, &results.rows[i].finding) || said;
    arena_release(&arena);
    return said;
}

static bool says(const struct fixture *f, const char *rule)
{
    return f->today != 0 ? says_exceptions(f, rule) : says_policy(f, rule);
}

static void each_rule_is_given_and_not_given(void **state)
{
    (void)state;
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    assert_true(count >= 40);
    for (size_t i = 0; i < count; i++) {
        struct fixture fail, pass;
        const char *id = rules[i].id;
        if (read_fixture(id, "fail.lua", &fail) && read_fixture(id, "pass.lua", &pass))
            continue;
        if (!read_fixture(id, "fail.yaml", &fail) || !read_fixture(id, "pass.yaml", &pass))
            fail_msg("%s lacks a fixture: suites/lint/%s.fail.yaml and .pass.yaml", id, id);
        read_head(&fail);
        read_head(&pass);
        if (fail.line == 0)
            fail_msg("%s: its first line must say the line of the finding", fail.path);
        if (!says(&fail, id))
            fail_msg("%s does not give %s", fail.path, id);
        if (says(&pass, id))
            fail_msg("%s gives %s", pass.path, id);
    }
}

static void ids_are_unique_and_sentences_are_whole(void **state)
{
    (void)state;
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(strchr(rules[i].id, '.'));
        assert_true(strlen(rules[i].why) > 10 && strlen(rules[i].fix) > 6);
        assert_true(rules[i].why[strlen(rules[i].why) - 1] != '.');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rules[i].id, rules[k].id);
    }
}

/* The scenario language's own examples use these. */
static void ids_of_the_language_exist(void **state)
{
    (void)state;
    static const char *const ids[] = {"ejection.inert",
                                      "istio.unknown_kind",
                                      "ambient.leftover_sidecar",
                                      "ambient.no_waypoint",
                                      "linkerd.rate_limit_needs_2.17",
                                      "linkerd.target_ref_not_server"};
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    for (size_t k = 0; k < COUNT_OF(ids); k++) {
        size_t i = 0;
        while (i < count && strcmp(rules[i].id, ids[k]) != 0)
            i++;
        if (i == count)
            fail_msg("there is no rule %s", ids[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_is_given_and_not_given),
        cmocka_unit_test(ids_are_unique_and_sentences_are_whole),
        cmocka_unit_test(ids_of_the_language_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
