/* Certificate rotation: what each side presents and trusts over time, where a pair does not fit,
 * and the handshakes that were refused. Steps and skews are those that the judge reads. */
#include "reports/axis.h"
#include "reports/chart.h"
#include "reports/lane.h"
#include "reports/scene.h"
#include "verify/handshake.h"

#include "base/clock.h"

#include <stdlib.h>

#define WIDTH PX(1180)
#define PLOT_LEFT PX(178)
#define PLOT_RIGHT PX(1150)
#define GUTTER PX(168)
#define PLOT_TOP PX(22)
#define PLACE_ROWS PX(58)
#define BAR PX(18)
#define BAR_GAP PX(4)
#define SKEWS_MOST 64
#define PLACES_MOST 13 /* the mesh and twelve endpoints */
#define DRAWN_MOST 4
#define AROUND_NS NS_PER_S

struct rotation {
    const struct scene *scene;
    const struct scene_edge *edge;
    struct svg *to;
    struct window window;
    struct shakes shakes;
    struct skew skews[SKEWS_MOST];
    size_t skew_count;
    size_t refused;       /* handshakes, of the window */
    uint64_t *refused_ns; /* of the places that are drawn and of all others */
    uint64_t from_ns, to_ns;
    struct axis x;
    struct bytes roots[3]; /* old, new, and one more */
    size_t root_count;
    uint16_t places; /* endpoints that are drawn */
};

static bool same(struct bytes a, struct bytes b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* 0: the first root of the run; 1: the next; 2: any other. */
static size_t number_of(struct rotation *r, struct bytes root)
{
    for (size_t i = 0; i < r->root_count; i++)
        if (same(r->roots[i], root))
            return i;
    if (r->root_count == COUNT_OF(r->roots))
        return r->root_count - 1;
    r->roots[r->root_count] = root;
    return r->root_count++;
}

static struct bytes first_of(struct bytes *list)
{
    size_t comma = bytes_find(*list, ',');
    size_t len = comma < list->len ? comma : list->len;
    struct bytes root = {list->at, len};
    size_t used = len < list->len ? len + 1 : len;
    *list = (struct bytes){list->at + used, list->len - used};
    return root;
}

static void draw_leaf(struct rotation *r, struct bytes root, int32_t from, int32_t to, int32_t y)
{
    static const char *const classes[] = {"f-old", "f-new", "f-ej"};
    char text[96];
    svg_rect(r->to, classes[number_of(r, root)], from, y, to - from - PX(1) / 2, BAR);
    snprintf(text, sizeof(text), "leaf of %.*s", (int)(root.len < 60 ? root.len : 60),
             (const char *)root.at);
    if (svg_text_width(text, true) + PX(12) <= to - from)
        svg_text(r->to, "b tin", from + PX(7), y + PX(13), text);
}

/* One root: a bar; several: a stripe for each, and their names between. */
static void draw_bundle(struct rotation *r, struct bytes list, int32_t from, int32_t to, int32_t y)
{
    static const char *const classes[] = {"f-old", "f-new", "f-ej"};
    char text[96];
    size_t len = 0, numbers[3] = {0}, count = 0;
    text[0] = '\0';
    while (list.len > 0 && count < COUNT_OF(numbers)) {
        struct bytes root = first_of(&list);
        numbers[count] = number_of(r, root);
        int add = snprintf(text + len, sizeof(text) - len, "%s%.*s", count > 0 ? " and " : "",
                           (int)(root.len < 24 ? root.len : 24), (const char *)root.at);
        len += add > 0 && (size_t)add < sizeof(text) - len ? (size_t)add : 0;
        count++;
    }
    int32_t width = to - from - PX(1) / 2;
    if (count == 1)
        svg_rect(r->to, classes[numbers[0]], from, y, width, BAR);
    else {
        svg_rect(r->to, classes[numbers[0]], from, y, width, PX(4));
        svg_rect(r->to, classes[numbers[count > 0 ? count - 1 : 0]], from, y + BAR - PX(4), width,
                 PX(4));
        svg_rect(r->to, "f-bg", from, y + PX(4), width, BAR - PX(8));
    }
    if (svg_text_width(text, true) + PX(12) <= to - from)
        svg_text(r->to, count == 1 ? "b tin" : "b", from + PX(7), y + PX(13), text);
}

static void draw_state(struct rotation *r, uint16_t place, bool leaf, int32_t y)
{
    struct bytes now = BYTES(SHAKES_FIRST_ROOT);
    uint64_t from_ns = r->from_ns;
    svg_text(r->to, "e s", GUTTER, y + PX(13), leaf ? "presents" : "trusts");
    for (size_t i = 0; i <= r->shakes.swap_count; i++) {
        const struct swap *swap = i < r->shakes.swap_count ? &r->shakes.swaps[i] : NULL;
        if (swap != NULL && (swap->endpoint != place || swap->leaf != leaf))
            continue;
        struct bytes next = swap == NULL ? now : swap_roots(swap);
        /* another leaf of the same root is no change of what fits */
        if (swap != NULL && same(next, now))
            continue;
        uint64_t to_ns = swap == NULL ? r->to_ns : swap->from_ns;
        if (to_ns > from_ns) {
            int32_t from = axis_px(&r->x, from_ns), to = axis_px(&r->x, to_ns);
            if (leaf)
                draw_leaf(r, now, from, to, y);
            else
                draw_bundle(r, now, from, to, y);
            from_ns = to_ns;
        }
        now = next;
    }
}

static int32_t place_top(uint16_t place)
{
    return PLOT_TOP + PX(18) + place * PLACE_ROWS;
}

static int32_t plot_bottom(const struct rotation *r)
{
    return place_top((uint16_t)(r->places + 1)) - PX(8);
}

/* Under the bars: the time in which a pair does not fit. */
static void draw_skew_grounds(struct rotation *r)
{
    for (size_t i = 0; i < r->skew_count; i++) {
        int32_t from = axis_px(&r->x, r->skews[i].from_ns), to = axis_px(&r->x, r->skews[i].to_ns);
        svg_rect(r->to, "f-failbg", from, PLOT_TOP, to - from, plot_bottom(r) - PLOT_TOP);
    }
}

/* Over the bars: the leaf and the bundle that do not fit, framed; and how long that lasted. */
static void draw_skews(struct rotation *r)
{
    int32_t next = 0;
    for (size_t i = 0; i < r->skew_count; i++) {
        const struct skew *k = &r->skews[i];
        char text[64], span[32];
        int32_t from = axis_px(&r->x, k->from_ns), to = axis_px(&r->x, k->to_ns);
        uint16_t leaf = k->ours ? k->endpoint : 0, bundle = k->ours ? 0 : k->endpoint;
        svg_line(r->to, "o-bad", from, PLOT_TOP, from, plot_bottom(r));
        svg_line(r->to, "o-bad", to, PLOT_TOP, to, plot_bottom(r));
        if (leaf <= r->places)
            svg_rect(r->to, "o-bad2", from, place_top(leaf) - PX(1), to - from, BAR + PX(2));
        if (bundle <= r->places)
            svg_rect(r->to, "o-bad2", from, place_top(bundle) + BAR + BAR_GAP - PX(1), to - from,
                     BAR + PX(2));
        snprintf(text, sizeof(text), "skew, %s",
                 axis_print_span(k->to_ns - k->from_ns, span, sizeof(span)));
        int32_t width = svg_text_width(text, true), x = (from + to) / 2;
        if (x - width / 2 < next)
            continue;
        svg_text(r->to, "c b bad", x, PLOT_TOP - PX(7), text);
        next = x + width / 2 + PX(10);
    }
}

static void draw_refused(struct rotation *r, int32_t y)
{
    char text[200], refused[32], all[32];
    struct buckets like;
    size_t asked = 0;
    for (size_t i = 0; i < r->shakes.count; i++)
        asked += r->shakes.at[i].r->side == 0 ? 1 : 0;
    svg_text(r->to, "e b", GUTTER, y + PX(4), "refused handshakes");
    if (r->refused == 0) {
        snprintf(text, sizeof(text), "none of %s", text_grouped(asked, all, sizeof(all)));
        svg_text(r->to, "", PLOT_LEFT, y + PX(4), text);
        return;
    }
    uint64_t width = buckets_width_ns(r->to_ns - r->from_ns, PLOT_RIGHT - PLOT_LEFT, r->to->coarse);
    buckets_init(&like, r->from_ns, r->to_ns - r->from_ns, width);
    size_t room = LANE_MARKS_MOST > like.count ? LANE_MARKS_MOST : like.count;
    struct lane_mark *marks = check_alloc_zero(room, sizeof(*marks));
    size_t count = lane_marks(r->refused_ns, r->refused, &like, marks);
    struct svg_path p;
    int32_t last = INT32_MIN / 2, d = PX(5);
    svg_path_begin(r->to, &p, "f-tls");
    for (size_t i = 0; i < count; i++) {
        int32_t x = axis_px(&r->x, marks[i].t_ns);
        if (x - last < PX(1))
            continue;
        last = x;
        svg_path_move(&p, x, y - d);
        svg_path_line(&p, x + d, y);
        svg_path_line(&p, x, y + d);
        svg_path_line(&p, x - d, y);
        svg_path_close(&p);
    }
    svg_path_end(&p);
    snprintf(text, sizeof(text), "%s of %s", text_grouped(r->refused, refused, sizeof(refused)),
             text_grouped(asked, all, sizeof(all)));
    bool room_right = last + PX(10) + svg_text_width(text, false) <= WIDTH;
    svg_text(r->to, room_right ? "" : "e halo", room_right ? last + PX(10) : WIDTH - PX(4),
             y + PX(room_right ? 4 : -8), text);
    free(marks);
    buckets_release(&like);
}

static void draw_axis(struct rotation *r, int32_t y)
{
    struct axis clock;
    struct axis_tick ticks[AXIS_TICKS_MOST];
    axis_init(&clock, AXIS_TIME, scene_time(r->scene, r->from_ns), scene_time(r->scene, r->to_ns),
              PLOT_LEFT, PLOT_RIGHT);
    svg_line(r->to, "ax", PLOT_LEFT, y, PLOT_RIGHT, y);
    size_t count = axis_ticks(&clock, AXIS_TICKS_MOST, ticks);
    for (size_t i = 0; i < count; i++) {
        svg_line(r->to, "ax", ticks[i].px10, y, ticks[i].px10, y + PX(4));
        svg_text(r->to, "c s", ticks[i].px10, y + PX(18), ticks[i].label);
    }
}

static void draw_place(struct rotation *r, uint16_t place)
{
    char name[96];
    int32_t y = place_top(place);
    if (place == 0)
        snprintf(name, sizeof(name), "%.90s", r->edge->policy->from);
    else
        snprintf(name, sizeof(name), "%.80s/%u", r->edge->policy->to, place);
    svg_name(r->to, "b", PX(8), y + PX(24), name);
    draw_state(r, place, true, y);
    draw_state(r, place, false, y + BAR + BAR_GAP);
}

/* "payments/3 trusts ..., for 13.0 s": the longest of the skews. */
static void print_finding(const struct rotation *r, char *to, size_t size)
{
    const struct skew *worst = NULL;
    char span[32], at[24];
    for (size_t i = 0; i < r->skew_count; i++)
        if (worst == NULL ||
            r->skews[i].to_ns - r->skews[i].from_ns > worst->to_ns - worst->from_ns)
            worst = &r->skews[i];
    to[0] = '\0';
    if (worst == NULL)
        return;
    axis_print_span(worst->to_ns - worst->from_ns, span, sizeof(span));
    axis_print_time(scene_time(r->scene, worst->from_ns) / (100 * NS_PER_MS) * (100 * NS_PER_MS),
                    at, sizeof(at));
    if (worst->ours)
        snprintf(to, size,
                 "For %s from %s on, %.60s did not trust the root of the leaf of %.60s/%u.", span,
                 at, r->edge->policy->from, r->edge->policy->to, worst->endpoint);
    else
        snprintf(to, size,
                 "For %s from %s on, %.60s/%u did not trust the root of the leaf of %.60s.", span,
                 at, r->edge->policy->to, worst->endpoint, r->edge->policy->from);
}

static void draw(struct rotation *r, const char *part, const char *finding)
{
    char title[240];
    const char *scenario = scene_scenario_name(r->scene, r->edge->scenario);
    snprintf(title, sizeof(title), "Certificate rotation on %.100s%s%.80s", r->edge->shown,
             scenario[0] == '\0' ? "" : ": ", scenario);
    int32_t bottom = plot_bottom(r);
    const struct svg_frame frame = {.title = title,
                                    .desc = finding[0] == '\0' ? NULL : finding,
                                    .part = part,
                                    .wide = "w1180",
                                    .width_px10 = WIDTH,
                                    .height_px10 = bottom + PX(58)};
    svg_open(r->to, &frame);
    draw_skew_grounds(r);
    for (uint16_t i = 0; i <= r->places; i++)
        draw_place(r, i);
    draw_skews(r);
    draw_refused(r, bottom + PX(16));
    draw_axis(r, bottom + PX(32));
    svg_close(r->to, &frame);
}

/* From a second before the first step to a second after the last, or the last refusal. */
static void find_span(struct rotation *r)
{
    const struct shakes *s = &r->shakes;
    r->from_ns = s->swaps[0].from_ns;
    r->to_ns = s->swaps[s->swap_count - 1].to_ns;
    for (size_t i = 0; i < r->refused; i++) {
        r->from_ns = r->refused_ns[i] < r->from_ns ? r->refused_ns[i] : r->from_ns;
        r->to_ns = r->refused_ns[i] > r->to_ns ? r->refused_ns[i] : r->to_ns;
    }
    r->from_ns = r->from_ns > AROUND_NS ? r->from_ns - AROUND_NS : 0;
    r->to_ns += AROUND_NS;
    if (r->from_ns < r->scene->zero_ns)
        r->from_ns = r->scene->zero_ns;
    if (r->to_ns > r->scene->end_ns && r->scene->end_ns > s->swaps[s->swap_count - 1].to_ns)
        r->to_ns = r->scene->end_ns;
}

static void read_rotation(struct rotation *r)
{
    const struct shakes *s = &r->shakes;
    r->refused_ns = check_alloc_zero(s->count + 1, sizeof(*r->refused_ns));
    for (size_t i = 0; i < s->count; i++)
        if (s->at[i].refused && s->at[i].r->side == 0)
            r->refused_ns[r->refused++] = s->at[i].r->at;
    r->skew_count = shakes_skews(s, &r->window, r->skews, SKEWS_MOST);
    find_span(r);
    axis_init(&r->x, AXIS_TIME, r->from_ns, r->to_ns, PLOT_LEFT, PLOT_RIGHT);
    uint32_t hosts = r->edge->track->host_count;
    r->places = (uint16_t)(hosts < PLACES_MOST - 1 ? hosts : PLACES_MOST - 1);
    number_of(r, BYTES(SHAKES_FIRST_ROOT));
}

static const char *step_text_of(const struct rotation *r, char *to, size_t size)
{
    size_t leaves = 0, bundles = 0;
    for (size_t i = 0; i < r->shakes.swap_count; i++) {
        leaves += r->shakes.swaps[i].leaf ? 1 : 0;
        bundles += r->shakes.swaps[i].leaf ? 0 : 1;
    }
    snprintf(to, size, "%zu changes of a leaf and %zu of a bundle, %zu handshakes refused.", leaves,
             bundles, r->refused);
    return to;
}

bool chart_rotation(const struct report *report, struct svg *to, struct chart_note *ret,
                    struct error *err)
{
    static const char *const parts[DRAWN_MOST] = {NULL, "b", "c", "d"};
    struct scene *own;
    const struct scene *s = scene_get(report, &own);
    size_t drawn = 0;
    struct text note;
    (void)err;
    text_init(&note, sizeof(ret->text) - 1);
    for (size_t i = 0; i < s->edge_count && drawn < DRAWN_MOST; i++) {
        struct rotation r = {.scene = s, .edge = &s->edges[i], .to = to};
        char finding[280], steps[128];
        if (s->edges[i].requests == 0 || !scene_window(s, r.edge, NULL, &r.window))
            continue;
        shakes_init(&r.shakes, &r.window);
        if (r.shakes.swap_count > 0) {
            read_rotation(&r);
            print_finding(&r, finding, sizeof(finding));
            const char *name = scene_scenario_name(s, r.edge->scenario);
            text_add(to->to, "<p class=\"sub\">");
            html_text(to->to, name);
            text_add(to->to, "%s", name[0] == '\0' ? "" : ": ");
            html_text(to->to, step_text_of(&r, steps, sizeof(steps)));
            text_add(to->to, "</p>\n");
            if (finding[0] != '\0')
                text_add(&note, "%s ", finding);
            draw(&r, parts[drawn++], finding);
        }
        free(r.refused_ns);
        shakes_release(&r.shakes);
    }
    snprintf(ret->text, sizeof(ret->text), "%s",
             note.len > 0 ? text_get(&note) : "Each pair fitted at every time.");
    ret->left_out = drawn == 0;
    if (drawn == 0)
        snprintf(ret->text, sizeof(ret->text), "no rotation: no certificate was changed");
    text_release(&note);
    scene_free(own);
    return true;
}
