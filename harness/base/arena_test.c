#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void what_is_taken_is_zeroed_aligned_and_apart(void **state)
{
    struct arena a;
    uint8_t *at[200];
    (void)state;
    arena_init(&a, 1 << 24);
    for (size_t i = 0; i < COUNT_OF(at); i++) {
        size_t bytes = i * i % 977;
        at[i] = arena_take(&a, bytes);
        assert_int_equal((uintptr_t)at[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < bytes; k++)
            assert_int_equal(at[i][k], 0);
        memset(at[i], (int)i, bytes);
    }
    for (size_t i = 0; i < COUNT_OF(at); i++) {
        for (size_t k = 0; k < i * i % 977; k++)
            assert_int_equal(at[i][k], (uint8_t)i);
    }
    arena_release(&a);
    assert_int_equal(a.used_bytes, 0);
    assert_non_null(arena_take(&a, 5)); /* usable again */
    arena_release(&a);
}

static void a_piece_larger_than_a_block_has_its_own(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a, 1 << 24);
    char *small = arena_strdup(&a, "before");
    uint64_t *large = ARENA_ARRAY(&a, uint64_t, 100000);
    large[99999] = 1;
    assert_string_equal(small, "before");
    assert_string_equal(arena_strdup(&a, "after"), "after");
    arena_release(&a);
}

static void strings_are_copies(void **state)
{
    struct arena a;
    char text[] = "abcdef";
    (void)state;
    arena_init(&a, 4096);
    char *whole = arena_strdup(&a, text), *part = arena_strndup(&a, text, 3);
    char *none = arena_strndup(&a, NULL, 0);
    text[0] = 'X';
    assert_string_equal(whole, "abcdef");
    assert_string_equal(part, "abc");
    assert_string_equal(none, "");
    assert_string_equal(arena_printf(&a, "%s-%d", part, 7), "abc-7");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_zeroed_aligned_and_apart),
        cmocka_unit_test(a_piece_larger_than_a_block_has_its_own),
        cmocka_unit_test(strings_are_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
