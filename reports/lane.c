#include "reports/lane.h"

#include "base/clock.h"

#include <stdlib.h>

#define BUCKET_LEAST_PX10 25
#define BAR_LEAST_PX10 25

uint64_t buckets_width_ns(uint64_t span_ns, int32_t width_px10, unsigned coarse)
{
    static const uint64_t steps_ms[] = {100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000};
    uint64_t width_ns = 0;
    unsigned wider = 0;
    for (size_t i = 0;; i++) {
        width_ns = i < COUNT_OF(steps_ms) ? steps_ms[i] * NS_PER_MS : width_ns * 2;
        bool wide = width_px10 <= 0 ||
                    (double)width_ns * width_px10 / (double)span_ns >= (double)BUCKET_LEAST_PX10;
        if (wide && wider++ >= coarse)
            return width_ns;
        if (width_ns > UINT64_MAX / 4)
            return width_ns;
    }
}

void buckets_init(struct buckets *b, uint64_t from_ns, uint64_t span_ns, uint64_t width_ns)
{
    uint64_t count = span_ns / width_ns;
    *b = (struct buckets){.from_ns = from_ns,
                          .width_ns = width_ns,
                          .count = count < BUCKETS_MOST ? (uint32_t)count + 1 : BUCKETS_MOST};
    b->at = check_alloc_zero(b->count, sizeof(*b->at));
}

void buckets_release(struct buckets *b)
{
    free(b->at);
    *b = (struct buckets){0};
}

void buckets_add(struct buckets *b, uint64_t t_ns)
{
    uint64_t i = t_ns < b->from_ns ? UINT64_MAX : (t_ns - b->from_ns) / b->width_ns;
    if (i < b->count && b->at[i] < UINT32_MAX)
        b->at[i]++;
}

uint32_t buckets_most(const struct buckets *b)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < b->count; i++)
        most = b->at[i] > most ? b->at[i] : most;
    return most;
}

uint64_t buckets_sum(const struct buckets *b)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < b->count; i++)
        sum += b->at[i];
    return sum;
}

void buckets_merge(struct buckets *to, const struct buckets *from)
{
    INVARIANT(to->count == from->count);
    for (uint32_t i = 0; i < to->count; i++)
        to->at[i] += from->at[i] < UINT32_MAX - to->at[i] ? from->at[i] : UINT32_MAX - to->at[i];
}

static int32_t bar_of(uint32_t count, int32_t side, uint32_t most)
{
    if (count == 0 || most == 0)
        return 0;
    double height = (double)count * side / most;
    int32_t px = (int32_t)(height + 0.5);
    return px < BAR_LEAST_PX10 ? BAR_LEAST_PX10 : px;
}

/* The height of the first ${upto} parts together. */
static int32_t stack_of(const struct lane_part *parts, size_t upto, uint32_t i, int32_t side,
                        uint32_t most)
{
    int32_t height = 0;
    for (size_t k = 0; k < upto; k++)
        height += bar_of(parts[k].counts->at[i], side, most);
    return height < side ? height : side;
}

static int32_t edge_of(const struct buckets *b, const struct axis *x, uint32_t i)
{
    return axis_px(x, b->from_ns + i * b->width_ns);
}

static bool any_of(const struct buckets *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (b->at[i] != 0)
            return true;
    return false;
}

/* The outline over all buckets, each stretch without a gap closed by itself. It holds all parts up
 * to ${upto}; those nearer to the base line are painted over it. */
static void outline(struct svg *to, const struct lane_part *parts, size_t upto,
                    const struct axis *x, int32_t base, int32_t side, uint32_t most)
{
    const struct buckets *b = parts[upto - 1].counts;
    int32_t sign = side < 0 ? -1 : 1, size = side * sign, last = 0;
    struct svg_path p;
    svg_path_begin(to, &p, parts[upto - 1].class);
    for (uint32_t i = 0; i < b->count; i++) {
        /* where nothing of this part is, what is nearer to the base line would hide it all */
        int32_t height = b->at[i] == 0 ? 0 : stack_of(parts, upto, i, size, most);
        if (height != 0 && last == 0)
            svg_path_move(&p, edge_of(b, x, i), base);
        if (height != last)
            svg_path_line(&p, edge_of(b, x, i), base + sign * height);
        bool ends = i + 1 == b->count || parts[upto - 1].counts->at[i + 1] == 0;
        if (height != 0 && ends) {
            svg_path_line(&p, edge_of(b, x, i + 1), base + sign * height);
            svg_path_line(&p, edge_of(b, x, i + 1), base);
            svg_path_close(&p);
            height = 0;
        } else if (height != 0 && stack_of(parts, upto, i + 1, size, most) != height)
            svg_path_line(&p, edge_of(b, x, i + 1), base + sign * height);
        last = height;
    }
    svg_path_end(&p);
}

void lane_side(struct svg *to, const struct lane_part *parts, size_t count, const struct axis *x,
               int32_t base_px10, int32_t side_px10, uint32_t most)
{
    for (size_t upto = count; upto > 0; upto--)
        if (any_of(parts[upto - 1].counts))
            outline(to, parts, upto, x, base_px10, side_px10, most);
}

/* 4: all answered ... 0: fewer than half; -1: nothing was asked. */
static int heat_of(uint32_t answered, uint32_t failed)
{
    uint64_t all = (uint64_t)answered + failed;
    if (all == 0)
        return -1;
    if (failed == 0)
        return 4;
    if ((uint64_t)answered * 100 >= all * 99)
        return 3;
    return (uint64_t)answered * 10 >= all * 9 ? 2 : (uint64_t)answered * 2 >= all ? 1 : 0;
}

void lane_heat(struct svg *to, const struct buckets *answered, const struct buckets *failed,
               const struct axis *x, int32_t top_px10, int32_t height_px10)
{
    static const char *const classes[] = {"h0", "h1", "h2", "h3", "h4"};
    for (int heat = 4; heat >= 0; heat--) {
        struct svg_path p;
        bool begun = false;
        for (uint32_t i = 0; i < answered->count; i++) {
            uint32_t from = i;
            while (i < answered->count && heat_of(answered->at[i], failed->at[i]) == heat)
                i++;
            if (i == from)
                continue;
            if (!begun)
                svg_path_begin(to, &p, classes[heat]);
            begun = true;
            int32_t at = edge_of(answered, x, from);
            svg_path_bar(&p, at, top_px10, edge_of(answered, x, i) - at, height_px10);
        }
        if (begun)
            svg_path_end(&p);
    }
}

size_t lane_marks(const uint64_t *times, size_t count, const struct buckets *like,
                  struct lane_mark *ret)
{
    size_t marks = 0;
    uint64_t last = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        uint64_t bucket = times[i] < like->from_ns ? 0 : (times[i] - like->from_ns);
        bucket /= like->width_ns;
        bucket = bucket < like->count ? bucket : like->count - 1;
        if (count > LANE_MARKS_MOST && marks > 0 && bucket == last) {
            ret[marks - 1].count++;
            continue;
        }
        uint64_t middle = like->from_ns + bucket * like->width_ns + like->width_ns / 2;
        ret[marks++] = (struct lane_mark){count > LANE_MARKS_MOST ? middle : times[i], 1};
        last = bucket;
    }
    return marks;
}
