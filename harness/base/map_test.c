#include "base/map.h"

#include "base/rng.h"

#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define KEYS 200

static void a_map_agrees_with_an_array(void **state)
{
    struct map m;
    struct rng r = rng_of(2);
    uint64_t values[KEYS] = {0};
    bool there[KEYS] = {false};
    size_t count = 0;
    (void)state;
    map_init(&m, 10000);
    for (int step = 0; step < 100000; step++) {
        size_t i = (size_t)rng_below(&r, KEYS);
        struct map_key key = {i % 7, i * 64}; /* ids that differ in few bits */
        bool is_new;
        if (rng_below(&r, 3) == 0) {
            map_remove(&m, key);
            count -= there[i];
            there[i] = false;
        } else {
            uint64_t *at = map_at(&m, key, &is_new);
            assert_int_equal(is_new, !there[i]);
            assert_true(there[i] ? *at == values[i] : *at == 0);
            *at = values[i] = rng_next(&r);
            count += !there[i];
            there[i] = true;
        }
        assert_int_equal(m.count, count);
        if (step % 1000 != 0)
            continue;
        for (size_t k = 0; k < KEYS; k++) {
            uint64_t *at = map_find(&m, (struct map_key){k % 7, k * 64});
            assert_int_equal(at != NULL, there[k]);
            assert_true(at == NULL || *at == values[k]);
        }
    }
    map_release(&m);
}

static void room_that_was_reserved_is_enough(void **state)
{
    struct map m;
    (void)state;
    map_init(&m, 10000);
    map_reserve(&m, 0);
    *map_at(&m, (struct map_key){1, 7}, NULL) = 7;
    map_reserve(&m, 1000);
    size_t capacity = m.capacity;
    for (uint64_t i = 0; i < 999; i++)
        *map_at(&m, (struct map_key){2, i}, NULL) = i;
    assert_int_equal(m.capacity, capacity);
    assert_int_equal(m.count, 1000);
    assert_int_equal(*map_find(&m, (struct map_key){1, 7}), 7);
    map_reserve(&m, 10); /* never less than it has */
    assert_int_equal(m.capacity, capacity);
    assert_int_equal(*map_find(&m, (struct map_key){2, 998}), 998);
    map_release(&m);
}

static void the_maximum_holds_for_new_keys_only(void **state)
{
    struct map m;
    (void)state;
    map_init(&m, 100);
    for (uint64_t i = 0; i < 100; i++)
        assert_non_null(map_at(&m, (struct map_key){0, i}, NULL));
    assert_null(map_at(&m, (struct map_key){0, 100}, NULL));
    assert_non_null(map_at(&m, (struct map_key){0, 5}, NULL));
    map_remove(&m, (struct map_key){0, 5});
    assert_non_null(map_at(&m, (struct map_key){0, 100}, NULL));
    map_clear(&m);
    assert_int_equal(m.count, 0);
    assert_null(map_find(&m, (struct map_key){0, 1}));
    map_release(&m);
}

static void an_empty_map_finds_and_removes_nothing(void **state)
{
    struct map m;
    (void)state;
    map_init(&m, 1);
    assert_null(map_find(&m, (struct map_key){0, 0}));
    map_remove(&m, (struct map_key){0, 0});
    map_clear(&m);
    map_release(&m);
}

static void hashes_stay_what_they_were(void **state)
{
    (void)state;
    /* FNV-1a of "" and of "a", mixed: written down, for the digest of records.def crosses versions
     */
    assert_true(map_hash("", 0) == rng_mix(UINT64_C(0xcbf29ce484222325)));
    assert_true(map_hash("a", 1) == rng_mix(UINT64_C(0xaf63dc4c8601ec8c)));
    struct map_key a = map_key_of("ab", 2), b = map_key_of("ba", 2), c = map_key_of("ab\0", 3);
    assert_true(a.hi != b.hi && a.lo != b.lo && a.hi != c.hi && a.lo != c.lo && a.hi != a.lo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_agrees_with_an_array),
        cmocka_unit_test(room_that_was_reserved_is_enough),
        cmocka_unit_test(the_maximum_holds_for_new_keys_only),
        cmocka_unit_test(an_empty_map_finds_and_removes_nothing),
        cmocka_unit_test(hashes_stay_what_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
