/* The mesh's own counters against the wire: a table, each difference a bar, in the window in which
 * the judge compared them. */
#include "reports/chart.h"
#include "reports/counted.h"
#include "reports/html_text.h"

#define TABLE_MOST_BYTES ((size_t)256 * 1024)
#define EDGES_MOST 6

static void add_verdict(struct text *to, const struct judged *d, bool agrees)
{
    static const char *const classes[] = {"pass", "inc", "fail", "inc"};
    if (d == NULL) {
        text_add(to, "<td>%s</td></tr>\n", agrees ? "agrees" : "differs");
        return;
    }
    const char *class = classes[d->verdict.kind];
    text_add(to,
             "<td><span class=\"v %s\"><svg class=\"g\" aria-hidden=\"true\"><use "
             "href=\"#v-%s\"/></svg>%s</span></td></tr>\n",
             class, class, verdict_kind_name(d->verdict.kind));
}

/* A long name may be broken behind its underscores. */
static void add_name(struct text *to, const char *name)
{
    struct bytes rest = bytes_of(name);
    while (rest.len > 0) {
        size_t part = bytes_find(rest, '_');
        part = part < rest.len ? part + 1 : rest.len;
        html_bytes(to, (struct bytes){rest.at, part});
        rest = (struct bytes){rest.at + part, rest.len - part};
        if (rest.len > 0)
            text_add(to, "<wbr>");
    }
}

static void add_row(struct text *to, const struct counted_row *row)
{
    const struct judged *d = row->verdict;
    bool agrees = row->off == 0, fails = d != NULL && d->verdict.kind == VERDICT_FAIL;
    char number[32];
    text_add(to, "<tr%s><th scope=\"row\" class=\"m\">",
             fails && !agrees ? " class=\"r-fail\"" : "");
    add_name(to, row->name);
    text_add(to, "</th><td class=\"num\">%s</td><td class=\"num\">",
             text_grouped(row->mesh, number, sizeof(number)));
    html_count(to, row->wire.least);
    if (row->wire.most != row->wire.least)
        text_add(to, " to %s", text_grouped(row->wire.most, number, sizeof(number)));
    text_add(to, "</td><td class=\"num\">%s%s</td>",
             agrees                        ? ""
             : row->mesh < row->wire.least ? "\xE2\x88\x92"
                                           : "+",
             text_grouped(row->off, number, sizeof(number)));
    add_verdict(to, agrees && fails ? NULL : d, agrees);
}

/* How the counters of one edge compare; false: they were not read at two quiet moments. */
static bool add_edge(const struct scene *s, const struct scene_edge *e, struct svg *to,
                     struct text *note, const char **ret_why, struct arena *arena)
{
    struct counted c;
    size_t differ = 0;
    if (!counted_read(s, e, arena, &c, ret_why))
        return false;
    struct text t;
    text_init(&t, TABLE_MOST_BYTES);
    text_add(&t, "<table class=\"plain\"><caption>");
    html_name(&t, e->shown);
    if (c.phase != NULL) {
        text_add(&t, ", in ");
        html_text(&t, c.phase->name);
    }
    text_add(&t,
             "</caption><thead><tr><th scope=\"col\">Counter</th><th scope=\"col\" "
             "class=\"num\">mesh</th><th scope=\"col\" class=\"num\">wire</th><th scope=\"col\" "
             "class=\"num\">off by</th><th scope=\"col\">agrees</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c.count; i++) {
        add_row(&t, &c.rows[i]);
        differ += c.rows[i].off != 0;
    }
    text_add(&t, "</tbody></table>\n");
    text_add(to->to, "%s", text_get(&t));
    text_release(&t);
    if (differ > 0)
        text_add(note, "%zu of %zu counters of %.80s differ from the wire. ", differ, c.count,
                 e->shown);
    else
        text_add(note, "All %zu counters of %.80s agree with the wire. ", c.count, e->shown);
    return true;
}

bool chart_metrics(const struct report *report, struct svg *to, struct chart_note *ret,
                   struct error *err)
{
    struct scene *own;
    const struct scene *s = scene_get(report, &own);
    struct arena arena;
    struct text note;
    const char *why = NULL;
    size_t drawn = 0;
    bool wanted = false;
    (void)err;
    arena_init(&arena, (size_t)1024 * 1024);
    text_init(&note, sizeof(ret->text) - 1);
    for (size_t i = 0; i < s->edge_count; i++)
        wanted = wanted || counted_verdict(s, &s->edges[i], "metrics.") != NULL;
    for (size_t i = 0; i < s->edge_count && drawn < EDGES_MOST; i++) {
        bool asked = counted_verdict(s, &s->edges[i], "metrics.") != NULL;
        /* where nobody asked, one edge is enough to show that they were read */
        if (report->journal->metric_count > 0 && (asked || (!wanted && drawn == 0)) &&
            add_edge(s, &s->edges[i], to, &note, &why, &arena))
            drawn++;
    }
    snprintf(ret->text, sizeof(ret->text), "%s", text_get(&note));
    if (drawn == 0) {
        ret->left_out = true;
        ret->asked_for = wanted;
        snprintf(ret->text, sizeof(ret->text), "no counters against the wire: %s",
                 why == NULL ? "the mesh's counters were not read" : why);
    }
    text_release(&note);
    arena_release(&arena);
    scene_free(own);
    return true;
}
