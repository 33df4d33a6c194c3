#include "stats/histogram.h"

#include "base/check.h"

#include <math.h>
#include <stdlib.h>

/* Values are cut to units of 512 ns. The first 2048 units have a bucket each; from there on every
 * doubling has 1024 buckets, so a bucket is at most 1/1024 of its value wide. */
#define UNIT_SHIFT 9
#define HALF_SHIFT 10
#define HALF (UINT64_C(1) << HALF_SHIFT)
#define BUCKETS ((size_t)24 * 1024) /* the last holds 2^42 ns - 1, more than 1 h */

_Static_assert(HISTOGRAM_MOST_NS < UINT64_C(1) << 42, "the buckets reach to the largest value");

static size_t bucket_of(uint64_t ns)
{
    uint64_t units = ns >> UNIT_SHIFT;
    if (units < 2 * HALF)
        return (size_t)units;
    unsigned doublings = 63U - (unsigned)__builtin_clzll(units) - HALF_SHIFT;
    return (size_t)(HALF * doublings + (units >> doublings));
}

/* The largest value of a bucket. */
static uint64_t bucket_end(size_t at)
{
    unsigned doublings = at < 2 * HALF ? 0 : (unsigned)(at / HALF) - 1;
    uint64_t units = at - HALF * doublings;
    return ((units + 1) << (doublings + UNIT_SHIFT)) - 1;
}

void histogram_init(struct histogram *h)
{
    *h = (struct histogram){.counts = check_alloc_zero(BUCKETS, sizeof(*h->counts)),
                            .least_ns = UINT64_MAX};
}

void histogram_release(struct histogram *h)
{
    free(h->counts);
    *h = (struct histogram){.least_ns = UINT64_MAX};
}

void histogram_record(struct histogram *h, uint64_t ns)
{
    h->count++;
    h->least_ns = ns < h->least_ns ? ns : h->least_ns;
    h->most_ns = ns > h->most_ns ? ns : h->most_ns;
    if (ns < HISTOGRAM_LEAST_NS)
        h->below++;
    else if (ns > HISTOGRAM_MOST_NS)
        h->above++;
    else
        h->counts[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (size_t i = 0; i < BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->count += from->count;
    to->below += from->below;
    to->above += from->above;
    to->least_ns = from->least_ns < to->least_ns ? from->least_ns : to->least_ns;
    to->most_ns = from->most_ns > to->most_ns ? from->most_ns : to->most_ns;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    if (h->count == 0)
        return 0;
    double want = ceil(q * (double)h->count);
    uint64_t rank = want < 1 ? 1 : want >= (double)h->count ? h->count : (uint64_t)want;
    uint64_t seen = h->below;
    if (rank <= seen)
        return HISTOGRAM_LEAST_NS < h->most_ns ? HISTOGRAM_LEAST_NS : h->most_ns;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += h->counts[i];
        if (rank <= seen)
            return bucket_end(i) < h->most_ns ? bucket_end(i) : h->most_ns;
    }
    return h->most_ns;
}
