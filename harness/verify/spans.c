#include "verify/track.h"

#include "base/sort.h"

static int by_from(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

void spans_merge(struct spans *s)
{
    if (s->count == 0)
        return;
    sort_rows(s->at, s->count, sizeof(*s->at), by_from);
    size_t last = 0;
    for (size_t i = 1; i < s->count; i++) {
        if (s->at[i].from_ns > s->at[last].to_ns)
            s->at[++last] = s->at[i];
        else if (s->at[i].to_ns > s->at[last].to_ns)
            s->at[last].to_ns = s->at[i].to_ns;
    }
    s->count = last + 1;
}

/* The first span that ends after ${t_ns}. */
static size_t first_after(const struct spans *s, uint64_t t_ns)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->at[middle].to_ns <= t_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool spans_hold(const struct spans *s, uint64_t t_ns)
{
    size_t i = first_after(s, t_ns);
    return i < s->count && s->at[i].from_ns <= t_ns;
}

uint64_t spans_begin(const struct spans *s, uint64_t t_ns)
{
    size_t i = first_after(s, t_ns);
    return i < s->count && s->at[i].from_ns < t_ns ? s->at[i].from_ns : t_ns;
}

uint64_t spans_within(const struct spans *s, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t sum = 0;
    for (size_t i = first_after(s, from_ns); i < s->count && s->at[i].from_ns < to_ns; i++) {
        uint64_t from = s->at[i].from_ns > from_ns ? s->at[i].from_ns : from_ns;
        uint64_t to = s->at[i].to_ns < to_ns ? s->at[i].to_ns : to_ns;
        sum += to - from;
    }
    return sum;
}
