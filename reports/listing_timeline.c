/* show --timeline: the run on one axis of time, in plain characters, and then what happened in
 * order. The shapes are those of ui.md 4. */
#include "base/clock.h"
#include "journal/arm.h"
#include "base/units.h"
#include "reports/in_force.h"
#include "reports/listing.h"
#include "reports/listing_events.h"
#include "reports/outage.h"
#include "reports/swimlane.h"

#define COLUMNS 72
#define GUTTER 24
#define TICK_EVERY 12
#define LANES_MOST 50
/* buckets_width_ns counts in tenths of a pixel, and a bucket of 2.5 px is a column. */
#define AXIS_PX10 (COLUMNS * 25)

struct picture {
    const struct scene *scene;
    uint64_t width_ns;
    struct swimlanes lanes;
    struct in_force_list faults;
    struct outages outages;
    struct text *to;
};
struct row {
    char at[COLUMNS + 1];
};

/* COLUMNS: past the end; a moment before the start is the first. */
static size_t column_of(const struct picture *p, uint64_t t_ns)
{
    uint64_t since = scene_time(p->scene, t_ns);
    uint64_t column = since / p->width_ns;
    return column < COLUMNS ? (size_t)column : COLUMNS;
}

static size_t columns(const struct picture *p)
{
    size_t end = column_of(p, p->scene->end_ns);
    return end < COLUMNS ? end + 1 : COLUMNS;
}

static void row_clear(struct row *r)
{
    memset(r->at, ' ', COLUMNS);
    r->at[COLUMNS] = '\0';
}

static void row_put(struct row *r, size_t column, const char *text, size_t most)
{
    for (size_t i = 0; text[i] != '\0' && i < most && column + i < COLUMNS; i++)
        r->at[column + i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
}

static void row_print(const struct picture *p, const char *name, const char *what,
                      const struct row *r, const char *after)
{
    size_t line = p->to->len, len = COLUMNS;
    while (len > 0 && r->at[len - 1] == ' ')
        len--;
    report_add_clean(p->to, name);
    text_pad(p->to, line, GUTTER - 9, 1);
    text_add(p->to, "%s", what);
    text_pad(p->to, line, GUTTER, 1);
    text_add(p->to, "%.*s%s%s\n", (int)len, r->at, after[0] == '\0' ? "" : "  ", after);
}

/* ".:-=+*#" as of a terminal without UTF-8; what is not nothing shows. */
static char level_of(uint32_t count, uint32_t most)
{
    static const char levels[] = ".:-=+*#";
    size_t last = sizeof(levels) - 2;
    if (count == 0)
        return ' ';
    return levels[most < 2 ? last : ((uint64_t)count * last + most - 1) / most];
}

static void add_axis(const struct picture *p)
{
    struct row r;
    char at[40];
    row_clear(&r);
    for (size_t i = 0; i < columns(p); i += TICK_EVERY) {
        units_print_time(i * p->width_ns, at, sizeof(at));
        row_put(&r, i, at, TICK_EVERY - 1);
    }
    row_print(p, "", "", &r, "");
}

static void add_phases(const struct picture *p)
{
    const struct scene *s = p->scene;
    struct row r;
    row_clear(&r);
    for (size_t i = 0; i < s->phase_count; i++) {
        size_t from = column_of(p, s->phases[i]->t0_ns);
        size_t to = i + 1 < s->phase_count ? column_of(p, s->phases[i + 1]->t0_ns) : COLUMNS;
        if (from >= COLUMNS)
            continue;
        r.at[from] = '|';
        row_put(&r, from + 1, s->phases[i]->name, to > from + 1 ? to - from - 1 : 0);
    }
    row_print(p, "phases", "", &r, "");
}

static void add_found(const struct picture *p)
{
    const struct judgement *g = p->scene->report->judgement;
    struct row r;
    size_t marks = 0;
    row_clear(&r);
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (d->verdict.kind != VERDICT_FAIL || d->verdict.witness_ns == 0 ||
            !arm_is_subject(d->arm))
            continue;
        size_t at = column_of(p, d->verdict.witness_ns);
        if (at < COLUMNS) {
            r.at[at] = 'F';
            marks++;
        }
    }
    if (marks > 0)
        row_print(p, "found", "", &r, "");
}

/* As much of ${text} as has room, without a part of a value: "latency +400m" is another one. */
static size_t whole_words(const char *text, size_t room)
{
    if (strlen(text) <= room)
        return room;
    for (size_t i = room; i > 0; i--)
        if (text[i] == ' ')
            return i;
    return room;
}

/* "[abort 503====]" from its first column to its last. */
static void put_bar(const struct picture *p, struct row *r, const struct in_force *f)
{
    char text[64];
    size_t from = column_of(p, f->from_ns), to = column_of(p, f->to_ns);
    if (from >= COLUMNS)
        return;
    to = to >= COLUMNS ? COLUMNS - 1 : to;
    memset(r->at + from, '=', to - from + 1);
    r->at[from] = '[';
    snprintf(text, sizeof(text), "%.50s%s", f->text, f->idle == f->faults ? ", fired 0" : "");
    if (to > from + 1)
        row_put(r, from + 1, text, whole_words(text, to - from - 1));
    if (to > from)
        r->at[to] = ']';
}

static void add_faults(const struct picture *p, const struct swimlane *lane)
{
    unsigned most = 0;
    for (size_t i = 0; i < p->faults.count; i++)
        if (in_force_is_on(&p->faults.at[i], lane->service, lane->endpoint) &&
            p->faults.at[i].row + 1u > most)
            most = p->faults.at[i].row + 1u;
    for (unsigned row = 0; row < most; row++) {
        struct row r;
        row_clear(&r);
        for (size_t i = 0; i < p->faults.count; i++)
            if (p->faults.at[i].row == row &&
                in_force_is_on(&p->faults.at[i], lane->service, lane->endpoint))
                put_bar(p, &r, &p->faults.at[i]);
        row_print(p, "", row == 0 ? "faults" : "", &r, "");
    }
}

/* The kind that was most in that column. */
static char failed_at(const struct swimlane *lane, size_t column)
{
    static const char marks[SWIM_KINDS] = {'5', 't', 'r', 'x'};
    uint32_t most = 0;
    char mark = '.';
    for (size_t k = 0; k < SWIM_KINDS; k++) {
        uint32_t count = column < lane->failed[k].count ? lane->failed[k].at[column] : 0;
        if (count > most) {
            most = count;
            mark = marks[k];
        }
    }
    return mark;
}

static void put_out(const struct picture *p, const struct swimlane *lane, struct row *r)
{
    for (size_t i = 0; i < p->outages.count; i++) {
        const struct outage *o = &p->outages.at[i];
        if (o->endpoint != lane->endpoint || strcmp(o->service, lane->service) != 0 ||
            o->is == OUTAGE_MAYBE || o->to_ns <= o->from_ns)
            continue;
        for (size_t c = column_of(p, o->from_ns);
             c < COLUMNS && c <= column_of(p, o->to_ns) && c < columns(p); c++)
            if (r->at[c] == '.')
                r->at[c] = '#';
    }
}

static void add_lane(const struct picture *p, const struct swimlane *lane)
{
    struct row answered, failed;
    char number[32], after[48];
    uint64_t bad = 0;
    row_clear(&answered);
    row_clear(&failed);
    for (size_t c = 0; c < columns(p); c++) {
        answered.at[c] =
            level_of(c < lane->answered.count ? lane->answered.at[c] : 0, p->lanes.most_answered);
        failed.at[c] = failed_at(lane, c);
    }
    put_out(p, lane, &failed);
    for (size_t k = 0; k < SWIM_KINDS; k++)
        bad += buckets_sum(&lane->failed[k]);
    snprintf(after, sizeof(after), "%s",
             text_grouped(buckets_sum(&lane->answered), number, sizeof(number)));
    row_print(p, lane->name, "answered", &answered, after);
    snprintf(after, sizeof(after), "%s", text_grouped(bad, number, sizeof(number)));
    row_print(p, "", "failed", &failed, after);
    add_faults(p, lane);
}

static void add_picture(const struct picture *p)
{
    char span[40];
    text_add(p->to,
             "one column is %s; # of a failed row: out, no tries; 5: 5xx, t: timed out, "
             "r: reset, x: handshake refused\n",
             units_print_duration(p->width_ns, span, sizeof(span)));
    add_axis(p);
    add_phases(p);
    add_found(p);
    for (size_t i = 0; i < p->lanes.count && i < LANES_MOST; i++)
        add_lane(p, &p->lanes.at[i]);
    if (p->lanes.count > LANES_MOST)
        text_add(p->to, "and %zu endpoints more\n", p->lanes.count - LANES_MOST);
}

static void write(const struct scene *s, const char *of, struct text *to)
{
    struct picture p = {.scene = s, .to = to};
    struct error err = {0};
    (void)of;
    if (s->end_ns <= s->zero_ns) {
        text_add(to, "no phase began\n");
        return;
    }
    p.width_ns = buckets_width_ns(s->end_ns - s->zero_ns, AXIS_PX10, 0);
    in_force_read(s, &p.faults);
    outages_read(s, &p.outages);
    if (swimlanes_read(s, p.width_ns, &p.lanes, &err))
        add_picture(&p);
    else
        text_add(to, "%s\n", err.text);
    listing_events(s, &p.faults, &p.outages, to);
    swimlanes_release(&p.lanes);
    outages_release(&p.outages);
    in_force_release(&p.faults);
}

const struct listing listing_timeline = {
    .name = "timeline",
    .write = write,
    .kinds = NDJSON_KIND(RECORD_FAULT) | NDJSON_KIND(RECORD_WORLD) | NDJSON_KIND(RECORD_HOOK) |
             NDJSON_KIND(RECORD_STALL) | NDJSON_KIND(RECORD_LOST),
    .phases = true,
    .events = true,
};
