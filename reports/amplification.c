/* Retry amplification: how many tries a request became, by phase: the mean and the worst of one
 * request, against what the policy allows. */
#include "reports/axis.h"
#include "reports/chart.h"
#include "reports/scene.h"
#include "verify/amplify.h"

#include <stdlib.h>

#define WIDTH PX(560)
#define NAMES PX(176) /* where the names of rows end */
#define PLOT_LEFT PX(190)
#define PLOT_RIGHT PX(466)
#define ROW PX(26)
#define HEAD PX(24)
#define EDGES_MOST 6
#define ROWS_MOST 10
#define MARK PX(4)

struct row {
    const char *name;
    uint64_t requests, tries, worst;
};
struct block {
    const struct scene_edge *edge;
    uint64_t bound; /* of one request on this edge; 0: none is declared */
    struct row rows[ROWS_MOST];
    size_t count, left_out;
};
struct chart_rows {
    const struct scene *scene;
    struct svg *to;
    struct block blocks[EDGES_MOST];
    size_t count;
    uint64_t most; /* of all worsts and bounds */
    const struct row *worst;
    struct axis x;
};

static void count_tries(const struct scene *s, const struct scene_edge *e,
                        const struct journal_phase *phase, struct row *ret)
{
    struct window w;
    if (!scene_window(s, e, phase, &w))
        return;
    for (uint32_t i = w.from; i < w.to; i++) {
        const struct request *r = &w.track->requests[i];
        if (!window_has(&w, r))
            continue;
        uint64_t tries = window_tries(r);
        ret->requests++;
        ret->tries += tries;
        ret->worst = tries > ret->worst ? tries : ret->worst;
    }
}

/* A full block keeps the rows with the most tries: the least of them gives way. */
static void add_row(struct block *b, const struct row *new)
{
    if (b->count < ROWS_MOST) {
        b->rows[b->count++] = *new;
        return;
    }
    size_t least = 0;
    for (size_t i = 1; i < b->count; i++)
        if (b->rows[i].worst < b->rows[least].worst)
            least = i;
    b->left_out++;
    if (new->worst <= b->rows[least].worst)
        return;
    for (size_t i = least; i + 1 < b->count; i++)
        b->rows[i] = b->rows[i + 1];
    b->rows[b->count - 1] = *new;
}

/* The first edge by phase; the others as one row each. */
static void read_block(struct chart_rows *c, const struct scene_edge *e)
{
    struct block *b = &c->blocks[c->count];
    const struct retry_rule *rule = &e->policy->retry;
    *b = (struct block){.edge = e};
    b->bound = rule->attempts.set && !rule->by_budget ? 1 + rule->attempts.number : 0;
    for (size_t i = 0; c->count == 0 && i < c->scene->phase_count; i++) {
        struct row row = {.name = c->scene->phases[i]->name};
        if (c->scene->phases[i]->scenario != e->scenario)
            continue;
        count_tries(c->scene, e, c->scene->phases[i], &row);
        if (row.requests > 0)
            add_row(b, &row);
    }
    struct row all = {.name = "its whole scenario"};
    if (c->count > 0)
        count_tries(c->scene, e, NULL, &all);
    if (all.requests > 0)
        add_row(b, &all);
    c->count += b->count > 0 ? 1 : 0;
}

static void find_most(struct chart_rows *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct block *b = &c->blocks[i];
        for (size_t k = 0; k < b->count; k++) {
            const struct row *row = &b->rows[k];
            c->most = row->worst > c->most ? row->worst : c->most;
            if (c->worst == NULL || row->worst > c->worst->worst)
                c->worst = row;
        }
    }
    /* a bound is drawn unless it would cost more than half of the width */
    uint64_t seen = c->most;
    for (size_t i = 0; i < c->count; i++)
        if (c->blocks[i].bound > c->most && c->blocks[i].bound <= 2 * seen + 2)
            c->most = c->blocks[i].bound;
}

static void draw_row(struct chart_rows *c, const struct block *b, const struct row *row, int32_t y)
{
    char text[64];
    uint64_t mean100 = (row->tries * 100 + row->requests / 2) / row->requests;
    bool over = b->bound != 0 && row->worst > b->bound, first = row == c->worst;
    /* hundredths of a try: the axis counts these */
    int32_t mean = axis_px(&c->x, mean100), worst = axis_px(&c->x, row->worst * 100);
    svg_name(c->to, first ? "e b" : "e", NAMES, y + PX(4), row->name);
    if (worst > mean)
        svg_line(c->to, over ? "l-badl" : "l-ink", mean, y, worst, y);
    svg_rect(c->to, over ? "f-bad" : "f-ink", worst - MARK, y - MARK, 2 * MARK, 2 * MARK);
    svg_circle(c->to, "f-okd", mean, y, MARK + PX(1) / 2);
    snprintf(text, sizeof(text), "%s%llu", first ? "worst " : "", (unsigned long long)row->worst);
    svg_text(c->to,
             over    ? "bad b halo"
             : first ? "b halo"
                     : "s halo",
             worst + PX(9), y + PX(4), text);
    /* where the two marks are near each other one number is enough: the text has both */
    if (!first || worst - mean < PX(30))
        return;
    snprintf(text, sizeof(text), "mean %llu.%02d", (unsigned long long)mean100 / 100,
             (int)(mean100 % 100));
    svg_text(c->to, "b tok halo", mean - PX(4), y + PX(17), text);
}

static void draw_bound(struct chart_rows *c, const struct block *b, int32_t top, int32_t bottom)
{
    char text[48];
    if (b->bound == 0)
        return;
    bool far = b->bound > c->most;
    int32_t x = axis_px(&c->x, b->bound * 100);
    if (!far)
        svg_line(c->to, "l-lim2", x, top, x, bottom);
    snprintf(text, sizeof(text), "bound %llu%s", (unsigned long long)b->bound,
             far ? " \xE2\x86\x92" : "");
    svg_text(c->to, "s bad c halo", far ? PLOT_RIGHT : x, top - PX(4), text);
}

static int32_t height_of(const struct chart_rows *c)
{
    int32_t height = PX(8);
    for (size_t i = 0; i < c->count; i++)
        height += HEAD + (int32_t)c->blocks[i].count * ROW;
    return height;
}

static void draw_axis(struct chart_rows *c, int32_t bottom)
{
    struct axis count;
    struct axis_tick ticks[AXIS_TICKS_MOST];
    axis_init(&count, AXIS_COUNT, 0, c->most, PLOT_LEFT, PLOT_RIGHT);
    size_t ticked = axis_ticks(&count, 6, ticks);
    for (size_t i = 0; i < ticked; i++) {
        svg_line(c->to, "hair", ticks[i].px10, PX(8), ticks[i].px10, bottom);
        svg_text(c->to, "c s", ticks[i].px10, bottom + PX(18), ticks[i].label);
    }
    svg_text(c->to, "c s", (PLOT_LEFT + PLOT_RIGHT) / 2, bottom + PX(36), "tries for each request");
}

static void draw(struct chart_rows *c, const char *desc)
{
    int32_t bottom = height_of(c), y = PX(8);
    const struct svg_frame frame = {.title = "Tries for each request: the mean and the worst",
                                    .desc = desc,
                                    .width_px10 = WIDTH,
                                    .height_px10 = bottom + PX(46)};
    svg_open(c->to, &frame);
    axis_init(&c->x, AXIS_COUNT, 0, c->most * 100, PLOT_LEFT, PLOT_RIGHT);
    draw_axis(c, bottom);
    for (size_t i = 0; i < c->count; i++) {
        const struct block *b = &c->blocks[i];
        if (i > 0)
            svg_line(c->to, "hair", PX(8), y, WIDTH - PX(8), y);
        svg_name(c->to, "e s", NAMES, y + PX(16), b->edge->shown);
        y += HEAD;
        draw_bound(c, b, y, y + (int32_t)b->count * ROW - PX(2));
        for (size_t k = 0; k < b->count; k++)
            draw_row(c, b, &b->rows[k], y + (int32_t)k * ROW + ROW / 2);
        y += (int32_t)b->count * ROW;
    }
    svg_close(c->to, &frame);
}

/* What the policies allow over all hops, where there are several. */
static void print_whole(const struct chart_rows *c, struct text *to)
{
    const struct scene_edge *e = c->blocks[c->count - 1].edge;
    struct window w;
    struct text factors;
    if (c->count < 2 || !scene_window(c->scene, e, NULL, &w))
        return;
    const struct scene *s = c->scene;
    struct edge_policy *edges = check_alloc_zero(s->edge_count + 1, sizeof(*edges));
    size_t count = 0;
    for (size_t i = 0; i < s->edge_count; i++)
        if (s->edges[i].scenario == e->scenario)
            edges[count++] = *s->edges[i].policy;
    text_init(&factors, 128);
    uint64_t bound = amplify_bound(w.scenario, edges, count, e->policy->to,
                                   AMPLIFY_MESH | AMPLIFY_APP, &factors);
    if (strchr(text_get(&factors), 'x') != NULL) {
        text_add(to, " End to end, the policies allow ");
        for (const char *at = text_get(&factors); *at != '\0'; at++)
            if (*at == 'x')
                text_add(to, "\xC3\x97");
            else
                text_add_bytes(to, (struct bytes){(const uint8_t *)at, 1});
        text_add(to, " = %llu tries on %.60s.", (unsigned long long)bound, e->policy->to);
    }
    text_release(&factors);
    free(edges);
}

static void print_note(const struct chart_rows *c, struct chart_note *ret, char *finding,
                       size_t size)
{
    struct text note;
    const struct block *b = &c->blocks[0];
    for (size_t i = 0; i < c->count; i++)
        if (c->worst >= c->blocks[i].rows && c->worst < c->blocks[i].rows + ROWS_MOST)
            b = &c->blocks[i];
    char bound[48] = "";
    if (b->bound != 0)
        snprintf(bound, sizeof(bound), " against a bound of %llu", (unsigned long long)b->bound);
    uint64_t mean100 = (c->worst->tries * 100 + c->worst->requests / 2) / c->worst->requests;
    snprintf(finding, size,
             "At worst %llu tries for one request on %.80s, in %.80s%s; %llu.%02d on "
             "average there.",
             (unsigned long long)c->worst->worst, b->edge->shown, c->worst->name, bound,
             (unsigned long long)mean100 / 100, (int)(mean100 % 100));
    text_init(&note, sizeof(ret->text) - 1);
    text_add(&note, "Circle: mean. Square: the worst single request. %s", finding);
    if (c->blocks[0].left_out > 0)
        text_add(&note, " %zu phase%s with fewer tries %s not drawn.", c->blocks[0].left_out,
                 c->blocks[0].left_out == 1 ? "" : "s", c->blocks[0].left_out == 1 ? "is" : "are");
    print_whole(c, &note);
    snprintf(ret->text, sizeof(ret->text), "%s", text_get(&note));
    text_release(&note);
}

bool chart_amplification(const struct report *report, struct svg *to, struct chart_note *ret,
                         struct error *err)
{
    struct scene *own;
    struct chart_rows *c = check_alloc_zero(1, sizeof(*c));
    c->scene = scene_get(report, &own);
    c->to = to;
    (void)err;
    for (size_t i = 0; i < c->scene->edge_count && c->count < EDGES_MOST; i++)
        if (c->scene->edges[i].requests > 0)
            read_block(c, &c->scene->edges[i]);
    find_most(c);
    if (c->most == 0) {
        ret->left_out = true;
        snprintf(ret->text, sizeof(ret->text),
                 "no amplification: no request had a try that was seen");
    } else {
        char finding[320];
        print_note(c, ret, finding, sizeof(finding));
        draw(c, finding);
    }
    free(c);
    scene_free(own);
    return true;
}
