/* The panels above the lanes: what the load saw. */
#include "reports/timeline.h"

#include "base/clock.h"
#include "stats/histogram.h"

#include <stdlib.h>

#define SHARE_TOP PX(14)
#define SHARE_HEIGHT PX(30)
#define TOOK_TOP PX(84)
#define TOOK_HEIGHT PX(76)
#define BEYOND 10 /* samples beyond a percentile that is drawn */
#define WIDE_LEAST 20

/* A request of the load: when it was due, and how long it took. */
struct taken {
    uint64_t due_ns, ns; /* ns 0: it did not end */
};
struct panel {
    struct buckets all, good;
    struct taken *taken; /* by time */
    size_t count;
    struct buckets wide;        /* all again, so wide that percentiles have enough requests */
    uint64_t *p50_ns, *high_ns; /* by wide bucket; 0: too few */
    uint32_t high_pct;          /* 99, 90 or 0: which percentile */
    uint64_t least_ns, most_ns;
};

static bool is_good(const struct request_record *r)
{
    return r->end == END_COMPLETE && r->status >= 200 && r->status < 400 && r->grpc_status <= 1;
}

static int by_time(const void *a, const void *b)
{
    const struct taken *x = a, *y = b;
    return (x->due_ns > y->due_ns) - (x->due_ns < y->due_ns);
}

static void read_requests(const struct timeline *t, struct panel *p)
{
    const struct scene *s = t->scene;
    const struct journal *j = s->journal;
    uint64_t span = s->end_ns - s->zero_ns;
    buckets_init(&p->all, s->zero_ns, span, t->bucket_ns);
    buckets_init(&p->good, s->zero_ns, span, t->bucket_ns);
    p->taken = check_alloc((j->request_count + 1) * sizeof(*p->taken));
    uint32_t proc = 0;
    bool ours = false;
    for (size_t i = 0; i < j->request_count; i++) {
        const struct request_record *r = &j->requests[i].r;
        if (i == 0 || j->requests[i].proc != proc) {
            proc = j->requests[i].proc;
            ours = scene_is_load(s, proc);
        }
        if (!ours || r->due < s->zero_ns || r->due >= s->zero_ns + span)
            continue;
        buckets_add(&p->all, r->due);
        if (is_good(r))
            buckets_add(&p->good, r->due);
        p->taken[p->count++] = (struct taken){r->due, r->done > r->start ? r->done - r->start : 0};
    }
    if (p->count > 0)
        qsort(p->taken, p->count, sizeof(*p->taken), by_time);
}

static bool bears(uint64_t samples, uint32_t percent)
{
    return samples * (100 - percent) >= 100 * BEYOND;
}

/* At least half of the buckets with requests bear it. */
static bool mostly_bears(const struct buckets *b, uint32_t percent)
{
    uint32_t full = 0, enough = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        full += b->at[i] > 0 ? 1 : 0;
        enough += bears(b->at[i], percent) ? 1 : 0;
    }
    return full > 0 && enough * 2 >= full;
}

/* The narrowest buckets that bear the 99th percentile, else the 90th; not so wide that there are
 * fewer than WIDE_LEAST of them. */
static void choose_wide(const struct timeline *t, struct panel *p)
{
    static const uint32_t percents[] = {99, 90, 50}, times[] = {1, 2, 5, 10, 20, 50};
    uint64_t span = t->scene->end_ns - t->scene->zero_ns;
    for (size_t k = 0; k < COUNT_OF(percents); k++)
        for (size_t n = 0; n < COUNT_OF(times); n++) {
            uint64_t width = t->bucket_ns * times[n];
            if (n > 0 && span / width < WIDE_LEAST)
                break;
            buckets_release(&p->wide);
            buckets_init(&p->wide, t->scene->zero_ns, span, width);
            for (size_t i = 0; i < p->count; i++)
                buckets_add(&p->wide, p->taken[i].due_ns);
            p->high_pct = percents[k] == 50 ? 0 : percents[k];
            if (mostly_bears(&p->wide, percents[k]))
                return;
        }
}

static void note_extent(struct panel *p, uint64_t ns)
{
    if (ns == 0)
        return;
    p->least_ns = p->least_ns == 0 || ns < p->least_ns ? ns : p->least_ns;
    p->most_ns = ns > p->most_ns ? ns : p->most_ns;
}

static void find_percentiles(const struct timeline *t, struct panel *p)
{
    choose_wide(t, p);
    p->p50_ns = check_alloc_zero(p->wide.count, sizeof(uint64_t));
    p->high_ns = check_alloc_zero(p->wide.count, sizeof(uint64_t));
    for (size_t i = 0; i < p->count;) {
        struct histogram h;
        uint64_t bucket = (p->taken[i].due_ns - p->wide.from_ns) / p->wide.width_ns;
        uint64_t until_ns = p->wide.from_ns + (bucket + 1) * p->wide.width_ns;
        histogram_init(&h);
        for (; i < p->count && p->taken[i].due_ns < until_ns; i++)
            if (p->taken[i].ns != 0)
                histogram_record(&h, p->taken[i].ns);
        if (bucket < p->wide.count && bears(h.count, 50))
            p->p50_ns[bucket] = histogram_quantile(&h, 0.5);
        if (bucket < p->wide.count && p->high_pct != 0 && bears(h.count, p->high_pct))
            p->high_ns[bucket] = histogram_quantile(&h, p->high_pct / 100.0);
        if (bucket < p->wide.count) {
            note_extent(p, p->p50_ns[bucket]);
            note_extent(p, p->high_ns[bucket]);
        }
        histogram_release(&h);
    }
}

static uint64_t share_ppm(const struct panel *p, uint32_t i)
{
    return (uint64_t)p->good.at[i] * 1000000 / p->all.at[i];
}

/* Steps; a bucket without requests is left empty. */
static void draw_steps(struct timeline *t, const struct panel *p, const struct axis *y)
{
    struct svg_path path;
    bool pen = false;
    svg_path_begin(t->to, &path, "l-ink");
    for (uint32_t i = 0; i < p->all.count; i++) {
        if (p->all.at[i] == 0) {
            pen = false;
            continue;
        }
        int32_t from = axis_px(&t->x, p->all.from_ns + i * p->all.width_ns),
                to = axis_px(&t->x, p->all.from_ns + (i + 1) * p->all.width_ns),
                at = axis_px(y, share_ppm(p, i));
        if (!pen)
            svg_path_move(&path, from, at);
        else if (at != path.y)
            svg_path_line(&path, from, at);
        uint32_t next = i + 1;
        pen = true;
        /* one line over equal buckets */
        if (next < p->all.count && p->all.at[next] != 0 && axis_px(y, share_ppm(p, next)) == at)
            continue;
        svg_path_line(&path, to, at);
    }
    svg_path_end(&path);
}

static void draw_share(struct timeline *t, const struct panel *p, int32_t top)
{
    static const uint64_t lows[] = {970000, 900000, 500000, 0};
    uint64_t least = 1000000, low = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < p->all.count; i++)
        if (p->all.at[i] != 0 && share_ppm(p, i) < least) {
            least = share_ppm(p, i);
            at = i;
        }
    for (size_t k = COUNT_OF(lows); k > 0; k--)
        low = lows[k - 1] <= least ? lows[k - 1] : low;
    struct axis y;
    char text[48];
    axis_init(&y, AXIS_COUNT, low, 1000000, top + SHARE_HEIGHT, top);
    svg_text(t->to, "e b", TIMELINE_GUTTER, top + PX(8), "good answers");
    svg_text(t->to, "e s", TIMELINE_GUTTER, top + PX(23), "of requests");
    svg_line(t->to, "hair", TIMELINE_LEFT, top + SHARE_HEIGHT, TIMELINE_RIGHT, top + SHARE_HEIGHT);
    svg_text(t->to, "s", TIMELINE_EDGE, top + PX(4), "100 %");
    snprintf(text, sizeof(text), "%d %%", (int)(low / 10000));
    svg_text(t->to, "s", TIMELINE_EDGE, top + SHARE_HEIGHT + PX(4), text);
    draw_steps(t, p, &y);
    if (least == 1000000)
        return;
    snprintf(text, sizeof(text), "lowest %llu.%llu %%", (unsigned long long)least / 10000,
             (unsigned long long)least / 1000 % 10);
    int32_t x = axis_px(&t->x, p->all.from_ns + at * p->all.width_ns);
    bool late = x + svg_text_width(text, false) > TIMELINE_RIGHT;
    svg_text(t->to, late ? "e halo" : "halo", late ? TIMELINE_RIGHT : x,
             top + SHARE_HEIGHT + PX(14), text);
}

/* Through the middles of buckets; it ends where a bucket has too few. */
static void draw_line(struct timeline *t, const struct panel *p, const struct axis *y,
                      const uint64_t *values, const char *class)
{
    struct svg_path path;
    bool pen = false;
    svg_path_begin(t->to, &path, class);
    for (uint32_t i = 0; i < p->wide.count; i++) {
        if (values[i] == 0) {
            pen = false;
            continue;
        }
        int32_t x = axis_px(&t->x, p->wide.from_ns + i * p->wide.width_ns + p->wide.width_ns / 2),
                at = axis_px(y, values[i]);
        if (!pen) {
            svg_path_move(&path, x - PX(1), at);
            svg_path_line(&path, x, at);
        } else
            svg_path_line(&path, x, at);
        pen = true;
    }
    svg_path_end(&path);
}

struct end_label {
    const char *class, *text;
    int32_t y;
};

/* At the right edge, from the top, none on another. */
static void draw_ends(struct timeline *t, struct end_label *labels, size_t count)
{
    int32_t last = INT32_MIN / 2;
    for (size_t n = 0; n < count; n++) {
        size_t best = count;
        for (size_t i = 0; i < count; i++)
            if (labels[i].text != NULL && (best == count || labels[i].y < labels[best].y))
                best = i;
        if (best == count)
            return;
        int32_t y = labels[best].y < last + PX(14) ? last + PX(14) : labels[best].y;
        svg_text(t->to, labels[best].class, TIMELINE_EDGE, y + PX(4), labels[best].text);
        labels[best].text = NULL;
        last = y;
    }
}

static uint64_t last_of(const struct panel *p, const uint64_t *values)
{
    for (uint32_t i = p->wide.count; i > 0; i--)
        if (values[i - 1] != 0)
            return values[i - 1];
    return 0;
}

/* Drawn, or a number at the upper edge where it would cost more than half of the height. */
static void draw_limit(struct timeline *t, const struct axis *y, uint64_t limit_ns, bool per_try,
                       struct end_label *ret, char *text, size_t size)
{
    char span[32];
    bool far = limit_ns > y->high;
    snprintf(text, size, "%s%s %s", far ? "\xE2\x86\x91 " : "", per_try ? "per try" : "timeout",
             axis_print_span(limit_ns, span, sizeof(span)));
    *ret =
        (struct end_label){per_try ? "s" : "s bad", text, far ? y->to_px10 : axis_px(y, limit_ns)};
    if (!far)
        svg_line(t->to, per_try ? "l-mute" : "l-lim", TIMELINE_LEFT, ret->y, TIMELINE_RIGHT,
                 ret->y);
}

static void draw_took(struct timeline *t, const struct panel *p, int32_t top)
{
    struct axis y;
    struct axis_tick ticks[AXIS_TICKS_MOST];
    struct end_label ends[4];
    size_t count = 0;
    uint64_t high = p->most_ns,
             limits[] = {scene_timeout_ns(t->scene, false), scene_timeout_ns(t->scene, true)};
    /* a limit within a decade of what was seen costs no more than half of the height */
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        high = limits[i] > high && limits[i] / 10 <= p->most_ns ? limits[i] : high;
    axis_init(&y, AXIS_LOG, axis_floor(p->least_ns), axis_ceiling(high), top + TOOK_HEIGHT, top);
    char by[48], span[32];
    snprintf(by, sizeof(by), "by %s", axis_print_span(p->wide.width_ns, span, sizeof(span)));
    svg_text(t->to, "e b", TIMELINE_GUTTER, top - PX(12), "latency");
    svg_text(t->to, "s", TIMELINE_LEFT + PX(4), top - PX(12), by);
    size_t tick_count = axis_ticks(&y, 4, ticks);
    for (size_t i = 0; i < tick_count; i++) {
        char text[40];
        snprintf(text, sizeof(text), "%s ms", ticks[i].label);
        svg_line(t->to, "hair", TIMELINE_LEFT, ticks[i].px10, TIMELINE_RIGHT, ticks[i].px10);
        svg_text(t->to, "e s", TIMELINE_GUTTER, ticks[i].px10 + PX(4), text);
    }
    char timeout[48], per_try[48], high_text[16];
    if (limits[0] != 0)
        draw_limit(t, &y, limits[0], false, &ends[count++], timeout, sizeof(timeout));
    if (limits[1] != 0)
        draw_limit(t, &y, limits[1], true, &ends[count++], per_try, sizeof(per_try));
    draw_line(t, p, &y, p->p50_ns, "l-p50");
    if (last_of(p, p->p50_ns) != 0)
        ends[count++] = (struct end_label){"b tok", "p50", axis_px(&y, last_of(p, p->p50_ns))};
    if (last_of(p, p->high_ns) != 0) {
        draw_line(t, p, &y, p->high_ns, "l-p99");
        snprintf(high_text, sizeof(high_text), "p%u", p->high_pct);
        ends[count++] = (struct end_label){"b", high_text, axis_px(&y, last_of(p, p->high_ns))};
    }
    draw_ends(t, ends, count);
}

int32_t timeline_panels_height(void)
{
    return TOOK_TOP + TOOK_HEIGHT + PX(18);
}

void timeline_panels(struct timeline *t, int32_t y)
{
    struct panel p = {0};
    read_requests(t, &p);
    find_percentiles(t, &p);
    t->requests = p.count;
    if (p.count > 0)
        draw_share(t, &p, y + SHARE_TOP);
    if (p.most_ns > 0)
        draw_took(t, &p, y + TOOK_TOP);
    else
        svg_text(t->to, "s", TIMELINE_LEFT, y + TOOK_TOP + PX(12),
                 "too few requests in a bucket for percentiles of latency");
    buckets_release(&p.all);
    buckets_release(&p.good);
    buckets_release(&p.wide);
    free(p.taken);
    free(p.p50_ns);
    free(p.high_ns);
}
