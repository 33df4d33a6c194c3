/* The order of records by time: they come nearly in order, but by their ends. */
#include "verify/track.h"

#include <stdlib.h>

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)
#define FEW 64
#define SPARE_BITS 3 /* so many times two more places than keys: most have one of their own */
#define MOVES_MOST 16

static bool is_before(const struct track_key *a, const struct track_key *b)
{
    return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->k < b->k;
}

static int by_time(const void *a, const void *b)
{
    const struct track_key *x = a, *y = b;
    if (x->t_ns != y->t_ns)
        return x->t_ns < y->t_ns ? -1 : 1;
    if (x->k != y->k)
        return x->k < y->k ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Stable; quick where little is out of place. False: much was, and it gave up. */
static bool insert(struct track_key *keys, size_t count)
{
    size_t moves = 0;
    for (size_t i = 1; i < count; i++) {
        struct track_key key = keys[i];
        size_t k = i;
        for (; k > 0 && is_before(&key, &keys[k - 1]); k--)
            keys[k] = keys[k - 1];
        keys[k] = key;
        moves += i - k;
        if (moves > MOVES_MOST * count)
            return false;
    }
    return true;
}

static void pass(const struct track_key *from, struct track_key *to, size_t count, uint64_t least,
                 unsigned shift)
{
    uint32_t at[DIGITS] = {0}, sum = 0; /* fewer keys than TRACK_NONE */
    for (size_t i = 0; i < count; i++)
        at[(from[i].t_ns - least) >> shift & (DIGITS - 1)]++;
    for (size_t i = 0; i < DIGITS; i++) {
        uint32_t here = at[i];
        at[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[at[(from[i].t_ns - least) >> shift & (DIGITS - 1)]++] = from[i];
}

static unsigned bits_of(uint64_t n)
{
    return n == 0 ? 0 : 64 - (unsigned)__builtin_clzll(n);
}

/* The lowest digits only tell neighbours apart, which a last look does as well. */
static unsigned skipped_bits(size_t count, uint64_t span)
{
    unsigned places = bits_of(count) + SPARE_BITS;
    return bits_of(span) > places ? bits_of(span) - places : 0;
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
    if (sorted || (count <= FEW && insert(keys, count)))
        return;
    struct track_key *other = check_alloc(count * sizeof(*other)), *from = keys, *to = other;
    for (unsigned shift = skipped_bits(count, most - least);
         shift < 64 && (most - least) >> shift != 0; shift += DIGIT_BITS) {
        pass(from, to, count, least, shift);
        struct track_key *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, count * sizeof(*keys));
    free(other);
    /* What is left: neighbours within a place, and equal times, in the order of the tries. */
    if (!insert(keys, count))
        qsort(keys, count, sizeof(*keys), by_time);
}
