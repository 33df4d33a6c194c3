#include "verify/intervals.h"

#include "base/sort.h"

#include <stdlib.h>

void intervals_add(struct intervals *l, uint64_t from_ns, uint64_t to_ns, uint32_t of)
{
    if (to_ns < from_ns)
        return;
    if (l->count == l->room) {
        l->room = l->room == 0 ? 256 : l->room * 2;
        l->at = check_realloc(l->at, l->room * sizeof(*l->at));
    }
    l->at[l->count++] = (struct interval){from_ns, to_ns, of};
}

static int by_begin(const void *a, const void *b)
{
    const struct interval *x = a, *y = b;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    return x->of < y->of ? -1 : x->of > y->of;
}

void intervals_index(struct intervals *l)
{
    INVARIANT(l->begins == NULL);
    l->begins = check_alloc_zero(l->count + 1, sizeof(*l->begins));
    l->ends = check_alloc_zero(l->count + 1, sizeof(*l->ends));
    if (l->count == 0)
        return;
    sort_rows(l->at, l->count, sizeof(*l->at), by_begin);
    for (size_t i = 0; i < l->count; i++) {
        l->begins[i] = l->at[i].from_ns;
        l->ends[i] = l->at[i].to_ns;
    }
    sort_rows(l->ends, l->count, sizeof(*l->ends), sort_by_u64);
}

void intervals_release(struct intervals *l)
{
    free(l->at);
    free(l->begins);
    free(l->ends);
    *l = (struct intervals){0};
}

/* How many of ${sorted} are below ${t}. */
static size_t below(const uint64_t *sorted, size_t count, uint64_t t_ns)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (sorted[middle] < t_ns)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static size_t upto(const uint64_t *sorted, size_t count, uint64_t t_ns)
{
    return t_ns == UINT64_MAX ? count : below(sorted, count, t_ns + 1);
}

size_t intervals_touching(const struct intervals *l, uint64_t a_ns, uint64_t b_ns)
{
    return upto(l->begins, l->count, b_ns) - below(l->ends, l->count, a_ns);
}

/* Those that end before ${b} are taken off, also when they had not begun at ${a}. */
size_t intervals_covering(const struct intervals *l, uint64_t a_ns, uint64_t b_ns)
{
    size_t begun = upto(l->begins, l->count, a_ns), ended = below(l->ends, l->count, b_ns);
    return begun > ended ? begun - ended : 0;
}

/* Those that begin before ${a} are taken off, also when they end after ${b}. */
size_t intervals_within(const struct intervals *l, uint64_t a_ns, uint64_t b_ns)
{
    size_t ended = upto(l->ends, l->count, b_ns), begun = below(l->begins, l->count, a_ns);
    return ended > begun ? ended - begun : 0;
}
