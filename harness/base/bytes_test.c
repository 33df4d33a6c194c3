#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void views_compare_by_their_bytes(void **state)
{
    struct bytes none = {NULL, 0};
    (void)state;
    assert_true(bytes_equal(BYTES("ab"), bytes_of("ab")));
    assert_false(bytes_equal(BYTES("ab"), BYTES("abc")));
    assert_false(bytes_equal(BYTES("ab"), BYTES("aB")));
    assert_true(bytes_equal_nocase(BYTES("Content-Length"), BYTES("content-LENGTH")));
    assert_false(bytes_equal_nocase(BYTES("a@"), BYTES("a`")));
    assert_true(bytes_equal(none, BYTES("")) && bytes_equal_nocase(none, BYTES("")));
    assert_true(bytes_starts(BYTES("abc"), BYTES("ab")) && bytes_starts(BYTES("abc"), none));
    assert_false(bytes_starts(BYTES("a"), BYTES("ab")));
    assert_int_equal(bytes_of(NULL).len, 0);
}

static void trimming_takes_spaces_and_tabs_of_both_ends(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_trim(BYTES(" \t a b\t ")), BYTES("a b")));
    assert_int_equal(bytes_trim(BYTES(" \t ")).len, 0);
    assert_true(bytes_equal(bytes_trim(BYTES("a\r")), BYTES("a\r")));
}

static void find_gives_the_first_or_size_max(void **state)
{
    (void)state;
    assert_int_equal(bytes_find(BYTES("a:b:c"), ':'), 1);
    assert_true(bytes_find(BYTES("abc"), ':') == SIZE_MAX);
    assert_true(bytes_find((struct bytes){NULL, 0}, 0) == SIZE_MAX);
}

static void decimal_numbers_are_exact_or_refused(void **state)
{
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "-1",
                                      "1a",
                                      "0x1",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "000000000000000000001"};
    uint64_t value = 7;
    (void)state;
    assert_true(bytes_to_u64(BYTES("18446744073709551615"), &value) && value == UINT64_MAX);
    assert_true(bytes_to_u64(BYTES("0"), &value) && value == 0);
    assert_true(bytes_to_u64(BYTES("007"), &value) && value == 7);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(bytes_to_u64(bytes_of(bad[i]), &value));
    assert_int_equal(value, 7);
}

static void hex_numbers_have_up_to_16_digits(void **state)
{
    uint64_t value = 0;
    (void)state;
    assert_true(bytes_hex_to_u64(BYTES("fFfFfFfFfFfFfFfF"), &value) && value == UINT64_MAX);
    assert_true(bytes_hex_to_u64(BYTES("18f2"), &value) && value == 0x18f2);
    assert_false(bytes_hex_to_u64(BYTES(""), &value) || bytes_hex_to_u64(BYTES("0x1"), &value) ||
                 bytes_hex_to_u64(BYTES("g"), &value) ||
                 bytes_hex_to_u64(BYTES("00000000000000001"), &value));
}

static void a_buffer_grows_to_its_maximum_and_no_further(void **state)
{
    struct buffer b;
    struct error err = {0};
    (void)state;
    buffer_init(&b, 1000);
    for (int i = 0; i < 100; i++)
        assert_true(buffer_add(&b, "0123456789", 10, &err));
    assert_false(buffer_add(&b, "x", 1, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "1000"));
    assert_int_equal(b.len, 1000);
    assert_null(buffer_room(&b, 1));
    assert_null(buffer_room(&b, SIZE_MAX));
    buffer_consume(&b, 995);
    assert_true(bytes_equal(buffer_view(&b), BYTES("56789")));
    assert_non_null(buffer_room(&b, 995));
    buffer_consume(&b, 5);
    assert_int_equal(b.len, 0);
    buffer_release(&b);
    assert_int_equal(b.max_bytes, 1000);
}

static void nothing_fits_everywhere(void **state)
{
    struct buffer b;
    (void)state;
    buffer_init(&b, 0);
    assert_true(buffer_add(&b, NULL, 0, NULL));
    assert_non_null(buffer_room(&b, 0)); /* NULL is for "full" */
    assert_false(buffer_add(&b, "x", 1, NULL));
    buffer_consume(&b, 0);
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_their_bytes),
        cmocka_unit_test(trimming_takes_spaces_and_tabs_of_both_ends),
        cmocka_unit_test(find_gives_the_first_or_size_max),
        cmocka_unit_test(decimal_numbers_are_exact_or_refused),
        cmocka_unit_test(hex_numbers_have_up_to_16_digits),
        cmocka_unit_test(a_buffer_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(nothing_fits_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
