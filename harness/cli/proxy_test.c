#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/arguments.h"

/* What `--admin` is given, with the words behind it; NULL: nothing. */
static const char *admin_of(size_t *ret_positions, int argc, const char *const *argv)
{
    static char value[60];
    struct arguments a;
    struct error err = {0};
    assert_true(arguments_parse(&a, command_find("proxy"), argc, (char **)(uintptr_t)argv, &err));
    const char *got = arguments_get(&a, "admin");
    snprintf(value, sizeof(value), "%s", got == NULL ? "none" : got);
    *ret_positions = a.position_count;
    arguments_release(&a);
    return value;
}

static void an_option_in_brackets_takes_an_address_and_nothing_else(void **state)
{
    const char *alone[] = {"proxy", "--admin"}, *file[] = {"proxy", "--admin", "proxy.lua"},
               *given[] = {"proxy", "--admin", "127.0.0.1:1", "proxy.lua"},
               *equals[] = {"proxy", "--admin=here"}, *next[] = {"proxy", "--admin", "--to", "a:1"},
               *none[] = {"proxy", "proxy.lua"};
    size_t positions;
    (void)state;
    assert_string_equal(admin_of(&positions, 2, alone), "");
    assert_string_equal(admin_of(&positions, 3, file), "");
    assert_int_equal(positions, 1);
    assert_string_equal(admin_of(&positions, 4, given), "127.0.0.1:1");
    assert_int_equal(positions, 1);
    assert_string_equal(admin_of(&positions, 2, equals), "here");
    assert_string_equal(admin_of(&positions, 4, next), "");
    assert_int_equal(positions, 0);
    assert_string_equal(admin_of(&positions, 2, none), "none");
}

static void the_help_states_the_grammar_and_every_limit(void **state)
{
    struct text t;
    (void)state;
    text_init(&t, (size_t)64 * 1024);
    command_help(command_find("proxy"), &t);
    assert_false(t.full);
    assert_non_null(strstr(text_get(&t), "commas make a list"));
    assert_non_null(strstr(text_get(&t), "1000 proxies"));
    assert_non_null(strstr(text_get(&t), "bodies of 1024 KiB"));
    text_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_in_brackets_takes_an_address_and_nothing_else),
        cmocka_unit_test(the_help_states_the_grammar_and_every_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
