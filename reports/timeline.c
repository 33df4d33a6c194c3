/* The timeline: phases along the top, what the load saw, a lane for each endpoint, and the axis. */
#include "reports/timeline.h"

#include "base/clock.h"
#include "reports/chart.h"

#include <stdlib.h>

#define BYTES_MOST ((size_t)96 * 1000) /* of the page's budget; coarser buckets until it fits */
#define COARSE_MOST 12
#define HEAT_ROW PX(10)
#define HEAT_HEIGHT PX(8)
#define SCENARIO_ROW PX(22)
#define PHASE_ROW PX(26)
#define QUIET_BYTES ((size_t)4 * 1000)

const char *timeline_rate(const struct timeline *t, uint64_t count, char *to, size_t size)
{
    double rate = (double)count * (double)NS_PER_S / (double)t->bucket_ns;
    uint64_t tenths = (uint64_t)(rate * 10 + 0.5);
    char number[32];
    if (tenths < 100 && tenths % 10 != 0)
        snprintf(to, size, "%d.%d/s", (int)(tenths / 10), (int)(tenths % 10));
    else
        snprintf(to, size, "%s/s", text_grouped((tenths + 5) / 10, number, sizeof(number)));
    return to;
}

/* Which endpoints have a lane, and which a heat row: marks in ${ret}, by index. */
static size_t choose(const struct timeline *t, bool *ret)
{
    size_t count = 0;
    for (unsigned weight = 15; weight > 0 || t->lanes.count <= TIMELINE_LANES_MOST; weight--) {
        for (size_t i = 0; i < t->lanes.count && count < TIMELINE_LANES_MOST; i++) {
            if (ret[i] || timeline_lane_weight(t, &t->lanes.at[i]) != weight)
                continue;
            ret[i] = true;
            count++;
        }
        if (weight == 0)
            break;
    }
    return count;
}

/* The widest beginning of a phase's name that its width bears; the whole is in the title. */
static void draw_phase_name(struct timeline *t, const char *name, int32_t from, int32_t to,
                            int32_t y)
{
    char text[96];
    snprintf(text, sizeof(text), "%.90s", name);
    size_t len = strlen(text);
    while (svg_text_width(text, true) > to - from - PX(4) && len > 0) {
        do
            len--;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80);
        memcpy(text + len, "\xE2\x80\xA6", 4);
    }
    if (len > 2)
        svg_text(t->to, "c b", (from + to) / 2, y + PX(17), text);
}

static void draw_phase(struct timeline *t, const struct journal_phase *p, int32_t y)
{
    char from_text[24], to_text[24];
    const struct scene *s = t->scene;
    uint64_t end_ns = p->t1_ns < s->end_ns ? p->t1_ns : s->end_ns;
    int32_t from = axis_px(&t->x, p->t0_ns), to = axis_px(&t->x, end_ns);
    text_add(t->to->to, "<g><title>");
    html_text(t->to->to, p->name);
    text_add(
        t->to->to, ", %s to %s</title>",
        axis_print_time(scene_time(s, p->t0_ns) / NS_PER_MS * NS_PER_MS, from_text,
                        sizeof(from_text)),
        axis_print_time(scene_time(s, end_ns) / NS_PER_MS * NS_PER_MS, to_text, sizeof(to_text)));
    svg_rect(t->to, "f-band", from + PX(1) / 2, y, to - from - PX(1), PHASE_ROW);
    text_add(t->to->to, "</g>");
    draw_phase_name(t, p->name, from, to, y);
}

static uint32_t scenario_count(const struct scene *s)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s->phase_count; i++)
        count += i == 0 || s->phases[i]->scenario != s->phases[i - 1]->scenario ? 1 : 0;
    return count;
}

static void draw_scenarios(struct timeline *t, int32_t y)
{
    const struct scene *s = t->scene;
    svg_text(t->to, "e s", TIMELINE_GUTTER, y + PX(15), "scenario");
    for (size_t i = 0; i < s->phase_count;) {
        uint32_t scenario = s->phases[i]->scenario;
        uint64_t from_ns = s->phases[i]->t0_ns, to_ns = from_ns;
        for (; i < s->phase_count && s->phases[i]->scenario == scenario; i++)
            to_ns = s->phases[i]->t1_ns < s->end_ns ? s->phases[i]->t1_ns : s->end_ns;
        int32_t from = axis_px(&t->x, from_ns), to = axis_px(&t->x, to_ns);
        svg_line(t->to, "l-ink", from, y + PX(20), to, y + PX(20));
        draw_phase_name(t, scene_scenario_name(s, scenario), from, to, y - PX(2));
    }
}

static void draw_head(struct timeline *t, int32_t y)
{
    if (scenario_count(t->scene) > 1) {
        draw_scenarios(t, y);
        y += SCENARIO_ROW;
    }
    svg_text(t->to, "e s", TIMELINE_GUTTER, y + PX(17), "phase");
    for (size_t i = 0; i < t->scene->phase_count; i++)
        draw_phase(t, t->scene->phases[i], y);
    struct svg_path p;
    svg_path_begin(t->to, &p, "hair");
    for (size_t i = 1; i < t->scene->phase_count; i++) {
        int32_t x = axis_px(&t->x, t->scene->phases[i]->t0_ns);
        svg_path_move(&p, x, y + PHASE_ROW);
        svg_path_line(&p, x, t->bottom);
    }
    svg_path_end(&p);
}

static void draw_axis(struct timeline *t, int32_t y)
{
    struct axis clock;
    struct axis_tick ticks[AXIS_TICKS_MOST];
    axis_init(&clock, AXIS_TIME, 0, t->scene->end_ns - t->scene->zero_ns, TIMELINE_LEFT,
              TIMELINE_RIGHT);
    svg_line(t->to, "ax", TIMELINE_LEFT, y, TIMELINE_RIGHT, y);
    size_t count = axis_ticks(&clock, AXIS_TICKS_MOST, ticks);
    for (size_t i = 0; i < count; i++) {
        svg_line(t->to, "ax", ticks[i].px10, y, ticks[i].px10, y + PX(4));
        svg_text(t->to, "c s", ticks[i].px10, y + PX(18), ticks[i].label);
    }
}

static void draw_abort(struct timeline *t, int32_t top)
{
    if (t->scene->abort_ns == 0)
        return;
    int32_t x = axis_px(&t->x, t->scene->abort_ns);
    svg_line(t->to, "o-bad2", x, top, x, t->bottom);
    svg_use(t->to, "v-abort", "fail", x - PX(8), top - PX(18), PX(16));
    svg_text(t->to, "bad b e halo", x - PX(12), top - PX(5), "aborted");
}

/* The rows of endpoints where nothing happened, by name. Their buckets are wider: no cell is
 * narrower than ten pixels. */
static bool draw_heat(struct timeline *t, const bool *chosen, int32_t y, struct error *err)
{
    struct swimlanes wide;
    const struct scene *s = t->scene;
    uint64_t width = buckets_width_ns(s->end_ns - s->zero_ns, (TIMELINE_RIGHT - TIMELINE_LEFT) / 4,
                                      t->to->coarse);
    if (!swimlanes_read(s, width, &wide, err))
        return false;
    svg_line(t->to, "ax", PX(8), y, TIMELINE_WIDTH - PX(4), y);
    svg_text(t->to, "e b", TIMELINE_GUTTER, y + PX(18), "the others");
    svg_text(t->to, "e s", TIMELINE_GUTTER, y + PX(33), "share answered");
    size_t row = 0;
    for (size_t i = 0; i < wide.count; i++) {
        struct swimlane *lane = &wide.at[i];
        if (chosen[i])
            continue;
        for (size_t k = 1; k < SWIM_KINDS; k++)
            buckets_merge(&lane->failed[0], &lane->failed[k]);
        lane_heat(t->to, &lane->answered, &lane->failed[0], &t->x,
                  y + PX(8) + (int32_t)row++ * HEAT_ROW, HEAT_HEIGHT);
    }
    swimlanes_release(&wide);
    return true;
}

/* "payments/1 to 9, payments/12": the rows from the top, in words. */
static void name_quiet(const struct timeline *t, const bool *chosen, struct text *to)
{
    size_t named = 0;
    struct text list;
    text_init(&list, QUIET_BYTES);
    for (size_t i = 0; i < t->lanes.count; i++) {
        if (chosen[i])
            continue;
        const struct swimlane *from = &t->lanes.at[i];
        size_t last = i;
        while (last + 1 < t->lanes.count && !chosen[last + 1] &&
               strcmp(t->lanes.at[last + 1].service, from->service) == 0 &&
               t->lanes.at[last + 1].endpoint == t->lanes.at[last].endpoint + 1)
            last++;
        text_add(&list, named++ == 0 ? "" : ", ");
        html_name(&list, from->name);
        if (last > i)
            text_add(&list, " to %u", t->lanes.at[last].endpoint);
        i = last;
    }
    if (named > 0)
        text_add(to, "<p class=\"sub\">The rows of the others, from the top: %s%s.</p>\n",
                 text_get(&list), list.full ? ", and more" : "");
    text_release(&list);
}

static const struct outage *finding_of(const struct timeline *t)
{
    char text[64];
    for (size_t i = 0; i < t->outages.count; i++)
        if (outage_print(&t->outages.at[i], text, sizeof(text))[0] != '\0')
            return &t->outages.at[i];
    return NULL;
}

/* What the drawing shows, in one sentence; "" when nothing is to be said. */
static void print_finding(const struct timeline *t, char *to, size_t size)
{
    char what[64], at[24];
    const struct outage *o = finding_of(t);
    to[0] = '\0';
    if (o != NULL)
        snprintf(
            to, size, "%.80s/%u %s, at %s.", o->service, o->endpoint,
            outage_print(o, what, sizeof(what)),
            axis_print_time(scene_time(t->scene, o->is == OUTAGE_MISSING ? o->due_ns : o->to_ns) /
                                NS_PER_MS * NS_PER_MS,
                            at, sizeof(at)));
    else if (t->scene->abort_ns != 0)
        snprintf(to, size, "The run was aborted at %s.",
                 axis_print_time(scene_time(t->scene, t->scene->abort_ns) / NS_PER_MS * NS_PER_MS,
                                 at, sizeof(at)));
}

static bool draw(struct timeline *t, struct error *err)
{
    bool *chosen = check_alloc_zero(t->lanes.count + 1, sizeof(*chosen)), ok = true;
    size_t lanes = choose(t, chosen), quiet = t->lanes.count - lanes;
    char title[160], finding[200], length[32];
    int32_t head = PX(8) + (scenario_count(t->scene) > 1 ? SCENARIO_ROW : 0) + PHASE_ROW,
            panels = head + timeline_found_height(t), y = panels + timeline_panels_height();
    for (size_t i = 0; i < t->lanes.count; i++)
        y += chosen[i] ? timeline_lane_height(t, &t->lanes.at[i]) : 0;
    t->bottom =
        y + timeline_others_height(t) + (quiet > 0 ? (int32_t)quiet * HEAT_ROW + PX(18) : 0);
    t->bottom += quiet > 0 && quiet < 3 ? PX(14) : 0; /* two lines of text stand in the gutter */
    uint64_t span_ns = t->scene->end_ns - t->scene->zero_ns;
    snprintf(title, sizeof(title), "Timeline: tries at %zu endpoint%s over %s", t->lanes.count,
             t->lanes.count == 1 ? "" : "s", axis_print_span(span_ns, length, sizeof(length)));
    print_finding(t, finding, sizeof(finding));
    const struct svg_frame frame = {.title = title,
                                    .desc = finding[0] == '\0' ? NULL : finding,
                                    .wide = "w1180",
                                    .width_px10 = TIMELINE_WIDTH,
                                    .height_px10 = t->bottom + PX(26)};
    svg_open(t->to, &frame);
    draw_head(t, PX(8));
    timeline_found(t, head);
    timeline_panels(t, panels);
    y = panels + timeline_panels_height();
    for (size_t i = 0; i < t->lanes.count; i++) {
        if (!chosen[i])
            continue;
        timeline_lane(t, &t->lanes.at[i], y);
        y += timeline_lane_height(t, &t->lanes.at[i]);
    }
    timeline_others(t, y);
    y += timeline_others_height(t);
    if (quiet > 0)
        ok = draw_heat(t, chosen, y, err);
    draw_abort(t, head);
    /* what the page's script takes its crosshair from */
    svg_rect(t->to, "plot", TIMELINE_LEFT, head, TIMELINE_RIGHT - TIMELINE_LEFT, t->bottom - head);
    draw_axis(t, t->bottom);
    svg_close(t->to, &frame);
    name_quiet(t, chosen, t->to->to);
    free(chosen);
    return ok;
}

static void print_note(const struct timeline *t, struct chart_note *ret)
{
    char number[32], width[32];
    bool may = false, gap = false;
    for (size_t i = 0; i < t->outages.count; i++) {
        may = may || t->outages.at[i].due_ns != 0;
        gap = gap || t->outages.at[i].is == OUTAGE_MAYBE;
    }
    snprintf(
        ret->text, sizeof(ret->text),
        "%s request%s, one bar for each %s. Each endpoint has its own lane: answered above the "
        "line, failed below it.%s",
        text_grouped(t->requests, number, sizeof(number)), t->requests == 1 ? "" : "s",
        axis_print_span(t->bucket_ns, width, sizeof(width)),
        may ? " Hatched: it may return here, at the next sweep." : "");
    size_t len = strlen(ret->text);
    if (gap)
        snprintf(ret->text + len, sizeof(ret->text) - len,
                 " Hatched as seen: too few requests to tell whether it was out.");
    len = strlen(ret->text);
    if (t->faults.left_out > 0)
        snprintf(ret->text + len, sizeof(ret->text) - len, " %zu more faults are not drawn.",
                 t->faults.left_out);
}

/* Draws with buckets so coarse, and coarser, that the whole is within our part of the budget. */
static bool draw_within(struct timeline *t, struct svg *to, struct chart_note *ret,
                        struct error *err)
{
    bool ok = true;
    uint64_t span = t->scene->end_ns - t->scene->zero_ns;
    in_force_read(t->scene, &t->faults);
    outages_read(t->scene, &t->outages);
    for (unsigned more = 0; ok && more <= COARSE_MOST; more++) {
        struct text text;
        struct svg part = {.to = &text, .id = to->id, .coarse = to->coarse + more};
        text_init(&text, to->to->max_bytes);
        t->to = &part;
        t->bucket_ns = buckets_width_ns(span, TIMELINE_RIGHT - TIMELINE_LEFT, part.coarse);
        ok = swimlanes_read(t->scene, t->bucket_ns, &t->lanes, err);
        ok = ok && draw(t, err);
        bool fits = ok && !text.full && (text.len <= BYTES_MOST || more == COARSE_MOST);
        if (fits) {
            print_note(t, ret);
            text_add_bytes(to->to, (struct bytes){(const uint8_t *)text_get(&text), text.len});
        }
        swimlanes_release(&t->lanes);
        text_release(&text);
        if (fits)
            break;
    }
    in_force_release(&t->faults);
    outages_release(&t->outages);
    return ok;
}

bool chart_timeline(const struct report *report, struct svg *to, struct chart_note *ret,
                    struct error *err)
{
    struct scene *own;
    const struct scene *s = scene_get(report, &own);
    struct timeline t = {.scene = s};
    bool ok = true;
    if (s->end_ns <= s->zero_ns ||
        report->journal->attempt_count + report->journal->request_count == 0) {
        ret->left_out = true;
        ret->asked_for = true;
        snprintf(ret->text, sizeof(ret->text), "no timeline: the run holds no request");
    } else {
        axis_init(&t.x, AXIS_TIME, s->zero_ns, s->end_ns, TIMELINE_LEFT, TIMELINE_RIGHT);
        ok = draw_within(&t, to, ret, err);
    }
    scene_free(own);
    return ok;
}
