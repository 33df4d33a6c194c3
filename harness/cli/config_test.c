#include "cli/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* .meshproof.yaml: what it may say, who is asked before it, and where it is found. */

static void parse(struct config *c, const char *yaml)
{
    struct error err = {0};
    if (!config_parse(bytes_of(yaml), "c.yaml", c, &err))
        fail_msg("%s", err.text);
}

static struct arguments line(const struct config *c, const char *command, int argc,
                             const char *const *argv)
{
    struct arguments a;
    struct error err = {0};
    if (!arguments_parse(&a, command_find(command), argc, (char **)(uintptr_t)argv, &err))
        fail_msg("%s", err.text);
    a.config = c;
    return a;
}

static void the_file_stands_below_line_and_environment_and_above_the_fallback(void **state)
{
    const char *bare[] = {"run"}, *given[] = {"run", "--on-inconclusive", "keep"};
    struct config c;
    (void)state;
    parse(&c, "all: {plain: true, quiet: false}\n"
              "run: {on-inconclusive: pass, scenario: ['a*', b], deadline: 5s}\n");
    struct arguments a = line(&c, "run", 1, bare);
    assert_string_equal(arguments_get(&a, "on-inconclusive"), "pass");
    assert_string_equal(arguments_get(&a, "pace"), "spin");
    assert_true(arguments_has(&a, "plain"));
    assert_false(arguments_has(&a, "quiet"));
    const char *all[4];
    assert_int_equal(arguments_all(&a, "scenario", all, COUNT_OF(all)), 2);
    assert_string_equal(all[0], "a*");
    assert_string_equal(all[1], "b");
    setenv("MESHPROOF_ON_INCONCLUSIVE", "fail", 1);
    setenv("MESHPROOF_SCENARIO", "c", 1);
    assert_string_equal(arguments_get(&a, "on-inconclusive"), "fail");
    assert_int_equal(arguments_all(&a, "scenario", all, COUNT_OF(all)), 1);
    assert_string_equal(all[0], "c");
    arguments_release(&a);
    a = line(&c, "run", 3, given);
    assert_string_equal(arguments_get(&a, "on-inconclusive"), "keep");
    unsetenv("MESHPROOF_ON_INCONCLUSIVE");
    unsetenv("MESHPROOF_SCENARIO");
    arguments_release(&a);
    a = line(&c, "lint", 1, (const char *const[]){"lint"});
    assert_true(arguments_has(&a, "plain"));
    assert_false(arguments_has(&a, "exceptions"));
    arguments_release(&a);
    config_release(&c);
}

static void a_command_stands_before_all(void **state)
{
    struct config c;
    (void)state;
    parse(&c, "all: {exceptions: a.yaml}\nlint: {exceptions: b.yaml}\n");
    assert_string_equal(config_get(&c, "lint", "exceptions", 0), "b.yaml");
    assert_null(config_get(&c, "lint", "exceptions", 1));
    assert_string_equal(config_get(&c, "run", "exceptions", 0), "a.yaml");
    assert_null(config_get(NULL, "run", "exceptions", 0));
    config_release(&c);
}

static void what_is_wrong_has_its_line(void **state)
{
    static const struct {
        const char *yaml, *words;
        uint32_t line;
    } bad[] = {
        {"[]\n", "the file must be a map of commands", 1},
        {"\nrunn: {}\n", "\"runn\" is no command; top keys are commands, or all", 2},
        {"agent: {}\n", "\"agent\" is no command", 1},
        {"roles: [alice]\n", "roles must be a map of roles to lists of names", 1},
        {"roles:\n  lead: alice\n", "roles: lead must be a list of names such as [alice, bob]", 2},
        {"roles: {lead: []}\n", "roles: lead must be a list of names", 1},
        {"roles:\n  lead:\n  - alice\n  - al ice\n", "roles: lead holds no name", 4},
        {"roles: {the lead: [alice]}\n", "\"the lead\" is no role", 1},
        {"prometheus: {a: b}\n", "prometheus must be an address such as http://", 1},
        {"run: {}\nprometheus: localhost:9090\n", "prometheus must be an address", 2},
        {"run:\n  directory: x\n", "run has no option \"directory\"", 2},
        {"run: 3\n", "run must be a map of options", 1},
        {"run:\n  sead: 3\n", "run has no option \"sead\"", 2},
        {"run:\n  seed: 3\n  config: x\n", "run has no option \"config\"", 3},
        {"verify:\n  seed: 3\n", "verify has no option \"seed\"", 2},
        {"run: {depth: deep}\n", "depth is \"deep\"", 1},
        {"run: {plain: 1}\n", "plain is \"1\"; it must be true or false", 1},
        {"run: {seed: [a, b]}\n", "seed takes one value", 1},
        {"run: {seed: {a: b}}\n", "seed must be text, or a number", 1},
        {"run: {scenario: [[a]]}\n", "scenario must be text, or a number", 1},
        {"run: {}\n---\nlint: {}\n", "it must be one document, not 2", 0},
        {"run: {\n", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct config c;
        struct error err = {0};
        assert_false(config_parse(bytes_of(bad[i].yaml), "c.yaml", &c, &err));
        if (strstr(err.text, bad[i].words) == NULL ||
            (bad[i].line != 0 && err.source.line != bad[i].line))
            fail_msg("%s: line %u: %s", bad[i].yaml, err.source.line, err.text);
        config_release(&c);
    }
    struct config c;
    parse(&c, "prometheus: http://prometheus:9090/x\nrun: {seed: one}\n");
    assert_string_equal(c.prometheus, "http://prometheus:9090/x");
    assert_int_equal(c.count, 1);
    config_release(&c);
    parse(&c, "roles: {lead: [alice, bob], on-call: [carol]}\n");
    assert_int_equal(c.roles.count, 2);
    assert_true(roles_allow(&c.roles, "lead", "bob"));
    assert_false(roles_allow(&c.roles, "on-call", "bob"));
    config_release(&c);
    parse(&c, "");
    assert_int_equal(c.count, 0);
    assert_null(c.prometheus);
    config_release(&c);
}

static void touch(const char *path)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fputs("run: {seed: one}\n", file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

static void it_is_found_upwards_to_the_root_of_the_repository(void **state)
{
    char folder[] = "/tmp/meshproof-config-XXXXXX", back[4096], at[4200];
    struct config c;
    struct error err = {0};
    (void)state;
    assert_non_null(getcwd(back, sizeof(back)));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    touch(CONFIG_NAME);
    assert_true(config_find(at, sizeof(at)));
    assert_int_equal(mkdir("a", 0700) | mkdir("a/b", 0700), 0);
    assert_int_equal(chdir("a/b"), 0);
    assert_false(config_find(at, sizeof(at))); /* no repository: this folder alone */
    assert_int_equal(mkdir("../.git", 0700), 0);
    assert_false(config_find(at, sizeof(at))); /* it lies above the root */
    touch("../" CONFIG_NAME);
    assert_true(config_find(at, sizeof(at)));
    assert_non_null(strstr(at, "/a/" CONFIG_NAME));
    if (!config_read(at, &c, &err))
        fail_msg("%s", err.text);
    assert_string_equal(config_get(&c, "run", "seed", 0), "one");
    config_release(&c);
    assert_false(config_read("none.yaml", &c, &err));
    config_release(&c);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(unlink("a/" CONFIG_NAME) | unlink(CONFIG_NAME), 0);
    assert_int_equal(rmdir("a/.git") | rmdir("a/b") | rmdir("a"), 0);
    assert_int_equal(chdir(back), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_stands_below_line_and_environment_and_above_the_fallback),
        cmocka_unit_test(a_command_stands_before_all),
        cmocka_unit_test(what_is_wrong_has_its_line),
        cmocka_unit_test(it_is_found_upwards_to_the_root_of_the_repository),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
