#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stddef.h>

/* qsort for rows that mostly are in order already, such as what is read in order of time: then it
 * only looks, or moves the few that are not by a few places. Rows that compare as equal keep their
 * order then, else as qsort leaves them. */
void sort_rows(void *at, size_t count, size_t bytes, int (*compare)(const void *a, const void *b));
/* For qsort and sort_rows of uint64_t: the smallest first. */
int sort_by_u64(const void *a, const void *b);

#endif
