/* One lane of the timeline: faults in force, answered above the line and failed below it, and
 * below them when it should have been out and when it was. */
#include "reports/timeline.h"

#include "base/clock.h"

#define NAME_ROW PX(24)
#define FAULT_ROW PX(20)
#define FAULT_BAR PX(16)
#define ANSWERED PX(38)
#define FAILED PX(22)
#define LABEL_ROW PX(17)
#define OUT_BAR PX(9)
#define OUT_GAP PX(4)
#define TEXT_ROW PX(17)
#define FOOT PX(10)
#define TEXT_BYTES 160

static unsigned fault_rows(const struct timeline *t, const struct swimlane *lane, size_t *ret_more)
{
    unsigned rows = 0;
    *ret_more = 0;
    for (size_t i = 0; i < t->faults.count; i++) {
        const struct in_force *f = &t->faults.at[i];
        if (!in_force_is_on(f, lane->service, lane->endpoint))
            continue;
        if (f->row >= TIMELINE_FAULT_ROWS)
            (*ret_more)++;
        else
            rows = f->row + 1u > rows ? f->row + 1u : rows;
    }
    return rows;
}

static bool has_failed(const struct swimlane *lane)
{
    for (size_t k = 0; k < SWIM_KINDS; k++)
        if (lane->first_ns[k] != 0)
            return true;
    return false;
}

static bool is_of(const struct outage *o, const struct swimlane *lane)
{
    return o->endpoint == lane->endpoint && strcmp(o->service, lane->service) == 0;
}

static size_t outages_of(const struct timeline *t, const struct swimlane *lane, bool *ret_text)
{
    char text[64];
    size_t count = 0;
    *ret_text = false;
    for (size_t i = 0; i < t->outages.count; i++) {
        if (!is_of(&t->outages.at[i], lane))
            continue;
        count++;
        if (outage_print(&t->outages.at[i], text, sizeof(text))[0] != '\0')
            *ret_text = true;
    }
    return count;
}

static int32_t head_height(const struct timeline *t, const struct swimlane *lane)
{
    size_t more;
    int32_t rows = (int32_t)fault_rows(t, lane, &more) * FAULT_ROW;
    return PX(8) + (rows > NAME_ROW - PX(8) ? rows : NAME_ROW - PX(8));
}

int32_t timeline_lane_height(const struct timeline *t, const struct swimlane *lane)
{
    bool text;
    size_t outages = outages_of(t, lane, &text);
    int32_t out = 0;
    if (outages > 0)
        out = 2 * OUT_BAR + OUT_GAP + PX(6) + (text ? TEXT_ROW : 0);
    else if (outages_are_declared(t->scene, lane->service))
        out = TEXT_ROW;
    return head_height(t, lane) + ANSWERED + FAILED + (has_failed(lane) ? LABEL_ROW : 0) + out +
           FOOT;
}

unsigned timeline_lane_weight(const struct timeline *t, const struct swimlane *lane)
{
    bool text;
    unsigned weight = has_failed(lane) ? 1 : 0;
    size_t more, outages = outages_of(t, lane, &text);
    if (fault_rows(t, lane, &more) > 0)
        weight += 2;
    if (outages > 0)
        weight += 4;
    if (text)
        weight += 8;
    return weight;
}

/* Cuts ${text} so that it fits into ${width}; false: not even a part of it does. */
static bool fit(char *text, int32_t width)
{
    size_t len = strlen(text);
    if (svg_text_width(text, false) <= width)
        return true;
    while (len > 3) {
        /* never within a character of several bytes */
        do
            len--;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80);
        memcpy(text + len, "\xE2\x80\xA6", 4);
        if (svg_text_width(text, false) <= width)
            return len > 2;
        text[len] = '\0';
    }
    return false;
}

static const char *fault_print(const struct in_force *f, char *to, size_t size)
{
    char more[48] = "", idle[48] = "";
    if (f->faults > 1)
        snprintf(more, sizeof(more), " and %u more", f->faults - 1);
    if (f->idle > 0 && f->idle < f->faults)
        snprintf(idle, sizeof(idle), ", %u of them fired 0 times", f->idle);
    snprintf(to, size, "%s%.80s%s%s", f->idle == f->faults ? "fired 0 times: " : "", f->text, more,
             idle);
    return to;
}

/* Where the next bar of that row begins. */
static int32_t free_until(const struct timeline *t, size_t index)
{
    const struct in_force *f = &t->faults.at[index];
    int32_t until = TIMELINE_WIDTH - PX(4);
    for (size_t i = 0; i < t->faults.count; i++) {
        const struct in_force *other = &t->faults.at[i];
        if (i == index || other->row != f->row || strcmp(other->service, f->service) != 0 ||
            (other->endpoint != f->endpoint && other->endpoint != 0 && f->endpoint != 0))
            continue;
        int32_t from = axis_px(&t->x, other->from_ns);
        if (other->from_ns >= f->to_ns && from < until)
            until = from;
    }
    return until;
}

static void draw_fault(struct timeline *t, size_t index, int32_t y)
{
    const struct in_force *f = &t->faults.at[index];
    char text[TEXT_BYTES];
    int32_t from = axis_px(&t->x, f->from_ns), to = axis_px(&t->x, f->to_ns);
    int32_t width = to - from < PX(3) ? PX(3) : to - from, free = free_until(t, index);
    fault_print(f, text, sizeof(text));
    text_add(t->to->to, "<g><title>");
    html_text(t->to->to, text);
    text_add(t->to->to, "</title>");
    /* one that never fired is an empty outline: nothing was tested by it */
    svg_rect(t->to, f->idle == f->faults ? "o-idle" : "o-e5", from, y, width, FAULT_BAR);
    text_add(t->to->to, "</g>");
    int32_t after = free - from - width - PX(12);
    if (svg_text_width(text, false) <= width - PX(8))
        svg_text(t->to, "te5 c", from + width / 2, y + PX(12), text);
    else if (svg_text_width(text, false) <= after)
        svg_text(t->to, "te5 halo", from + width + PX(6), y + PX(12), text);
    else if (fit(text, width - PX(6)))
        svg_text(t->to, "te5 c", from + width / 2, y + PX(12), text);
}

static void draw_faults(struct timeline *t, const struct swimlane *lane, int32_t y)
{
    for (size_t i = 0; i < t->faults.count; i++) {
        const struct in_force *f = &t->faults.at[i];
        if (in_force_is_on(f, lane->service, lane->endpoint) && f->row < TIMELINE_FAULT_ROWS)
            draw_fault(t, i, y + PX(8) + f->row * FAULT_ROW);
    }
    size_t more;
    char text[64];
    fault_rows(t, lane, &more);
    if (more == 0)
        return;
    snprintf(text, sizeof(text), "and %zu more", more);
    svg_text(t->to, "s", TIMELINE_EDGE, y + PX(8) + (TIMELINE_FAULT_ROWS - 1) * FAULT_ROW + PX(12),
             text);
}

/* The shape of a kind, 10 px wide, its middle at ${x}, ${y}. */
static void draw_shape(struct svg *to, enum swim_kind kind, int32_t x, int32_t y)
{
    static const char *const classes[SWIM_KINDS] = {"f-e5", "f-to", "l-rs", "f-tls"};
    struct svg_path p;
    int32_t r = PX(5);
    svg_path_begin(to, &p, classes[kind]);
    switch (kind) {
    case SWIM_5XX:
        svg_path_move(&p, x - r, y - PX(4));
        svg_path_line(&p, x + r, y - PX(4));
        svg_path_line(&p, x, y + PX(5));
        svg_path_close(&p);
        break;
    case SWIM_TIMEOUT:
        svg_path_move(&p, x - r, y - r);
        svg_path_line(&p, x + r, y - r);
        svg_path_line(&p, x - r, y + r);
        svg_path_line(&p, x + r, y + r);
        svg_path_close(&p);
        break;
    case SWIM_RESET:
        svg_path_move(&p, x - PX(4), y - PX(4));
        svg_path_line(&p, x + PX(4), y + PX(4));
        svg_path_move(&p, x - PX(4), y + PX(4));
        svg_path_line(&p, x + PX(4), y - PX(4));
        break;
    case SWIM_TLS:
        svg_path_move(&p, x, y - r);
        svg_path_line(&p, x + r, y);
        svg_path_line(&p, x, y + r);
        svg_path_line(&p, x - r, y);
        svg_path_close(&p);
        break;
    case SWIM_KINDS:
        break;
    }
    svg_path_end(&p);
}

static uint64_t count_of(const struct swimlane *lane, enum swim_kind kind)
{
    return kind == SWIM_TLS ? lane->refused_count : buckets_sum(&lane->failed[kind]);
}

/* Each kind once, where it is first seen; where two would meet, the later one moves to the right.
 */
static void draw_labels(struct timeline *t, const struct swimlane *lane, int32_t y)
{
    static const char *const classes[SWIM_KINDS] = {"te5", "tto", "mute", "ttls"};
    int32_t next = TIMELINE_LEFT;
    bool done[SWIM_KINDS] = {false};
    for (size_t n = 0; n < SWIM_KINDS; n++) {
        size_t best = SWIM_KINDS;
        for (size_t k = 0; k < SWIM_KINDS; k++)
            if (!done[k] && lane->first_ns[k] != 0 &&
                (best == SWIM_KINDS || lane->first_ns[k] < lane->first_ns[best]))
                best = k;
        if (best == SWIM_KINDS)
            return;
        done[best] = true;
        char number[32], status[24], text[TEXT_BYTES];
        snprintf(status, sizeof(status), "%u", lane->status);
        bool one = best == SWIM_5XX && lane->status != 0;
        snprintf(text, sizeof(text), "%s \xC3\x97 %s",
                 one ? status : swim_kind_text((enum swim_kind)best),
                 text_grouped(count_of(lane, (enum swim_kind)best), number, sizeof(number)));
        int32_t x = axis_px(&t->x, lane->first_ns[best]),
                width = PX(14) + svg_text_width(text, false);
        x = x + width > TIMELINE_RIGHT ? TIMELINE_RIGHT - width : x;
        x = x < next ? next : x;
        draw_shape(t->to, (enum swim_kind)best, x + PX(5), y + PX(8));
        svg_text(t->to, classes[best], x + PX(13), y + PX(12), text);
        next = x + width + PX(12);
    }
}

/* Handshakes one by one; where there are many, one for each bucket. */
static void draw_refused(struct timeline *t, const struct swimlane *lane, int32_t y)
{
    if (lane->refused_count == 0)
        return;
    size_t room = LANE_MARKS_MOST > lane->answered.count ? LANE_MARKS_MOST : lane->answered.count;
    struct lane_mark *marks = check_alloc_zero(room, sizeof(*marks));
    size_t count = lane_marks(lane->refused_ns, lane->refused_count, &lane->answered, marks);
    int32_t last = INT32_MIN;
    struct svg_path p;
    svg_path_begin(t->to, &p, "f-tls");
    for (size_t i = 0; i < count; i++) {
        int32_t x = axis_px(&t->x, marks[i].t_ns), r = PX(4);
        if (last != INT32_MIN && x - last < PX(1))
            continue;
        last = x;
        svg_path_move(&p, x, y - r);
        svg_path_line(&p, x + r, y);
        svg_path_line(&p, x, y + r);
        svg_path_line(&p, x - r, y);
        svg_path_close(&p);
    }
    svg_path_end(&p);
    free(marks);
}

static void draw_tries(struct timeline *t, const struct swimlane *lane, int32_t base)
{
    const struct lane_part answered = {"f-ok", &lane->answered};
    const struct lane_part failed[] = {{"f-e5", &lane->failed[SWIM_5XX]},
                                       {"f-to", &lane->failed[SWIM_TIMEOUT]},
                                       {"f-rs", &lane->failed[SWIM_RESET]}};
    char rate[32];
    lane_side(t->to, &answered, 1, &t->x, base, -ANSWERED, t->lanes.most_answered);
    lane_side(t->to, failed, COUNT_OF(failed), &t->x, base, FAILED, t->lanes.most_failed);
    svg_line(t->to, "l-ink", TIMELINE_LEFT, base, TIMELINE_RIGHT, base);
    svg_text(t->to, "e s", TIMELINE_GUTTER, base - PX(18), "answered");
    svg_text(t->to, "e s", TIMELINE_GUTTER, base + PX(16), "failed");
    svg_text(t->to, "s", TIMELINE_EDGE, base - ANSWERED + PX(10),
             timeline_rate(t, t->lanes.most_answered, rate, sizeof(rate)));
    if (t->lanes.most_failed > 0)
        svg_text(t->to, "s", TIMELINE_EDGE, base + FAILED + PX(2),
                 timeline_rate(t, t->lanes.most_failed, rate, sizeof(rate)));
    draw_refused(t, lane, base + PX(8));
}

static void draw_bar(struct timeline *t, const char *class, uint64_t from_ns, uint64_t to_ns,
                     int32_t y)
{
    int32_t from = axis_px(&t->x, from_ns), to = axis_px(&t->x, to_ns);
    if (to_ns > from_ns)
        svg_rect(t->to, class, from, y, to - from < PX(2) ? PX(2) : to - from, OUT_BAR);
}

/* ${next_ns}: when it should be out again. */
static void draw_outage(struct timeline *t, const struct outage *o, uint64_t next_ns, int32_t y)
{
    int32_t seen = y + OUT_BAR + OUT_GAP;
    if (o->due_ns != 0) {
        draw_bar(t, "o-ej", o->due_ns, o->due_short_ns, y);
        draw_bar(t, "f-hatch o-ej2", o->due_short_ns,
                 o->due_long_ns < next_ns ? o->due_long_ns : next_ns, y);
    }
    draw_bar(t, o->is == OUTAGE_MAYBE ? "f-hatch o-ej2" : "f-ej", o->from_ns, o->to_ns, seen);
    if (o->is == OUTAGE_TOO_EARLY)
        draw_bar(t, "f-hatchbad o-badr", o->to_ns, o->due_short_ns, seen);
    else if (o->is == OUTAGE_MISSING)
        draw_bar(t, "f-hatchbad o-badr", o->due_ns, o->due_short_ns, seen);
}

/* The judge knows when it should have been out: not where the policy is of another kind. */
static bool any_due(const struct timeline *t, const struct swimlane *lane)
{
    for (size_t i = 0; i < t->outages.count; i++)
        if (is_of(&t->outages.at[i], lane) && t->outages.at[i].due_ns != 0)
            return true;
    return false;
}

static void draw_outages(struct timeline *t, const struct swimlane *lane, int32_t y)
{
    bool any_text;
    int32_t next = TIMELINE_LEFT;
    if (outages_of(t, lane, &any_text) == 0) {
        if (outages_are_declared(t->scene, lane->service))
            svg_text(t->to, "s", TIMELINE_LEFT, y + PX(12), "never out");
        return;
    }
    y += PX(6);
    if (any_due(t, lane))
        svg_text(t->to, "e s", TIMELINE_GUTTER, y + PX(8), "should be out");
    svg_text(t->to, "e s", TIMELINE_GUTTER, y + OUT_BAR + OUT_GAP + PX(9), "was out");
    for (size_t i = 0; i < t->outages.count; i++) {
        const struct outage *o = &t->outages.at[i];
        char text[64];
        if (!is_of(o, lane))
            continue;
        uint64_t next_ns = UINT64_MAX;
        for (size_t k = i + 1; k < t->outages.count && is_of(&t->outages.at[k], lane); k++)
            if (t->outages.at[k].due_ns != 0 && t->outages.at[k].due_ns < next_ns)
                next_ns = t->outages.at[k].due_ns;
        draw_outage(t, o, next_ns, y);
        if (outage_print(o, text, sizeof(text))[0] == '\0')
            continue;
        uint64_t at_ns = o->is == OUTAGE_TOO_EARLY ? o->to_ns
                         : o->is == OUTAGE_MISSING ? o->due_ns
                                                   : o->due_long_ns;
        int32_t x = axis_px(&t->x, at_ns), width = PX(14) + svg_text_width(text, true);
        int32_t row = y + 2 * OUT_BAR + OUT_GAP;
        x = x + width > TIMELINE_WIDTH ? TIMELINE_WIDTH - width : x;
        if (x < next)
            continue; /* the bar shows it; the first of them is told */
        struct svg_path p;
        svg_path_begin(t->to, &p, "f-bad");
        svg_path_move(&p, x, row + PX(13));
        svg_path_line(&p, x + PX(9), row + PX(13));
        svg_path_line(&p, x + PX(9) / 2, row + PX(5));
        svg_path_close(&p);
        svg_path_end(&p);
        svg_text(t->to, "bad b", x + PX(13), row + PX(13), text);
        next = x + width + PX(10);
    }
}

void timeline_lane(struct timeline *t, const struct swimlane *lane, int32_t y)
{
    int32_t base = y + head_height(t, lane) + ANSWERED, below = base + FAILED;
    svg_line(t->to, "ax", PX(8), y, TIMELINE_WIDTH - PX(4), y);
    svg_name(t->to, "b", PX(8), y + PX(20), lane->name);
    if (lane->other_clock) {
        char text[64];
        uint64_t tenths = (lane->skew_ns + 99999) / 100000;
        snprintf(text, sizeof(text), "\xC2\xB1 %llu.%llu ms", (unsigned long long)tenths / 10,
                 (unsigned long long)tenths % 10);
        svg_text(t->to, "s", PX(8), base - PX(18), text);
    }
    draw_faults(t, lane, y);
    draw_tries(t, lane, base);
    if (has_failed(lane)) {
        draw_labels(t, lane, below);
        below += LABEL_ROW;
    }
    draw_outages(t, lane, below);
}

static bool has_lane(const struct timeline *t, const struct in_force *f)
{
    for (size_t i = 0; i < t->lanes.count; i++)
        if (in_force_is_on(f, t->lanes.at[i].service, t->lanes.at[i].endpoint))
            return true;
    return false;
}

/* A fault whose place has no tries (it was down all the time, or it is a caller) has a row. */
int32_t timeline_others_height(const struct timeline *t)
{
    int32_t rows = 0;
    for (size_t i = 0; i < t->faults.count; i++)
        rows += has_lane(t, &t->faults.at[i]) ? 0 : 1;
    rows = rows < TIMELINE_LANES_MOST ? rows : TIMELINE_LANES_MOST;
    return rows == 0 ? 0 : rows * FAULT_ROW + PX(14);
}

void timeline_others(struct timeline *t, int32_t y)
{
    int32_t rows = 0;
    for (size_t i = 0; i < t->faults.count && rows < TIMELINE_LANES_MOST; i++) {
        const struct in_force *f = &t->faults.at[i];
        char name[96];
        if (has_lane(t, f))
            continue;
        if (rows == 0)
            svg_line(t->to, "ax", PX(8), y, TIMELINE_WIDTH - PX(4), y);
        snprintf(name, sizeof(name), f->endpoint == 0 ? "%.80s" : "%.80s/%u", f->service,
                 f->endpoint);
        int32_t row = y + PX(8) + rows++ * FAULT_ROW;
        svg_name(t->to, "b", PX(8), row + PX(12), name);
        draw_fault(t, i, row);
    }
}
