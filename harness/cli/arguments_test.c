#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/arguments.h"
#include "cli/prepare.h"

#include <stdlib.h>

static bool parse(struct arguments *a, struct error *err, int argc, const char *const *argv)
{
    *err = (struct error){0};
    return arguments_parse(a, command_find("run"), argc, (char **)(uintptr_t)argv, err);
}

static void options_stand_anywhere_and_two_dashes_end_them(void **state)
{
    struct arguments a;
    struct error err;
    const char *argv[] = {"run", "a.lua", "--seed", "x", "--depth=quick", "--", "--b.lua"};
    (void)state;
    assert_true(parse(&a, &err, 7, argv));
    assert_int_equal(a.position_count, 2);
    assert_string_equal(a.positions[1], "--b.lua");
    assert_string_equal(arguments_get(&a, "seed"), "x");
    assert_string_equal(arguments_get(&a, "depth"), "quick");
    arguments_release(&a);
}

static void a_long_option_may_be_shortened_while_it_is_unique(void **state)
{
    struct arguments a;
    struct error err;
    const char *fine[] = {"run", "--junit=x", "--deadl", "5s"}, *two[] = {"run", "--de", "5s"};
    (void)state;
    assert_true(parse(&a, &err, 4, fine));
    assert_string_equal(arguments_get(&a, "deadline"), "5s");
    arguments_release(&a);
    assert_false(parse(&a, &err, 3, two));
    assert_string_equal(err.text, "--de could be several options of run");
    arguments_release(&a);
}

static void what_is_wrong_is_named_with_what_is_near(void **state)
{
    struct arguments a;
    struct error err;
    const char *unknown[] = {"run", "--sead", "1"}, *word[] = {"run", "--depth", "deep"},
               *none[] = {"run", "--seed"};
    (void)state;
    assert_false(parse(&a, &err, 3, unknown));
    assert_string_equal(err.text, "run has no option --sead (did you mean --seed?)");
    arguments_release(&a);
    assert_false(parse(&a, &err, 3, word));
    assert_string_equal(err.text, "--depth is \"deep\"; it is one of full, quick");
    arguments_release(&a);
    assert_false(parse(&a, &err, 2, none));
    assert_string_equal(err.text, "--seed needs a value: --seed TEXT");
    arguments_release(&a);
}

static void the_environment_stands_below_the_line_and_above_the_fallback(void **state)
{
    struct arguments a;
    struct error err;
    const char *bare[] = {"run"}, *given[] = {"run", "--on-inconclusive", "pass"};
    (void)state;
    setenv("MESHPROOF_ON_INCONCLUSIVE", "fail", 1);
    assert_true(parse(&a, &err, 1, bare));
    assert_string_equal(arguments_get(&a, "on-inconclusive"), "fail");
    arguments_release(&a);
    assert_true(parse(&a, &err, 3, given));
    assert_string_equal(arguments_get(&a, "on-inconclusive"), "pass");
    arguments_release(&a);
    unsetenv("MESHPROOF_ON_INCONCLUSIVE");
    assert_true(parse(&a, &err, 1, bare));
    assert_string_equal(arguments_get(&a, "on-inconclusive"), "keep");
    arguments_release(&a);
}

static void a_seed_that_is_printed_can_be_typed(void **state)
{
    char first[9], again[9];
    uint64_t key, same, other;
    (void)state;
    seed_of_text("8f3a2c1-some-git-sha", first, &key);
    seed_of_text(first, again, &same);
    assert_string_equal(first, again);
    assert_true(key == same);
    seed_of_text("00000001", again, &other);
    assert_string_equal(again, "00000001");
    assert_true(other != key);
}

static void of_several_exit_codes_the_worst_stands(void **state)
{
    (void)state;
    assert_int_equal(command_worse(0, 2), 2);
    assert_int_equal(command_worse(2, 3), 3);
    assert_int_equal(command_worse(3, 1), 1);
    assert_int_equal(command_worse(4, 2), 2);
    assert_int_equal(command_worse(70, 1), 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere_and_two_dashes_end_them),
        cmocka_unit_test(a_long_option_may_be_shortened_while_it_is_unique),
        cmocka_unit_test(what_is_wrong_is_named_with_what_is_near),
        cmocka_unit_test(the_environment_stands_below_the_line_and_above_the_fallback),
        cmocka_unit_test(a_seed_that_is_printed_can_be_typed),
        cmocka_unit_test(of_several_exit_codes_the_worst_stands),
    };
    return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
