#ifndef REPORTS_LANE_H
#define REPORTS_LANE_H

/* The lanes of a timeline: moments counted into buckets, and buckets made one path each
 * (spec/ui.md 6, "Decimation"). Buckets, never samples; no verdict is ever computed from them.
 * Pure geometry. */

#include "reports/axis.h"
#include "reports/svg.h"

#define LANE_MARKS_MOST 200 /* rare events drawn one by one; more are counted by bucket */

/* Counts over time: ${at[i]} of [from + i * width, from + (i + 1) * width). */
struct buckets {
    uint64_t from_ns, width_ns;
    uint32_t *at, count;
};

/* The smallest of 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60 s that is at least 2.5 px when ${span_ns}
 * takes ${width_px10}, and ${coarse} steps wider; past a minute it doubles. */
uint64_t buckets_width_ns(uint64_t span_ns, int32_t width_px10, unsigned coarse);
/* All zero. ${span_ns} / ${width_ns} + 1 buckets, at most BUCKETS_MOST: the last takes the rest. */
#define BUCKETS_MOST 4096
void buckets_init(struct buckets *b, uint64_t from_ns, uint64_t span_ns, uint64_t width_ns);
void buckets_release(struct buckets *b);
/* Moments outside of the span are not counted. */
void buckets_add(struct buckets *b, uint64_t t_ns);
uint32_t buckets_most(const struct buckets *b);
uint64_t buckets_sum(const struct buckets *b);
/* Adds the counts of ${from}, of the same shape. */
void buckets_merge(struct buckets *to, const struct buckets *from);

/* One side of a lane: its outcomes stacked from the base line on, the first nearest to it, each one
 * path of class ${class}. ${side_px10} is the height of ${most}, and negative upwards; a bucket
 * that is not empty is at least 2.5 px high. */
struct lane_part {
    const char *class;
    const struct buckets *counts;
};
void lane_side(struct svg *to, const struct lane_part *parts, size_t count, const struct axis *x,
               int32_t base_px10, int32_t side_px10, uint32_t most);

/* One row of ${height_px10} whose strength is the answered share of each bucket: classes "h4" (all
 * answered), "h3" (99 % or more), "h2" (90 %), "h1" (half) and "h0" (fewer), one path each; an
 * empty bucket is left empty. */
void lane_heat(struct svg *to, const struct buckets *answered, const struct buckets *failed,
               const struct axis *x, int32_t top_px10, int32_t height_px10);

/* Rare events: each alone while there are at most LANE_MARKS_MOST, else one in each bucket of
 * ${like} that has any, with its count. ${times} in order; ${ret} has room for LANE_MARKS_MOST or
 * the buckets, the greater. Returns how many. */
struct lane_mark {
    uint64_t t_ns;
    uint32_t count;
};
size_t lane_marks(const uint64_t *times, size_t count, const struct buckets *like,
                  struct lane_mark *ret);

#endif
