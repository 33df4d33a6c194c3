#include "base/sort.h"

#include "base/check.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 300

struct row {
    uint32_t key, at;
};
static size_t compared;

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    compared++;
    return x->key < y->key ? -1 : x->key > y->key;
}

static void rows_in_order_are_only_looked_at(void **state)
{
    struct row rows[ROWS], before[ROWS];
    (void)state;
    for (uint32_t i = 0; i < ROWS; i++)
        rows[i] = (struct row){i / 3, i};
    memcpy(before, rows, sizeof(rows));
    compared = 0;
    sort_rows(rows, ROWS, sizeof(rows[0]), by_key);
    assert_memory_equal(rows, before, sizeof(rows));
    assert_int_equal(compared, ROWS - 1);
    sort_rows(rows, 0, sizeof(rows[0]), by_key);
    sort_rows(NULL, 0, sizeof(rows[0]), by_key);
}

/* One row out of place anywhere, the ends too. */
static void rows_out_of_order_are_sorted(void **state)
{
    struct row rows[ROWS];
    struct rng rng = rng_of(5);
    (void)state;
    for (uint32_t bad = 0; bad < ROWS; bad++) {
        bool seen[ROWS] = {false};
        for (uint32_t i = 0; i < ROWS; i++)
            rows[i] = (struct row){10 * i, i};
        rows[bad].key = (uint32_t)rng_below(&rng, 10 * ROWS);
        sort_rows(rows, ROWS, sizeof(rows[0]), by_key);
        for (uint32_t i = 0; i < ROWS; i++) {
            assert_true(i == 0 || rows[i - 1].key <= rows[i].key);
            assert_false(seen[rows[i].at]);
            seen[rows[i].at] = true;
        }
    }
}

static int by_key_alone(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* From a few rows a few places late, which are moved, to none in its place, which qsort does:
 * always what sorting by key and then place gives. */
static void rows_of_one_key_keep_their_order(void **state)
{
    struct row rows[ROWS], before[ROWS];
    struct rng rng = rng_of(6);
    (void)state;
    for (uint32_t late = 1; late <= ROWS; late *= 3) {
        for (uint32_t i = 0; i < ROWS; i++)
            rows[i] = (struct row){i / 2 + (uint32_t)rng_below(&rng, late), i};
        memcpy(before, rows, sizeof(rows));
        sort_rows(rows, ROWS, sizeof(rows[0]), by_key_alone);
        for (uint32_t i = 0; i < ROWS; i++) {
            assert_int_equal(rows[i].key, before[rows[i].at].key);
            assert_true(i == 0 || rows[i - 1].key < rows[i].key ||
                        (rows[i - 1].key == rows[i].key && rows[i - 1].at < rows[i].at));
        }
    }
}

static void numbers_come_smallest_first(void **state)
{
    uint64_t numbers[] = {UINT64_MAX, 3, 0, UINT64_C(1) << 63, 3, 1};
    const uint64_t sorted[] = {0, 1, 3, 3, UINT64_C(1) << 63, UINT64_MAX};
    (void)state;
    qsort(numbers, COUNT_OF(numbers), sizeof(numbers[0]), sort_by_u64);
    assert_memory_equal(numbers, sorted, sizeof(sorted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_order_are_only_looked_at),
        cmocka_unit_test(rows_out_of_order_are_sorted),
        cmocka_unit_test(rows_of_one_key_keep_their_order),
        cmocka_unit_test(numbers_come_smallest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
