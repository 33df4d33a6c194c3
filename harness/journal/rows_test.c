#include "journal/rows.h"

#include "base/rng.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Rows of ${procs} processes in turns; ${late} of a hundred come before the one that they follow.
 * ${at} is the order in which they came. */
static struct journal *came(uint32_t procs, unsigned late, size_t count, struct rng *r)
{
    struct journal *j = journal_new();
    for (size_t i = 0; i < count; i++) {
        struct attempt_record a = {.at = i, .id_lo = rng_next(r)};
        journal_add(j, 1 + (uint32_t)rng_below(r, procs) * 7, RECORD_ATTEMPT, &a);
    }
    for (size_t i = 1; i < count; i++)
        if (rng_below(r, 100) < late) {
            uint32_t seq = j->attempts[i].seq; /* some are of one number */
            j->attempts[i].seq = rng_below(r, 4) == 0 ? seq + 1 : j->attempts[i - 1].seq;
        }
    return j;
}

static int by_origin(const void *a, const void *b)
{
    const struct attempt_row *x = a, *y = b;
    if (x->proc != y->proc)
        return x->proc < y->proc ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->r.at < y->r.at ? -1 : x->r.at > y->r.at;
}

/* By process and number, and what is equal as it came. */
static void rows_are_sorted_in_place(void **state)
{
    static const uint32_t procs[] = {1, 2, 5, 64, 65, 300};
    struct rng r = rng_of(8);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(procs); i++)
        for (unsigned late = 0; late <= 20; late += 10)
            for (size_t count = 0; count < 3000; count = count * 3 + 1) {
                struct journal *j = came(procs[i], late, count, &r);
                struct attempt_row *wanted = check_alloc((count + 1) * sizeof(*wanted));
                if (count > 0) {
                    memcpy(wanted, j->attempts, count * sizeof(*wanted));
                    qsort(wanted, count, sizeof(*wanted), by_origin);
                }
                journal_sort(j);
                assert_int_equal(j->attempt_count, count);
                if (count > 0)
                    assert_memory_equal(j->attempts, wanted, count * sizeof(*wanted));
                free(wanted);
                journal_free(j);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_sorted_in_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
