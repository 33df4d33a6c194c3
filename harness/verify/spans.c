#include "verify/track.h"

#include <stdlib.h>

/* Where the run ends that begins at ${from}: each span of it begins no earlier than the one before.
 */
static size_t run_end(const struct spans *s, size_t from)
{
    size_t i = from + 1;
    while (i < s->count && s->at[i].from_ns >= s->at[i - 1].from_ns)
        i++;
    return i;
}

/* By begin. Spans come in a few runs, each in order: one for each reason. */
static void merge_runs(struct spans *s)
{
    size_t middle = run_end(s, 0);
    if (middle >= s->count)
        return;
    struct span *to = check_alloc(s->count * sizeof(*to));
    for (; middle < s->count; middle = run_end(s, 0))
        for (size_t begin = 0, end; begin < s->count; begin = end) {
            middle = run_end(s, begin);
            end = middle < s->count ? run_end(s, middle) : s->count;
            size_t left = begin, right = middle, at = begin;
            while (left < middle && right < end)
                to[at++] =
                    s->at[right].from_ns < s->at[left].from_ns ? s->at[right++] : s->at[left++];
            while (left < middle)
                to[at++] = s->at[left++];
            while (right < end)
                to[at++] = s->at[right++];
            memcpy(&s->at[begin], &to[begin], (end - begin) * sizeof(*to));
        }
    free(to);
}

void spans_merge(struct spans *s)
{
    if (s->count == 0)
        return;
    merge_runs(s);
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
