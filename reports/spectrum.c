/* Latency by percentile: a line for a phase, on the scale on which each nine takes the same width,
 * and no further than ten requests beyond. */
#include "reports/axis.h"
#include "reports/chart.h"
#include "reports/scene.h"

#include "base/clock.h"
#include "base/sort.h"

#include <stdlib.h>

#define WIDTH PX(560)
#define HEIGHT PX(300)
#define PLOT_LEFT PX(52)
#define PLOT_RIGHT PX(430)
#define PLOT_TOP PX(26)
#define PLOT_BOTTOM PX(256)
#define SERIES_MOST 4
#define BEYOND 10
#define STEP PX(4)

struct series {
    const struct journal_phase *phase;
    uint64_t *ns; /* sorted */
    size_t count, room;
    bool faulty; /* a fault was in force in it */
};
struct spectrum {
    const struct scene *scene;
    struct svg *to;
    struct series *all;
    size_t all_count;
    const struct series *drawn[SERIES_MOST];
    size_t drawn_count;
    uint64_t top_ppm; /* the highest percentile that all that is drawn bears */
    struct axis x, y;
};

/* Parts per million up to which ${count} samples bear percentiles; 0: to none. */
static uint64_t bears_ppm(size_t count)
{
    return count <= 2 * BEYOND ? 0 : 1000000 - (BEYOND * UINT64_C(1000000) + count - 1) / count;
}

static uint64_t at_ppm(const struct series *s, uint64_t ppm)
{
    size_t i = (size_t)((double)ppm / 1e6 * (double)s->count);
    return s->ns[i < s->count ? i : s->count - 1];
}

static struct series *series_at(struct spectrum *p, uint64_t t_ns)
{
    for (size_t i = p->all_count; i > 0; i--)
        if (p->all[i - 1].phase->t0_ns <= t_ns && t_ns < p->all[i - 1].phase->t1_ns)
            return &p->all[i - 1];
    return NULL;
}

static void read_requests(struct spectrum *p)
{
    const struct journal *j = p->scene->journal;
    struct series *s = NULL;
    uint32_t proc = 0;
    bool ours = false;
    for (size_t i = 0; i < j->request_count; i++) {
        const struct request_record *r = &j->requests[i].r;
        if (i == 0 || j->requests[i].proc != proc) {
            proc = j->requests[i].proc;
            ours = scene_is_load(p->scene, proc);
        }
        if (!ours || r->done <= r->start || (r->flags & REQUEST_WARMUP) != 0)
            continue;
        if (s == NULL || r->due < s->phase->t0_ns || r->due >= s->phase->t1_ns)
            s = series_at(p, r->due);
        if (s == NULL)
            continue;
        if (s->count == s->room) {
            s->room = s->room == 0 ? 256 : s->room * 2;
            s->ns = check_realloc(s->ns, s->room * sizeof(*s->ns));
        }
        s->ns[s->count++] = r->done - r->start;
    }
    for (size_t i = 0; i < p->all_count; i++)
        if (p->all[i].count > 0)
            qsort(p->all[i].ns, p->all[i].count, sizeof(uint64_t), sort_by_u64);
}

static bool had_fault(const struct scene *s, const struct journal_phase *phase)
{
    const struct judgement *g = s->report->judgement;
    for (size_t i = 0; i < g->fault_count; i++)
        if (g->faults[i].scenario == phase->scenario && g->faults[i].ordinal == phase->ordinal &&
            g->faults[i].fired > 0)
            return true;
    return false;
}

/* The largest phase without a fault, and those that differ most: by their 90th percentile, or the
 * highest that they bear. */
static void choose(struct spectrum *p, uint64_t least_ppm)
{
    const struct series *calm = NULL;
    for (size_t i = 0; i < p->all_count; i++)
        if (!p->all[i].faulty && bears_ppm(p->all[i].count) >= least_ppm &&
            (calm == NULL || p->all[i].count > calm->count))
            calm = &p->all[i];
    if (calm != NULL)
        p->drawn[p->drawn_count++] = calm;
    while (p->drawn_count < SERIES_MOST) {
        const struct series *best = NULL;
        uint64_t most = 0;
        for (size_t i = 0; i < p->all_count; i++) {
            uint64_t ppm = bears_ppm(p->all[i].count);
            bool known = ppm < least_ppm;
            for (size_t k = 0; k < p->drawn_count; k++)
                known = known || p->drawn[k] == &p->all[i];
            uint64_t ns = known ? 0 : at_ppm(&p->all[i], ppm);
            if (!known && (best == NULL || ns > most)) {
                best = &p->all[i];
                most = ns;
            }
        }
        if (best == NULL)
            return;
        p->drawn[p->drawn_count++] = best;
    }
}

static void draw_grid(struct spectrum *p)
{
    struct axis_tick ticks[AXIS_TICKS_MOST];
    size_t count = axis_ticks(&p->y, 8, ticks);
    for (size_t i = 0; i < count; i++) {
        svg_line(p->to, "hair", PLOT_LEFT, ticks[i].px10, PLOT_RIGHT, ticks[i].px10);
        svg_text(p->to, "e s", PLOT_LEFT - PX(8), ticks[i].px10 + PX(4), ticks[i].label);
    }
    svg_text(p->to, "e s", PLOT_LEFT - PX(8), PLOT_TOP - PX(14), "ms");
    count = axis_ticks(&p->x, axis_ticks_most(PLOT_RIGHT - PLOT_LEFT), ticks);
    for (size_t i = 0; i < count; i++) {
        svg_line(p->to, "hair", ticks[i].px10, PLOT_TOP, ticks[i].px10, PLOT_BOTTOM);
        svg_text(p->to, "c s", ticks[i].px10, PLOT_BOTTOM + PX(18), ticks[i].label);
    }
    svg_text(p->to, "c s", (PLOT_LEFT + PLOT_RIGHT) / 2, PLOT_BOTTOM + PX(36),
             "percentile of requests");
}

static int32_t draw_line(struct spectrum *p, const struct series *s, const char *class)
{
    struct svg_path path;
    uint64_t last = bears_ppm(s->count);
    int32_t x = PLOT_LEFT, y = 0;
    svg_path_begin(p->to, &path, class);
    for (uint64_t ppm = 500000; ppm <= last; ppm += ppm == last ? 1 : (1000000 - ppm) / 40 + 1) {
        ppm = ppm > last ? last : ppm;
        int32_t at = axis_px(&p->x, ppm);
        y = axis_px(&p->y, at_ppm(s, ppm));
        if (ppm == 500000)
            svg_path_move(&path, at, y);
        else if (at - x >= STEP || ppm == last)
            svg_path_line(&path, at, y);
        else
            continue;
        x = at;
    }
    svg_path_end(&path);
    svg_circle(p->to, "f-ink", x, y, PX(3));
    return x;
}

struct end {
    const char *text, *class;
    int32_t x, y;
    bool limit; /* stands at the right edge, where its line is */
};

static int by_height(const void *a, const void *b)
{
    const struct end *x = a, *y = b;
    return (x->y > y->y) - (x->y < y->y);
}

/* From the top, none on another; then back up where the lowest would leave the drawing. */
static void draw_ends(struct spectrum *p, struct end *ends, size_t count)
{
    const int32_t row = PX(17);
    qsort(ends, count, sizeof(*ends), by_height);
    for (size_t i = 1; i < count; i++)
        if (ends[i].y < ends[i - 1].y + row)
            ends[i].y = ends[i - 1].y + row;
    for (size_t i = count; i > 0; i--) {
        int32_t most = i == count ? PLOT_BOTTOM : ends[i].y - row;
        ends[i - 1].y = ends[i - 1].y > most ? most : ends[i - 1].y;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t width = svg_text_width(ends[i].text, true), x = ends[i].x + PX(8);
        bool cut = x + width > WIDTH && !ends[i].limit;
        svg_name(p->to, ends[i].class, cut ? WIDTH - width : x, ends[i].y + PX(4), ends[i].text);
    }
}

static void draw(struct spectrum *p, const struct svg_frame *frame)
{
    static const char *const classes[SERIES_MOST] = {"l-p99", "l-p50", "l-new", "l-old"};
    static const char *const texts[SERIES_MOST] = {"b halo", "b tok halo", "b tnew halo",
                                                   "b mute halo"};
    struct end ends[SERIES_MOST + 2];
    char limits[2][48], span[32];
    size_t count = 0;
    svg_open(p->to, frame);
    draw_grid(p);
    for (int per_try = 0; per_try < 2; per_try++) {
        uint64_t ns = scene_timeout_ns(p->scene, per_try != 0);
        if (ns == 0)
            continue;
        bool far = ns > p->y.high;
        snprintf(limits[per_try], sizeof(limits[0]), "%s%s %s", far ? "\xE2\x86\x91 " : "",
                 per_try ? "per try" : "timeout", axis_print_span(ns, span, sizeof(span)));
        int32_t y = far ? PLOT_TOP - PX(8) : axis_px(&p->y, ns);
        if (!far)
            svg_line(p->to, per_try ? "l-mute" : "l-lim", PLOT_LEFT, y, PLOT_RIGHT, y);
        ends[count++] = (struct end){limits[per_try], per_try ? "s" : "s bad", PLOT_RIGHT, y, true};
    }
    for (size_t i = 0, n = 0; i < p->drawn_count; i++) {
        const struct series *s = p->drawn[i];
        bool base = i == 0 && !s->faulty && p->drawn_count > 1;
        size_t look = base ? 1 : n++;
        look += !base && look > 0 && !p->drawn[0]->faulty ? 1 : 0;
        look = look < SERIES_MOST ? look : SERIES_MOST - 1;
        int32_t x = draw_line(p, s, base ? "l-base" : classes[look]);
        uint64_t ns = at_ppm(s, bears_ppm(s->count));
        ends[count++] = (struct end){s->phase->name, base ? "b halo" : texts[look], x,
                                     axis_px(&p->y, ns), false};
    }
    draw_ends(p, ends, count);
    svg_close(p->to, frame);
}

static uint64_t three_digits(uint64_t ns)
{
    uint64_t step = 1;
    while (ns / step >= 1000)
        step *= 10;
    return (ns + step / 2) / step * step;
}

/* "p99 was 32 ms in steady and 321 ms in payments drags": of the percentile that both bear. */
static void print_note(const struct spectrum *p, char *to, size_t size)
{
    static const struct {
        uint64_t ppm;
        const char *name;
    } all[] = {{999000, "p99.9"}, {990000, "p99"}, {900000, "p90"}, {500000, "p50"}};
    const struct series *first = p->drawn[0], *worst = p->drawn[p->drawn_count > 1 ? 1 : 0];
    uint64_t a = bears_ppm(first->count), b = bears_ppm(worst->count), ppm = 500000;
    const char *name = "p50";
    char one[32], two[32];
    for (size_t i = COUNT_OF(all); i > 0; i--)
        if (all[i - 1].ppm <= a && all[i - 1].ppm <= b) {
            ppm = all[i - 1].ppm;
            name = all[i - 1].name;
        }
    axis_print_span(three_digits(at_ppm(first, ppm)), one, sizeof(one));
    axis_print_span(three_digits(at_ppm(worst, ppm)), two, sizeof(two));
    if (first == worst)
        snprintf(to, size, "%s was %s in %.100s. ", name, one, first->phase->name);
    else
        snprintf(to, size, "%s was %s in %.100s and %s in %.100s. ", name, one, first->phase->name,
                 two, worst->phase->name);
}

static void lay_out(struct spectrum *p)
{
    uint64_t least = UINT64_MAX, most = 0, ppm = 900000;
    static const uint64_t ends[] = {900000, 990000, 999000, 999900, 999990};
    for (size_t i = 0; i < p->drawn_count; i++) {
        uint64_t last = bears_ppm(p->drawn[i]->count), low = at_ppm(p->drawn[i], 500000),
                 high = at_ppm(p->drawn[i], last);
        least = low < least ? low : least;
        most = high > most ? high : most;
        for (size_t k = 0; k < COUNT_OF(ends) && ppm < last; k++)
            ppm = ends[k] > ppm ? ends[k] : ppm;
    }
    for (int per_try = 0; per_try < 2; per_try++) {
        uint64_t limit = scene_timeout_ns(p->scene, per_try != 0);
        if (limit > most && limit / 10 <= most)
            most = limit;
    }
    axis_init(&p->x, AXIS_PERCENTILE, 500000, ppm, PLOT_LEFT, PLOT_RIGHT);
    axis_init(&p->y, AXIS_LOG, axis_floor(least), axis_ceiling(most), PLOT_BOTTOM, PLOT_TOP);
}

static void find_phases(struct spectrum *p)
{
    p->all = check_alloc_zero(p->scene->phase_count + 1, sizeof(*p->all));
    for (size_t i = 0; i < p->scene->phase_count; i++)
        p->all[p->all_count++] = (struct series){
            .phase = p->scene->phases[i], .faulty = had_fault(p->scene, p->scene->phases[i])};
}

bool chart_latency(const struct report *report, struct svg *to, struct chart_note *ret,
                   struct error *err)
{
    struct scene *own;
    struct spectrum p = {.scene = scene_get(report, &own), .to = to};
    (void)err;
    find_phases(&p);
    read_requests(&p);
    /* phases with too few requests for their 90th percentile only where there are no others */
    choose(&p, 900000);
    if (p.drawn_count == 0)
        choose(&p, 1);
    if (p.drawn_count == 0) {
        ret->left_out = true;
        snprintf(ret->text, sizeof(ret->text),
                 "no latency by percentile: no phase has more than %d requests that ended",
                 2 * BEYOND);
    } else {
        char finding[320];
        print_note(&p, finding, sizeof(finding));
        snprintf(ret->text, sizeof(ret->text),
                 "%sA line ends where fewer than %d requests are beyond it.", finding, BEYOND);
        lay_out(&p);
        draw(&p, &(struct svg_frame){.title = "Latency by percentile, by phase",
                                     .desc = finding,
                                     .width_px10 = WIDTH,
                                     .height_px10 = HEIGHT});
    }
    for (size_t i = 0; i < p.all_count; i++)
        free(p.all[i].ns);
    free(p.all);
    scene_free(own);
    return true;
}
