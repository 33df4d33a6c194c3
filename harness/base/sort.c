#include "base/sort.h"

#include <stdint.h>
#include <stdlib.h>

void sort_rows(void *at, size_t count, size_t bytes, int (*compare)(const void *a, const void *b))
{
    uint8_t *rows = at;
    for (size_t i = 1; i < count; i++)
        if (compare(rows + (i - 1) * bytes, rows + i * bytes) > 0) {
            qsort(at, count, bytes, compare);
            return;
        }
}
