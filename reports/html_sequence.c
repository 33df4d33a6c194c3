#include "base/clock.h"
#include "reports/html.h"
#include "reports/tries.h"

/* The offending request as a drawing: rows in order, not to scale, times in the gutter; below it
 * the same tries to scale (ui.md 6). */

#define ROWS_MOST 24 /* tries that are drawn; the rest is told */
#define LEFT PX(20)
#define CLIENT PX(150)
#define MESH PX(380)
#define RIGHT PX(980)
#define TOP PX(46)
#define ROW PX(72)
#define SCALE_LEFT CLIENT
#define SCALE_RIGHT PX(960)

struct drawing {
    struct html *h;
    struct svg *svg;
    const struct tries *tries;
    size_t shown; /* tries that are drawn */
    bool breach;  /* the last try is the one that is not allowed */
    int32_t lane[TRIES_LANES];
};

static void add_ms(struct text *to, uint64_t from_ns, uint64_t at_ns)
{
    uint64_t tenths = at_ns > from_ns ? (at_ns - from_ns + 50000) / 100000 : 0;
    text_add(to, "%llu.%llu ms", (unsigned long long)(tenths / 10),
             (unsigned long long)(tenths % 10));
}

static void put(struct drawing *d, const char *class, int32_t x, int32_t y, struct text *t)
{
    svg_text(d->svg, class, x, y, text_get(t));
    text_clear(t);
}

static void gutter(struct drawing *d, int32_t y, uint64_t at_ns, struct text *t)
{
    add_ms(t, d->tries->zero_ns, at_ns);
    put(d, "s mm", LEFT, y + PX(4), t);
}

/* A line from ${x1} to ${x2} with its head at ${x2}. */
static void arrow(struct drawing *d, const char *line, const char *head, int32_t x1, int32_t x2,
                  int32_t y)
{
    struct svg_path p;
    int32_t way = x2 > x1 ? 1 : -1;
    svg_line(d->svg, line, x1, y, x2 - way * PX(7), y);
    svg_path_begin(d->svg, &p, head);
    svg_path_move(&p, x2, y);
    svg_path_line(&p, x2 - way * PX(8), y - PX(4.5));
    svg_path_line(&p, x2 - way * PX(8), y + PX(4.5));
    svg_path_close(&p);
    svg_path_end(&p);
}

static void cross(struct drawing *d, const char *class, int32_t x, int32_t y)
{
    struct svg_path p;
    svg_path_begin(d->svg, &p, class);
    svg_path_move(&p, x - PX(5), y - PX(5));
    svg_path_line(&p, x + PX(5), y + PX(5));
    svg_path_move(&p, x + PX(5), y - PX(5));
    svg_path_line(&p, x - PX(5), y + PX(5));
    svg_path_end(&p);
}

static void triangle(struct drawing *d, int32_t x, int32_t y)
{
    struct svg_path p;
    svg_path_begin(d->svg, &p, "f-e5");
    svg_path_move(&p, x - PX(5), y - PX(8));
    svg_path_line(&p, x + PX(5), y - PX(8));
    svg_path_line(&p, x, y);
    svg_path_close(&p);
    svg_path_end(&p);
}

static void hourglass(struct drawing *d, int32_t x, int32_t y)
{
    struct svg_path p;
    svg_path_begin(d->svg, &p, "f-to");
    svg_path_move(&p, x - PX(6), y - PX(12));
    svg_path_line(&p, x + PX(6), y - PX(12));
    svg_path_line(&p, x - PX(6), y);
    svg_path_line(&p, x + PX(6), y);
    svg_path_close(&p);
    svg_path_end(&p);
}

static void head_box(struct drawing *d, int32_t x, const char *name)
{
    svg_box(d->svg, "f-panel boxl", x - PX(54), PX(18), PX(108), PX(28));
    svg_name(d->svg, "c b", x, PX(36.5), name);
}

static void heads(struct drawing *d, int32_t bottom)
{
    char name[128];
    head_box(d, CLIENT, "client");
    head_box(d, MESH, "mesh");
    svg_line(d->svg, "l-mute", CLIENT, TOP, CLIENT, bottom);
    svg_line(d->svg, "l-mute", MESH, TOP, MESH, bottom);
    for (size_t i = 0; i < d->tries->lane_count; i++) {
        const struct tries_lane *l = &d->tries->lanes[i];
        bool others = i == TRIES_LANES - 1 && d->tries->more_lanes;
        snprintf(name, sizeof(name), "%.100s/%u%s", l->service, l->endpoint, others ? " ..." : "");
        svg_line(d->svg, "l-mute", d->lane[i], TOP, d->lane[i], bottom);
        head_box(d, d->lane[i], name);
    }
}

/* What came back of a try, at ${y}. */
static void answer(struct drawing *d, const struct attempt_row *row, int32_t x, int32_t y,
                   struct text *t)
{
    const struct attempt_record *r = &row->r;
    uint64_t end_ns = tries_end_ns(r);
    if (end_ns == 0)
        return;
    gutter(d, y, end_ns, t);
    if (tries_left(r)) {
        hourglass(d, MESH, y + PX(6));
        svg_line(d->svg, "l-to l-dash", MESH + PX(10), y, x - PX(10), y);
        cross(d, "l-to", x, y);
        text_add(t, "no answer in ");
        add_ms(t, 0, r->left);
        put(d, "b tto halo", MESH + PX(16), y - PX(6), t);
        return;
    }
    bool reset = r->outcome == OUTCOME_RESET_BY_FAULT || r->outcome == OUTCOME_UPSTREAM_RESET;
    bool good = !reset && r->status >= 200 && r->status < 400;
    arrow(d, good ? "l-ok" : "l-e5", good ? "f-okd" : "f-e5", x, MESH, y);
    if (reset)
        cross(d, "l-e5", MESH + PX(16), y - PX(9));
    else if (good)
        svg_circle(d->svg, "f-okd", MESH + PX(16), y - PX(10), PX(4.5));
    else
        triangle(d, MESH + PX(16), y - PX(5));
    if (reset)
        text_add(t, "reset");
    else if (r->status != 0)
        text_add(t, "%u", r->status);
    else
        text_add(t, "closed");
    put(d, good ? "b tok halo" : "b te5 halo", MESH + PX(28), y - PX(6), t);
}

static bool is_breach(const struct drawing *d, size_t i)
{
    return d->breach && i + 1 == d->tries->count;
}

/* The gap before try ${i}, in the gutter beside the mesh. */
static void gap(struct drawing *d, size_t i, int32_t y, struct text *t)
{
    struct svg_path p;
    const struct attempt_record *r = &d->tries->rows[i]->r;
    uint64_t ended = tries_end_ns(&d->tries->rows[i - 1]->r);
    if (ended == 0 || r->at <= ended)
        return;
    svg_path_begin(d->svg, &p, "l-mute2");
    svg_path_move(&p, MESH - PX(14), y - PX(34));
    svg_path_line(&p, MESH - PX(22), y - PX(34));
    svg_path_line(&p, MESH - PX(22), y - PX(4));
    svg_path_line(&p, MESH - PX(14), y - PX(4));
    svg_path_end(&p);
    text_add(t, "back-off ");
    add_ms(t, ended, r->at);
    put(d, "e", MESH - PX(30), y - PX(20), t);
    if (is_breach(d, i))
        svg_text(d->svg, "e s bad", MESH - PX(30), y - PX(6), "no such retry is declared");
    else if (html_band(d->h, d->tries, i, t))
        put(d, "e s", MESH - PX(30), y - PX(6), t);
}

static void one_try(struct drawing *d, size_t i, int32_t y, struct text *t)
{
    const struct attempt_row *row = d->tries->rows[i];
    int32_t x = d->lane[tries_lane(d->tries, row)];
    bool bad = is_breach(d, i), left = tries_left(&row->r);
    if (bad)
        svg_rect(d->svg, "f-failbg", MESH, y - PX(20), RIGHT - MESH, PX(58));
    if (i > 0)
        gap(d, i, y, t);
    gutter(d, y, row->r.at, t);
    svg_rect(d->svg,
             left                                         ? "f-to"
             : row->r.status >= 500 || row->r.status == 0 ? "f-e5"
                                                          : "f-okd",
             x - PX(4), y, PX(8), PX(30));
    arrow(d, "l-ink", "f-ink", MESH, x, y);
    if (i == 0)
        text_add(t, "first try");
    else
        text_add(t, "retry %zu%s", i, bad ? ", not allowed" : "");
    put(d, bad ? "b bad" : "b halo", MESH + PX(10), y - PX(6), t);
    if (row->r.fault != 0) {
        text_add(t, "%s", tries_fault(d->tries, row->r.fault));
        svg_text(d->svg, x > PX(800) ? "s te5 halo e" : "s te5 halo",
                 x > PX(800) ? x - PX(12) : x + PX(12), y + PX(15), text_get(t));
        text_clear(t);
    }
    answer(d, row, x, y + PX(30), t);
}

static const char *end_word(const struct request_record *q)
{
    static const char *const ends[] = {"",        ", truncated",
                                       "reset",   "closed without an answer",
                                       "refused", "the client's own deadline"};
    return q->end < COUNT_OF(ends) ? ends[q->end] : "";
}

static void client_end(struct drawing *d, int32_t y, struct text *t)
{
    const struct request_record *q = d->tries->request;
    bool good = q->end == END_COMPLETE && q->status >= 200 && q->status < 400;
    gutter(d, y, q->due + q->done, t);
    arrow(d, good ? "l-ok" : "l-e5", good ? "f-okd" : "f-e5", MESH, CLIENT, y);
    if (good)
        svg_circle(d->svg, "f-okd", CLIENT + PX(18), y - PX(10), PX(4.5));
    else
        triangle(d, CLIENT + PX(18), y - PX(5));
    if (q->status != 0)
        text_add(t, "%u", q->status);
    text_add(t, "%s: one answer, %zu %s", end_word(q), d->tries->count,
             d->tries->count == 1 ? "try" : "tries");
    put(d, "halo", CLIENT + PX(28), y - PX(6), t);
}

static int32_t scale_x(uint64_t span_ns, uint64_t at_ns)
{
    uint64_t span_us = span_ns / NS_PER_US + 1, at_us = at_ns / NS_PER_US;
    if (at_us > span_us)
        at_us = span_us;
    return SCALE_LEFT + (int32_t)(at_us * (uint64_t)(SCALE_RIGHT - SCALE_LEFT) / span_us);
}

/* A step of 1, 2 or 5 times a power of ten with at most eight ticks. */
static uint64_t tick_ns(uint64_t span_ns)
{
    static const uint64_t by[] = {1, 2, 5};
    for (uint64_t unit = 100000;; unit *= 10) {
        for (size_t i = 0; i < COUNT_OF(by); i++) {
            if (span_ns / (unit * by[i]) <= 8)
                return unit * by[i];
        }
    }
}

static void to_scale(struct drawing *d, int32_t y, struct text *t)
{
    const struct tries *s = d->tries;
    uint64_t end_ns = s->request != NULL ? s->request->due + s->request->done : 0;
    for (size_t i = 0; i < s->count; i++) {
        uint64_t over = tries_end_ns(&s->rows[i]->r);
        end_ns = over > end_ns ? over : end_ns;
    }
    uint64_t span = end_ns > s->zero_ns ? end_ns - s->zero_ns : 1;
    int32_t bottom = y + PX(16) + (int32_t)s->lane_count * PX(24);
    char name[128];
    svg_text(d->svg, "b", LEFT, y, "The same, to scale");
    for (uint64_t at = 0, step = tick_ns(span); at <= span; at += step) {
        int32_t x = scale_x(span, at);
        svg_line(d->svg, "hair", x, y + PX(14), x, bottom);
        html_fixed(t, (int64_t)(at / 100000), 1);
        text_add(t, " ms");
        put(d, "c s", x, bottom + PX(16), t);
    }
    for (size_t i = 0; i < s->lane_count; i++) {
        snprintf(name, sizeof(name), "%.100s/%u", s->lanes[i].service, s->lanes[i].endpoint);
        svg_name(d->svg, "e", CLIENT - PX(12), y + PX(30) + (int32_t)i * PX(24), name);
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct attempt_record *r = &s->rows[i]->r;
        uint64_t from = r->at > s->zero_ns ? r->at - s->zero_ns : 0, over = tries_end_ns(r);
        int32_t x = scale_x(span, from),
                x2 = over <= s->zero_ns ? x : scale_x(span, over - s->zero_ns);
        int32_t top = y + PX(19) + (int32_t)tries_lane(s, s->rows[i]) * PX(24);
        bool good = r->status >= 200 && r->status < 400 && !tries_left(r);
        svg_rect(d->svg,
                 tries_left(r) ? "f-to"
                 : good        ? "f-okd"
                               : "f-e5",
                 x, top, x2 - x < PX(3) ? PX(3) : x2 - x, PX(14));
        if (is_breach(d, i))
            svg_rect(d->svg, "o-bad", x - PX(2), top - PX(2),
                     (x2 - x < PX(3) ? PX(3) : x2 - x) + PX(4), PX(18));
    }
}

void html_sequence(struct html *h, const struct tries *tries, struct svg *svg)
{
    struct drawing d = {.h = h, .svg = svg, .tries = tries};
    struct text t, name;
    int32_t width = PX(1000), lanes = (int32_t)(tries->lane_count == 0 ? 1 : tries->lane_count);
    d.shown = tries->count > ROWS_MOST ? ROWS_MOST : tries->count;
    d.breach = h->shown != NULL && strcmp(h->shown->claim->id, "retry.max") == 0 &&
               h->shown->verdict.kind == VERDICT_FAIL;
    for (int32_t i = 0; i < lanes; i++)
        d.lane[i] = lanes == 1 ? PX(720) : PX(520) + i * PX(400) / (lanes - 1);
    int32_t first = PX(80), end = first + PX(38) + (int32_t)d.shown * ROW;
    text_init(&t, 4096);
    text_init(&name, 4096);
    text_add(&name, "Sequence of one request with %zu tries", tries->count);
    struct svg_frame f = {.title = text_get(&name),
                          .desc = h->shown != NULL ? h->shown->verdict.text : NULL,
                          .wide = "w1000",
                          .width_px10 = width,
                          .height_px10 = end + PX(86) + lanes * PX(24)};
    svg_open(svg, &f);
    heads(&d, end + PX(8));
    if (tries->request != NULL) {
        const char *verb = record_enum_name("verb", tries->request->verb);
        gutter(&d, first, tries->zero_ns, &t);
        arrow(&d, "l-ink", "f-ink", CLIENT, MESH, first);
        text_add(&t, "%s ", verb == NULL ? "" : verb);
        text_add_bytes(&t, bytes_of(journal_name(h->report->journal, tries->request->path)));
        svg_name(svg, "c mm halo", (CLIENT + MESH) / 2, first - PX(6), text_get(&t));
        text_clear(&t);
    }
    for (size_t i = 0; i < d.shown; i++)
        one_try(&d, i, first + PX(38) + (int32_t)i * ROW, &t);
    if (tries->request != NULL)
        client_end(&d, end, &t);
    to_scale(&d, end + PX(46), &t);
    svg_close(svg, &f);
    text_release(&t);
    text_release(&name);
}
