#ifndef STATS_HISTOGRAM_H
#define STATS_HISTOGRAM_H

/* Latencies from 1 us to 1 h in a log-linear histogram with three significant digits (the bucket
 * arithmetic of HdrHistogram): constant time to record, 192 KiB, and merging loses nothing. What
 * lies outside the range is counted apart and still holds its place in the quantiles. */

#include <stdint.h>

#define HISTOGRAM_LEAST_NS UINT64_C(1000)
#define HISTOGRAM_MOST_NS UINT64_C(3600000000000)

struct histogram {
    uint64_t *counts;
    uint64_t count, below, above; /* count: all of them */
    uint64_t least_ns, most_ns;   /* exact; UINT64_MAX and 0 while it is empty */
};

void histogram_init(struct histogram *h);
void histogram_release(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The smallest value that at least ${q} (0..1) of the samples do not exceed, rounded up to the end
 * of its bucket (at most 0.1 %) but not past the largest sample; 0 while it is empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
