#include "base/sort.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROW_MOST 64 /* bytes; larger ones are left to qsort */
#define STEPS_MOST 4

void sort_rows(void *at, size_t count, size_t bytes, int (*compare)(const void *a, const void *b))
{
    uint8_t *rows = at, row[ROW_MOST];
    size_t steps = 0;
    for (size_t i = 1; i < count; i++) {
        size_t k = i;
        while (k > 0 && compare(rows + (k - 1) * bytes, rows + i * bytes) > 0)
            k--;
        if (k == i)
            continue;
        steps += i - k;
        if (bytes > sizeof(row) || steps > STEPS_MOST * count) {
            qsort(at, count, bytes, compare);
            return;
        }
        memcpy(row, rows + i * bytes, bytes);
        memmove(rows + (k + 1) * bytes, rows + k * bytes, (i - k) * bytes);
        memcpy(rows + k * bytes, row, bytes);
    }
}

int sort_by_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}
