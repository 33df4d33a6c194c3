#include "stats/permute.h"

#include "base/check.h"

#include <stdlib.h>

#define VALUES_MOST (2 * PERMUTE_MOST)

struct ranked {
    double value;
    size_t twice_rank; /* midranks are halves */
    int is_b;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;
    return x < y ? -1 : x > y;
}

/* Equal values share the mean of their ranks, from 1. */
static void rank(struct ranked *at, size_t count)
{
    qsort(at, count, sizeof(*at), by_value);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && !(at[i].value < at[end].value); end++)
            ;
        for (size_t k = i; k < end; k++)
            at[k].twice_rank = i + 1 + end;
    }
}

double permute_above(const double *a, size_t a_count, const double *b, size_t b_count)
{
    struct ranked all[VALUES_MOST];
    size_t count = a_count + b_count, total = 0, seen = 0;
    INVARIANT(a_count <= PERMUTE_MOST && b_count <= PERMUTE_MOST);
    if (a_count == 0 || b_count == 0)
        return 1;
    for (size_t i = 0; i < count; i++)
        all[i] = (struct ranked){i < a_count ? a[i] : b[i - a_count], 0, i >= a_count};
    rank(all, count);
    for (size_t i = 0; i < count; i++) {
        total += all[i].twice_rank;
        seen += all[i].is_b ? all[i].twice_rank : 0;
    }
    /* ways[k][s]: how many sets of k values have the sum s; at most (96 over 48) = 6e27, and a sum
     * of so many doubles of one sign loses no more than its last digits. */
    double *ways = check_alloc_zero((b_count + 1) * (total + 1), sizeof(*ways));
    ways[0] = 1;
    for (size_t i = 0; i < count; i++) {
        size_t r = all[i].twice_rank;
        for (size_t k = i + 1 < b_count ? i + 1 : b_count; k >= 1; k--)
            for (size_t s = total; s >= r; s--)
                ways[k * (total + 1) + s] += ways[(k - 1) * (total + 1) + s - r];
    }
    double above = 0, every = 0;
    for (size_t s = 0; s <= total; s++) {
        every += ways[b_count * (total + 1) + s];
        above += s >= seen ? ways[b_count * (total + 1) + s] : 0;
    }
    free(ways);
    return above / every;
}
