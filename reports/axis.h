#ifndef REPORTS_AXIS_H
#define REPORTS_AXIS_H

/* From values to pixels, and where the ticks are (spec/ui.md 6). Pure geometry: it knows no chart
 * and writes nothing. Pixels are tenths, as in svg.h. */

#include <stddef.h>
#include <stdint.h>

#define AXIS_TICKS_MOST 12

enum axis_kind {
    AXIS_COUNT,      /* linear; counts begin at zero */
    AXIS_TIME,       /* ns, linear; ticks of 1, 2, 5, 10, 15, 30 s and minutes */
    AXIS_LOG,        /* ns, logarithmic; ticks of 10, 20, 50, 100 */
    AXIS_PERCENTILE, /* parts per million of the samples, by -log10(1 - q) */
};
struct axis {
    enum axis_kind kind;
    uint64_t low, high;         /* the values at the two ends; low < high */
    int32_t from_px10, to_px10; /* from > to: it grows upwards */
};
struct axis_tick {
    uint64_t value;
    int32_t px10;
    char label[24]; /* "20"; of times "1:30"; of percentiles "99.9" */
};

/* Mends what cannot be drawn: a domain without width becomes one, a logarithm begins at 1 us. */
void axis_init(struct axis *a, enum axis_kind kind, uint64_t low, uint64_t high, int32_t from_px10,
               int32_t to_px10);
/* A value outside of the domain lies on its end. */
int32_t axis_px(const struct axis *a, uint64_t value);
/* How many ticks a width bears: 5 on 400 px, 12 on 1180 px. */
size_t axis_ticks_most(int32_t width_px10);
/* At most ${most} (and AXIS_TICKS_MOST) into ${ret}, by value. Returns how many. */
size_t axis_ticks(const struct axis *a, size_t most, struct axis_tick *ret);

/* The greatest 1, 2 or 5 times a power of ten that is not above ${value} (1 for 0), and the least
 * that is not below it: where a domain may end so that a tick stands there. */
uint64_t axis_floor(uint64_t value);
uint64_t axis_ceiling(uint64_t value);

/* "1:30" from the run's start, "0:01.5", "1:00:00". Returns ${to}; 24 bytes are enough. */
const char *axis_print_time(uint64_t ns, char *to, size_t size);
/* "0.5", "20", "1000": ms of a latency. */
const char *axis_print_ms(uint64_t ns, char *to, size_t size);
/* "600 ms", "2 s", "1.5 s": a span as people read it. */
const char *axis_print_span(uint64_t ns, char *to, size_t size);

#endif
