/* The order of records by time: they come nearly in order, but by their ends. */
#include "verify/track.h"

#include <stdlib.h>

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)
#define FEW 64

static bool is_before(const struct track_key *a, const struct track_key *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->k < b->k;
}

static int by_k(const void *a, const void *b)
{
    const struct track_key *x = a, *y = b;
    if (x->k != y->k)
        return x->k < y->k ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Stable; quick where little is out of place. */
static void insert(struct track_key *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct track_key key = keys[i];
        size_t k = i;
        for (; k > 0 && is_before(&key, &keys[k - 1]); k--)
            keys[k] = keys[k - 1];
        keys[k] = key;
    }
}

static void pass(const struct track_key *from, struct track_key *to, size_t count, uint64_t least,
                 unsigned shift)
{
    size_t at[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++)
        at[(from[i].t_ns - least) >> shift & (DIGITS - 1)]++;
    for (size_t i = 0; i < DIGITS; i++) {
        size_t here = at[i];
        at[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[at[(from[i].t_ns - least) >> shift & (DIGITS - 1)]++] = from[i];
}

void track_sort(struct track_key *keys, size_t count)
{
    uint64_t least = UINT64_MAX, most = 0;
    bool sorted = true;
    for (size_t i = 0; i < count; i++) {
        least = keys[i].t_ns < least ? keys[i].t_ns : least;
        most = keys[i].t_ns > most ? keys[i].t_ns : most;
        sorted = sorted && (i == 0 || !is_before(&keys[i], &keys[i - 1]));
    }
    if (sorted || count <= FEW) {
        insert(keys, sorted ? 0 : count);
        return;
    }
    struct track_key *other = check_alloc(count * sizeof(*other)), *from = keys, *to = other;
    for (unsigned shift = 0; shift < 64 && (most - least) >> shift != 0; shift += DIGIT_BITS) {
        pass(from, to, count, least, shift);
        struct track_key *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, count * sizeof(*keys));
    free(other);
    /* Equal times: runs of them, in the order of the tries. */
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && keys[end].t_ns == keys[i].t_ns;)
            end++;
        if (end - i > 1)
            qsort(keys + i, end - i, sizeof(*keys), by_k);
    }
}
