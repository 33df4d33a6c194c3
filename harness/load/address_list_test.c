#include "load/address_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void one_is_always_itself(void **state)
{
    char to[ADDRESS_BYTES];
    (void)state;
    assert_int_equal(address_list_count("127.0.0.1:80"), 1);
    for (uint64_t i = 0; i < 3; i++)
        assert_string_equal(address_list_pick("127.0.0.1:80", i, to), "127.0.0.1:80");
}

static void several_go_around(void **state)
{
    static const char *const wanted[] = {"127.0.0.1:1", "127.0.0.1:22", "[::1]:333", "127.0.0.1:1"};
    const char *list = "127.0.0.1:1,127.0.0.1:22,[::1]:333";
    char to[ADDRESS_BYTES];
    (void)state;
    assert_int_equal(address_list_count(list), 3);
    for (uint64_t i = 0; i < 4; i++)
        assert_string_equal(address_list_pick(list, i, to), wanted[i]);
    assert_string_equal(address_list_pick(list, UINT64_MAX, to), wanted[UINT64_MAX % 3]);
}

static void what_is_too_long_is_cut(void **state)
{
    char list[400], to[ADDRESS_BYTES];
    (void)state;
    memset(list, 'a', sizeof(list));
    list[sizeof(list) - 1] = '\0';
    assert_int_equal(strlen(address_list_pick(list, 0, to)), ADDRESS_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_always_itself),
        cmocka_unit_test(several_go_around),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
