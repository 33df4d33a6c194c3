#include "reports/html.h"

#include "base/clock.h"
#include "embed/report_css.h"
#include "embed/report_js.h"
#include "journal/arm.h"
#include "reports/scene.h"
#include "reports/tries.h"

#include <stdlib.h>
#include <time.h>

/* The page, front to back. It is written again with coarser buckets until it fits its budget. */

#define MAX_BYTES ((size_t)64 << 20)
#define CHARTS_MOST 16

struct drawn {
    const struct chart *chart;
    struct text svg;
    struct chart_note note;
};

/* The shapes of ui.md 4, and the hatchings: 45 degrees is "may", -45 is "missing". */
static const char symbols[] =
    "<svg width=\"0\" height=\"0\" class=\"defs\" aria-hidden=\"true\" focusable=\"false\"><defs>"
    "<symbol id=\"v-pass\" viewBox=\"0 0 16 16\"><circle cx=\"8\" cy=\"8\" r=\"7.5\" "
    "fill=\"currentColor\"/><path d=\"m4.3 8.4 2.5 2.5 5-5.6\" class=\"l-on\"/></symbol>"
    "<symbol id=\"v-fail\" viewBox=\"0 0 16 16\"><rect x=\".8\" y=\".8\" width=\"14.4\" "
    "height=\"14.4\" rx=\"1.5\" fill=\"currentColor\"/><path d=\"m4.8 4.8 6.4 6.4m0-6.4-6.4 6.4\" "
    "class=\"l-on\"/></symbol>"
    "<symbol id=\"v-inc\" viewBox=\"0 0 16 16\"><path d=\"m8 .9 7.1 7.1-7.1 7.1L.9 8z\" "
    "fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.6\"/><path d=\"M6.2 6.4a1.9 1.9 0 1 1 "
    "2.6 1.8c-.6.25-.8.6-.8 1.2\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\" "
    "stroke-linecap=\"round\"/><circle cx=\"8\" cy=\"11.3\" r=\".95\" fill=\"currentColor\"/>"
    "</symbol>"
    "<symbol id=\"v-warn\" viewBox=\"0 0 16 16\"><path d=\"M8 1l7.4 13.6H.6z\" "
    "fill=\"currentColor\"/><path d=\"M8 5.6v4.6m0 1.6v.6\" class=\"l-on\"/></symbol>"
    "<symbol id=\"v-abort\" viewBox=\"0 0 16 16\"><path d=\"M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z\" "
    "fill=\"currentColor\"/><path d=\"m5.2 5.2 5.6 5.6m0-5.6-5.6 5.6\" class=\"l-on\"/></symbol>"
    "<pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><path d=\"M0 0v5\" class=\"hs\"/></pattern>"
    "<pattern id=\"hatchto\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><path d=\"M0 0v4\" class=\"hto\"/></pattern>"
    "<pattern id=\"hatchnew\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><path d=\"M0 0v5\" class=\"hnew\"/></pattern>"
    "<pattern id=\"hatchbad\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(-45)\"><path d=\"M0 0v5\" class=\"hfail\"/></pattern>"
    "</defs></svg>";

static int rank(enum verdict_kind kind)
{
    static const int ranks[] = {2, 1, 0, 3}; /* FAIL, INCONCLUSIVE, PASS, not applicable */
    return ranks[kind];
}

static size_t claim_order(const struct claim_type *claim)
{
    size_t count, i = 0;
    const struct claim_type *const *all = claim_types(&count);
    while (i < count && all[i] != claim)
        i++;
    return i;
}

/* ui.md 2: FAIL, INCONCLUSIVE, PASS; inside each the order of claims.def, then that of the run. */
static int by_page(const void *a, const void *b)
{
    const struct judged *x = *(const struct judged *const *)a,
                        *y = *(const struct judged *const *)b;
    int by_kind = rank(x->verdict.kind) - rank(y->verdict.kind);
    size_t i = claim_order(x->claim), k = claim_order(y->claim);
    if (by_kind != 0)
        return by_kind;
    if (i != k)
        return i < k ? -1 : 1;
    return x < y ? -1 : x > y; /* the order of the judgement's array */
}

static void choose_shown(struct html *h)
{
    for (size_t i = 0; i < h->row_count && h->shown == NULL; i++) {
        const struct judged *d = h->rows[i];
        struct tries t;
        if (d->verdict.kind != VERDICT_FAIL ||
            (d->verdict.witness_hi == 0 && d->verdict.witness_lo == 0))
            continue;
        if (tries_collect(h->report, d->verdict.witness_hi, d->verdict.witness_lo, &t))
            h->shown = d;
        tries_release(&t);
    }
}

static void gather(struct html *h)
{
    const struct judgement *g = h->report->judgement;
    size_t count = 0;
    h->rows = check_alloc_zero(g->verdict_count + 1, sizeof(const struct judged *));
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (!arm_is_subject(d->arm) && !d->gates)
            continue; /* a control's */
        h->rows[count++] = d;
        h->counts[d->verdict.kind]++;
        h->accepted += d->accepted != NULL && d->accepted->stands;
    }
    qsort(h->rows, count, sizeof(const struct judged *), by_page);
    h->row_count = count - h->counts[VERDICT_NOT_APPLICABLE];
    for (size_t i = 0; i < h->row_count && h->first == NULL; i++) {
        if (h->rows[i]->verdict.kind == VERDICT_FAIL && h->rows[i]->gates)
            h->first = h->rows[i];
    }
    for (size_t i = 0; i < g->phase_count; i++)
        h->requests += g->phases[i].requests;
    choose_shown(h);
}

static void add_embedded(struct text *to, const unsigned char *at, size_t len)
{
    text_add_bytes(to, (struct bytes){at, len});
}

static void add_head(struct html *h)
{
    struct text *to = h->to;
    text_add(to,
             "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
             "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
             "'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">",
             embed_report_css_sha256, embed_report_js_sha256);
    text_add(to,
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta "
             "name=\"color-scheme\" content=\"light dark\"><title>%s",
             report_outcome(report_exit(h->report)));
    if (h->first != NULL) {
        text_add(to, ": ");
        html_text(to, h->first->on);
    }
    text_add(to, ", meshproof run ");
    html_text(to, report_run_text(h->report->journal, "run"));
    text_add(to, "</title><style>");
    add_embedded(to, embed_report_css, embed_report_css_len);
    text_add(to, "</style></head>\n<body>%s<a class=\"skip\" href=\"#%s\">Skip to the %s</a>\n",
             symbols, h->row_count > 0 ? "claims" : "facts", h->row_count > 0 ? "claims" : "facts");
}

static void add_top(struct html *h)
{
    const struct journal *j = h->report->journal;
    char when[40] = "";
    time_t wall =
        (time_t)(json_integer_value(json_object_get(j->run, "wall_ns")) / (json_int_t)NS_PER_S);
    struct tm utc;
    if (gmtime_r(&wall, &utc) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &utc);
    uint64_t zero = report_zero_ns(j), end = zero;
    for (size_t i = 0; i < j->phase_count; i++) {
        if (j->phases[i].t1_ns != UINT64_MAX && j->phases[i].t1_ns > end)
            end = j->phases[i].t1_ns;
    }
    uint64_t s = (end - zero) / NS_PER_S;
    text_add(h->to, "<header class=\"top\"><div class=\"wrap\"><p class=\"crumb\"><b>meshproof</b> "
                    "<span class=\"mute\">");
    html_text(h->to, h->report->plan != NULL ? h->report->plan->suite : "");
    text_add(h->to,
             "</span> <span class=\"mute nw\">%s, %llu min %02llu s</span> <span "
             "class=\"mute\">run <span class=\"m\">",
             when, (unsigned long long)(s / 60), (unsigned long long)(s % 60));
    html_text(h->to, report_run_text(j, "run"));
    text_add(h->to, "</span></span></p></div></header>\n<main class=\"wrap\">\n");
}

/* All charts, so that the jump bar knows which there are. */
static bool draw(struct html *h, struct drawn *all, size_t *ret_count, struct error *err)
{
    size_t count, kept = 0;
    const struct chart *charts = charts_all(&count);
    bool good = true;
    INVARIANT(count <= CHARTS_MOST);
    for (size_t i = 0; i < count && good && h->requests > 0; i++) {
        struct drawn *d = &all[kept];
        struct svg svg = {.to = &d->svg, .id = charts[i].name, .coarse = h->coarse};
        *d = (struct drawn){.chart = &charts[i]};
        text_init(&d->svg, MAX_BYTES);
        good = charts[i].write(h->report, &svg, &d->note, err);
        if (good && !d->note.left_out) {
            kept++;
            continue;
        }
        if (good && d->note.asked_for) {
            if (h->absent.len > 0)
                text_add(&h->absent, "<br>");
            text_add(&h->absent, "%s: ", charts[i].heading);
            html_text(&h->absent, d->note.text);
        }
        text_release(&d->svg);
    }
    *ret_count = kept;
    return good;
}

static void add_jump(struct html *h, const struct drawn *all, size_t count)
{
    struct text *to = h->to;
    text_add(to, "<nav aria-label=\"Sections\" class=\"toc\"><div>");
    if (h->row_count > 0)
        text_add(to, "<a href=\"#claims\">Claims</a>");
    if (h->shown != NULL)
        text_add(to, "<a href=\"#failure\">First failure</a>");
    for (size_t i = 0; i < count; i++)
        text_add(to, "<a href=\"#%s\">%s</a>", all[i].chart->name, all[i].chart->jump);
    if (html_has_controls(h))
        text_add(to, "<a href=\"#controls\">Controls</a>");
    text_add(to, "<a href=\"#again\">Run it again</a>");
    if (html_has_policy(h))
        text_add(to, "<a href=\"#policy\">Policy</a>");
    text_add(to, "</div></nav>\n");
}

static void add_chart(struct html *h, const struct drawn *d)
{
    html_section(h->to, d->chart->name, d->chart->heading);
    if (d->note.text[0] != '\0') {
        text_add(h->to, "<p class=\"sub\">");
        html_text(h->to, d->note.text);
        text_add(h->to, "</p>");
    }
    text_add_bytes(h->to, bytes_of(text_get(&d->svg)));
    html_section_end(h->to);
}

/* Two that do not take the whole width stand side by side. */
static void add_charts(struct html *h, const struct drawn *all, size_t count)
{
    bool pair = false;
    for (size_t i = 0; i < count; i++) {
        bool whole = all[i].chart->whole;
        if (pair == whole)
            text_add(h->to, whole ? "</div>\n" : "<div class=\"two\">");
        pair = !whole;
        add_chart(h, &all[i]);
    }
    if (pair)
        text_add(h->to, "</div>\n");
}

static void add_foot(struct html *h)
{
    if (html_has_controls(h)) {
        text_add(h->to, "<div class=\"two w\">");
        html_controls(h);
        text_add(h->to, "<div>");
    }
    html_again(h);
    html_facts(h);
    if (html_has_controls(h))
        text_add(h->to, "</div></div>\n");
    if (html_has_policy(h))
        html_policy(h);
    text_add(h->to,
             "</main>\n<footer class=\"wrap mute\">meshproof %s. Nothing on this page was "
             "fetched from elsewhere.</footer>\n",
             h->report->version);
    html_island(h);
    text_add(h->to, "<script>");
    add_embedded(h->to, embed_report_js, embed_report_js_len);
    text_add(h->to, "</script></body></html>\n");
}

static bool add_page(struct html *h, struct error *err)
{
    struct drawn all[CHARTS_MOST];
    size_t count = 0;
    text_init(&h->absent, 65536);
    bool good = draw(h, all, &count, err);
    if (good) {
        add_head(h);
        add_top(h);
        html_banner(h);
        add_jump(h, all, count);
        if (h->row_count > 0)
            html_claims(h);
        html_failure(h);
        add_charts(h, all, count);
        add_foot(h);
    }
    for (size_t i = 0; i < count; i++)
        text_release(&all[i].svg);
    text_release(&h->absent);
    return good;
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    struct text t;
    struct report with = *report;
    struct scene *scene = report->scene == NULL ? scene_new(report) : NULL;
    with.scene = scene == NULL ? report->scene : scene;
    struct html h = {.report = &with, .to = &t};
    bool good = true;
    text_init(&t, MAX_BYTES);
    gather(&h);
    for (h.coarse = 0; good && h.coarse <= HTML_COARSE_MOST; h.coarse++) {
        text_clear(&t);
        good = add_page(&h, err);
        if (t.len <= HTML_BUDGET_BYTES)
            break;
    }
    if (good && t.full)
        good = error_set(err, ERROR_LIMIT, "the HTML report is longer than the %zu bytes allowed",
                         MAX_BYTES);
    if (good && fwrite(text_get(&t), 1, t.len, to) != t.len)
        good = error_set(err, ERROR_SYSTEM, "the HTML report could not be written whole");
    text_release(&t);
    free(h.rows);
    scene_free(scene);
    return good;
}

const struct report_writer report_writer_html = {"html", "one page that shows it all", write};
