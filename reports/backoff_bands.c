/* Back-off against its declared band: for each retry how long after the failure it came, as shares
 * in bins that end on the declared bound. The gaps are those that the judge takes for evidence. */
#include "reports/axis.h"
#include "journal/arm.h"
#include "reports/chart.h"
#include "reports/scene.h"
#include "verify/backoff.h"

#include "base/clock.h"
#include "base/sort.h"

#include <stdlib.h>

#define WIDTH PX(560)
#define HEIGHT PX(300)
#define PLOT_TOP PX(78)
#define PLOT_BOTTOM PX(246)
#define PANELS_MOST 4
#define EDGES_MOST 3
#define GAP PX(20)
#define SIDE PX(14)
#define BIN_LEAST PX(3)

struct panel {
    uint64_t *gaps; /* sorted */
    size_t count, room;
    bool declared; /* false: the policy allows no such retry */
    uint64_t least_ns, most_ns;
};
struct bands {
    const struct scene_edge *edge;
    struct panel panels[PANELS_MOST];
    size_t count; /* panels from 1 */
    size_t gaps;
    uint64_t high_ns, bin_ns;
    double top; /* the largest share of a bin */
};

static bool has_law(const struct edge_policy *p)
{
    return p->flavour != FLAVOUR_L4 && p->retry.attempts.set && p->retry.attempts.number > 0;
}

static void add_gap(struct panel *p, uint64_t ns)
{
    if (p->count == p->room) {
        p->room = p->room == 0 ? 256 : p->room * 2;
        p->gaps = check_realloc(p->gaps, p->room * sizeof(*p->gaps));
    }
    p->gaps[p->count++] = ns;
}

static void read_gaps(const struct scene *s, struct bands *b)
{
    struct window w;
    if (!scene_window(s, b->edge, NULL, &w))
        return;
    for (uint32_t i = w.from; i < w.to; i++) {
        const struct request *r = &w.track->requests[i];
        if (!window_has(&w, r))
            continue;
        for (const struct try *x = window_first(&w, r); x != NULL; x = window_after(&w, x)) {
            uint64_t ns;
            if (x->place <= PANELS_MOST && backoff_gap(&w, x, &ns))
                add_gap(&b->panels[x->place - 1], ns);
        }
    }
}

/* Bins so wide as three pixels, that part the first band evenly: later bands are multiples of it.
 */
static void choose_bins(struct bands *b)
{
    int32_t width = (WIDTH - 2 * SIDE - (int32_t)(b->count - 1) * GAP) / (int32_t)b->count;
    uint64_t band = backoff_width_ns(b->edge->policy, 1), bins = 1;
    while (bins < 32 && (double)width * (double)band / (double)(2 * bins) >=
                            (double)BIN_LEAST * (double)b->high_ns)
        bins *= 2;
    b->bin_ns = band / bins > 0 ? band / bins : 1;
    while ((double)b->bin_ns * width < (double)BIN_LEAST * (double)b->high_ns)
        b->bin_ns *= 2;
}

/* Which bin a gap is in: [k, k + 1) of bins that begin where one ends on the bound. */
static uint64_t bin_of(const struct bands *b, const struct panel *p, uint64_t ns)
{
    uint64_t rest = p->declared ? p->most_ns % b->bin_ns : 0;
    return (ns + (rest == 0 ? 0 : b->bin_ns - rest)) / b->bin_ns;
}

static uint64_t bin_begin_ns(const struct bands *b, const struct panel *p, uint64_t bin)
{
    uint64_t rest = p->declared ? p->most_ns % b->bin_ns : 0,
             before = rest == 0 ? 0 : b->bin_ns - rest;
    return bin * b->bin_ns > before ? bin * b->bin_ns - before : 0;
}

static size_t bin_end(const struct bands *b, const struct panel *p, size_t from)
{
    uint64_t bin = bin_of(b, p, p->gaps[from]);
    size_t to = from;
    while (to < p->count && bin_of(b, p, p->gaps[to]) == bin)
        to++;
    return to;
}

static void lay_out(struct bands *b)
{
    uint32_t allowed = (uint32_t)b->edge->policy->retry.attempts.number;
    uint64_t seen = 0;
    for (size_t i = 0; i < PANELS_MOST; i++) {
        struct panel *p = &b->panels[i];
        p->declared = i < allowed;
        b->gaps += p->count;
        if (p->declared) {
            p->least_ns = backoff_least_ns(b->edge->policy, (uint32_t)i + 1);
            p->most_ns = backoff_most_ns(b->edge->policy, (uint32_t)i + 1);
        }
        if (p->count == 0 && !(p->declared && i < BACKOFF_GAPS_MOST))
            continue;
        b->count = i + 1;
        b->high_ns = p->most_ns > b->high_ns ? p->most_ns : b->high_ns;
        if (p->count == 0)
            continue;
        qsort(p->gaps, p->count, sizeof(*p->gaps), sort_by_u64);
        /* one stray gap in a hundred does not press the others together */
        uint64_t ns = p->gaps[p->count - 1 - p->count / 100];
        seen = ns > seen ? ns : seen;
    }
    uint64_t most = 4 * b->high_ns;
    seen = most > 0 && seen > most ? most : seen;
    b->high_ns = b->high_ns > seen ? b->high_ns : seen;
    b->high_ns += b->high_ns / 8 + 1;
    choose_bins(b);
    for (size_t i = 0; i < b->count; i++) {
        struct panel *p = &b->panels[i];
        for (size_t k = 0; k < p->count;) {
            size_t end = bin_end(b, p, k);
            double share = (double)(end - k) / (double)p->count;
            b->top = share > b->top ? share : b->top;
            k = end;
        }
    }
}

/* Bars of the gaps in [low, high): one path. Returns how many lie past the right end. */
static size_t draw_bars(struct svg *to, const struct bands *b, const struct panel *p,
                        const struct axis *x, const char *class, uint64_t low, uint64_t high)
{
    struct svg_path path;
    size_t beyond = 0;
    bool begun = false;
    for (size_t i = 0; i < p->count;) {
        size_t end = bin_end(b, p, i);
        uint64_t at = p->gaps[i], begin = bin_begin_ns(b, p, bin_of(b, p, at));
        if (at >= b->high_ns)
            beyond += end - i;
        else if (at >= low && at < high) {
            double share = (double)(end - i) / (double)p->count / b->top;
            int32_t height = (int32_t)(share * (PLOT_BOTTOM - PLOT_TOP - PX(6)) + 0.5),
                    from = axis_px(x, begin), until = axis_px(x, begin + b->bin_ns);
            height = height < PX(2) ? PX(2) : height;
            if (!begun)
                svg_path_begin(to, &path, class);
            begun = true;
            svg_path_bar(&path, from, PLOT_BOTTOM, until - from - PX(1) / 2, -height);
        }
        i = end;
    }
    if (begun)
        svg_path_end(&path);
    return beyond;
}

static void draw_band(struct svg *to, const struct panel *p, const struct axis *x, int32_t left)
{
    char least[24], most[24], text[64];
    axis_print_ms(p->least_ns, least, sizeof(least));
    axis_print_ms(p->most_ns, most, sizeof(most));
    int32_t from = axis_px(x, p->least_ns), until = axis_px(x, p->most_ns);
    svg_rect(to, "f-band", from, PLOT_TOP, until - from, PLOT_BOTTOM - PLOT_TOP);
    snprintf(text, sizeof(text), "%s to %s ms", least, most);
    svg_text(to, "b", left, PX(54), text);
    svg_text(to, "s", left, PX(70), "declared");
}

static void draw_panel(struct svg *to, const struct bands *b, size_t index, int32_t left,
                       int32_t right)
{
    const struct panel *p = &b->panels[index];
    struct axis x;
    struct axis_tick ticks[AXIS_TICKS_MOST];
    char text[64], number[32];
    axis_init(&x, AXIS_COUNT, 0, b->high_ns, left, right);
    if (p->declared)
        draw_band(to, p, &x, left);
    else {
        svg_text(to, "bad b", left, PX(54), "one too many");
        svg_text(to, "s bad", left, PX(70), "none declared");
    }
    uint64_t late = p->declared ? p->most_ns + BACKOFF_TOLERANCE_NS : 0;
    size_t beyond = draw_bars(to, b, p, &x, "f-okd", 0, late);
    draw_bars(to, b, p, &x, "f-bad", late, UINT64_MAX);
    if (p->declared)
        svg_line(to, "l-ink", axis_px(&x, p->most_ns), PLOT_TOP, axis_px(&x, p->most_ns),
                 PLOT_BOTTOM);
    svg_line(to, "ax", left, PLOT_BOTTOM, right, PLOT_BOTTOM);
    snprintf(text, sizeof(text), "retry %zu", index + 1);
    svg_text(to, p->declared ? "b" : "b bad", left, PX(18), text);
    snprintf(text, sizeof(text), "%s gaps", text_grouped(p->count, number, sizeof(number)));
    svg_text(to, "s", left, PX(34), text);
    if (beyond > 0) {
        snprintf(text, sizeof(text), "%zu beyond \xE2\x86\x92", beyond);
        svg_text(to, "e s bad halo", right, PLOT_BOTTOM - PX(6), text);
    }
    struct axis ms;
    axis_init(&ms, AXIS_COUNT, 0, b->high_ns / NS_PER_MS, left, right);
    size_t count = axis_ticks(&ms, (size_t)((right - left) / PX(55)) + 1, ticks);
    for (size_t i = 0; i < count; i++) {
        int32_t at = axis_px(&x, ticks[i].value * NS_PER_MS);
        svg_line(to, "ax", at, PLOT_BOTTOM, at, PLOT_BOTTOM + PX(4));
        svg_text(to, "c s", at, PLOT_BOTTOM + PX(19), ticks[i].label);
    }
}

static void draw(struct svg *to, const struct bands *b, const char *part, const char *desc)
{
    char title[200];
    snprintf(title, sizeof(title), "Back-off before each retry on %.120s", b->edge->shown);
    const struct svg_frame frame = {
        .title = title, .desc = desc, .part = part, .width_px10 = WIDTH, .height_px10 = HEIGHT};
    svg_open(to, &frame);
    int32_t panels = (int32_t)b->count, width = (WIDTH - 2 * SIDE - (panels - 1) * GAP) / panels;
    for (int32_t i = 0; i < panels; i++) {
        int32_t left = SIDE + i * (width + GAP);
        draw_panel(to, b, (size_t)i, left, left + width);
    }
    svg_text(to, "c s", WIDTH / 2, PLOT_BOTTOM + PX(42), "ms from the failure to the next try");
    svg_close(to, &frame);
}

/* "Retries 1 and 2: ..." in one sentence for each edge. */
static void print_note(const struct scene *s, const struct bands *b, struct text *to)
{
    size_t late = 0, extra = 0, all = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct panel *p = &b->panels[i];
        all += p->count;
        for (size_t k = 0; k < p->count; k++) {
            late += p->declared && p->gaps[k] > p->most_ns + BACKOFF_TOLERANCE_NS ? 1 : 0;
            extra += p->declared ? 0 : 1;
        }
    }
    const struct judged *law =
        scene_failure(s, b->edge->scenario, b->edge->track->service, "backoff.");
    char count[32];
    text_add(to, "%s gaps on %.80s: ", text_grouped(all, count, sizeof(count)), b->edge->shown);
    if (late == 0 && extra == 0)
        text_add(to, "none is later than its band and 20 ms allow.");
    if (late > 0)
        text_add(to, "%zu later than their band and 20 ms allow.", late);
    if (extra > 0)
        text_add(to, "%s%zu before a retry that nothing declares.", late > 0 ? " " : "", extra);
    if (law != NULL && law->verdict.text != NULL)
        text_add(to, " %.160s.", law->verdict.text);
    text_add(to, " ");
}

static bool is_wanted(const struct scene *s)
{
    for (size_t i = 0; i < s->report->judgement->verdict_count; i++) {
        const struct judged *d = &s->report->judgement->verdicts[i];
        if (strncmp(d->claim->id, "backoff.", 8) == 0 && arm_is_subject(d->arm) &&
            d->verdict.kind != VERDICT_NOT_APPLICABLE)
            return true;
    }
    return false;
}

bool chart_backoff(const struct report *report, struct svg *to, struct chart_note *ret,
                   struct error *err)
{
    static const char *const parts[EDGES_MOST] = {NULL, "b", "c"};
    struct scene *own;
    const struct scene *s = scene_get(report, &own);
    struct text note;
    size_t drawn = 0;
    (void)err;
    text_init(&note, sizeof(ret->text) - 1);
    for (size_t i = 0; i < s->edge_count && drawn < EDGES_MOST; i++) {
        struct bands b = {.edge = &s->edges[i]};
        struct text one;
        if (!has_law(b.edge->policy))
            continue;
        text_init(&one, sizeof(ret->text) - 1);
        read_gaps(s, &b);
        lay_out(&b);
        if (b.gaps > 0) {
            print_note(s, &b, &one);
            draw(to, &b, parts[drawn++], text_get(&one));
            text_add(&note, "%s", text_get(&one));
        }
        for (size_t k = 0; k < PANELS_MOST; k++)
            free(b.panels[k].gaps);
        text_release(&one);
    }
    snprintf(ret->text, sizeof(ret->text), "%s", text_get(&note));
    text_release(&note);
    if (drawn == 0) {
        ret->left_out = true;
        ret->asked_for = is_wanted(s);
        snprintf(ret->text, sizeof(ret->text),
                 "no back-off: no retry followed a failure at a time that was clean");
    }
    scene_free(own);
    return true;
}
