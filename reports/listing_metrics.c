/* show --metrics: the mesh's counters beside the wire, and what each proxy's page showed first and
 * last. */
#include "reports/counted.h"
#include "reports/listing.h"

#include <stdlib.h>

#define ARENA_MOST_BYTES ((size_t)16 * 1024 * 1024)

static void add_numbers(const struct counted_row *row, struct text *to)
{
    char mesh[32], least[32], most[32], wire[80], off[40] = "agrees", number[32];
    snprintf(wire, sizeof(wire), "%s%s%s", text_grouped(row->wire.least, least, sizeof(least)),
             row->wire.most == row->wire.least ? "" : " to ",
             row->wire.most == row->wire.least ? ""
                                               : text_grouped(row->wire.most, most, sizeof(most)));
    if (row->off > 0)
        snprintf(off, sizeof(off), "%s%s", row->mesh < row->wire.least ? "-" : "+",
                 text_grouped(row->off, number, sizeof(number)));
    text_add(to, "%12s  %20s  %10s", text_grouped(row->mesh, mesh, sizeof(mesh)), wire, off);
}

static void add_edge(const struct scene *s, const struct scene_edge *e, struct text *to,
                     struct arena *arena)
{
    struct counted c;
    const char *why = "there are no two quiet moments at which they were read";
    report_add_clean(to, e->name);
    if (!counted_read(s, e, arena, &c, &why)) {
        text_add(to, "   not compared with the wire: ");
        report_add_clean(to, why);
        text_add(to, "\n");
        return;
    }
    text_add(to, "   ");
    if (c.phase != NULL) {
        text_add(to, "phase \"");
        report_add_clean(to, c.phase->name);
        text_add(to, "\", ");
    }
    text_add(to, "read ");
    listing_time(s, c.meter.from_ns, to);
    text_add(to, " and ");
    listing_time(s, c.meter.to_ns, to);
    text_add(to, ", of %zu prox%s\n  %-42s %12s  %20s  %10s\n", c.meter.proxies,
             c.meter.proxies == 1 ? "y" : "ies", "counter", "mesh", "wire", "off by");
    for (size_t i = 0; i < c.count; i++) {
        size_t line = to->len;
        text_add(to, "  ");
        report_add_clean(to, c.rows[i].name);
        text_pad(to, line, 45, 1);
        add_numbers(&c.rows[i], to);
        if (c.rows[i].verdict != NULL)
            text_add(to, "   %s (%s)", verdict_kind_name(c.rows[i].verdict->verdict.kind),
                     c.rows[i].verdict->claim->id);
        text_add(to, "\n");
    }
}

struct metric_sort {
    const struct journal *journal;
};

static int by_series(const void *a, const void *b, void *cookie)
{
    const struct journal *j = ((const struct metric_sort *)cookie)->journal;
    const struct metric_row *x = *(const struct metric_row *const *)a,
                            *y = *(const struct metric_row *const *)b;
    int order = strcmp(journal_name(j, x->r.proxy), journal_name(j, y->r.proxy));
    if (order == 0 && x->proc != y->proc)
        order = x->proc < y->proc ? -1 : 1;
    if (order == 0)
        order = strcmp(journal_name(j, x->r.name), journal_name(j, y->r.name));
    if (order == 0)
        order = strcmp(journal_name(j, x->r.labels), journal_name(j, y->r.labels));
    if (order == 0 && x->r.at != y->r.at)
        order = x->r.at < y->r.at ? -1 : 1;
    return order;
}

static bool is_same_proxy(const struct metric_row *a, const struct metric_row *b)
{
    return a->proc == b->proc && a->r.proxy == b->r.proxy;
}

static bool is_same(const struct metric_row *a, const struct metric_row *b)
{
    return is_same_proxy(a, b) && a->r.name == b->r.name && a->r.labels == b->r.labels;
}

static void add_series(const struct journal *j, const struct metric_row *first,
                       const struct metric_row *last, struct text *to)
{
    size_t line = to->len;
    text_add(to, "  ");
    report_add_clean(to, journal_name(j, first->r.name));
    if (first->r.labels != 0) {
        text_add(to, "{");
        report_add_clean(to, journal_name(j, first->r.labels));
        text_add(to, "}");
    }
    text_pad(to, line, 64, 1);
    text_add(to, "%.12g -> %.12g\n", first->r.value, last->r.value);
}

/* Those that changed; Envoy alone has hundreds that do not. */
static void add_pages(const struct scene *s, struct text *to)
{
    const struct journal *j = s->journal;
    const struct metric_row **rows = check_alloc((j->metric_count + 1) * sizeof(*rows));
    struct metric_sort names = {j};
    size_t count = 0, still = 0;
    for (size_t i = 0; i < j->metric_count; i++)
        if (scene_is_subject(s, j->metrics[i].proc))
            rows[count++] = &j->metrics[i];
    qsort_r(rows, count, sizeof(*rows), by_series, &names);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && is_same(rows[i], rows[next]);)
            next++;
        if (i == 0 || !is_same_proxy(rows[i - 1], rows[i])) {
            text_add(to, "page of ");
            report_add_clean(to, journal_name(j, rows[i]->r.proxy));
            text_add(to, ", first and last\n");
        }
        bool changed = rows[i]->r.value < rows[next - 1]->r.value ||
                       rows[i]->r.value > rows[next - 1]->r.value;
        if (changed)
            add_series(j, rows[i], rows[next - 1], to);
        still += !changed;
        if (still > 0 && (next == count || !is_same_proxy(rows[i], rows[next]))) {
            text_add(to, "  and %zu that did not change\n", still);
            still = 0;
        }
    }
    free(rows);
}

static void write(const struct scene *s, const char *of, struct text *to)
{
    struct arena arena;
    (void)of;
    if (s->journal->metric_count == 0) {
        text_add(to, "the mesh's counters were not read\n");
        return;
    }
    arena_init(&arena, ARENA_MOST_BYTES);
    for (size_t i = 0; i < s->edge_count; i++)
        add_edge(s, &s->edges[i], to, &arena);
    add_pages(s, to);
    arena_release(&arena);
}

const struct listing listing_metrics = {
    .name = "metrics",
    .write = write,
    .kinds = NDJSON_KIND(RECORD_METRIC),
};
