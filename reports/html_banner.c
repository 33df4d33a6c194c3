#include "base/clock.h"
#include "reports/html.h"
#include "reports/html_end.h"
#include "reports/text_aborted.h"

/* The first second and the first five of a reader (ui.md 1): shape, word, one sentence. */

static void add_symbol(struct html *h, const char *symbol, const char *class)
{
    text_add(h->to, "<svg class=\"vg %s\" aria-hidden=\"true\"><use href=\"#v-%s\"/></svg>", class,
             symbol);
}

static const char *place_of(const struct judged *d)
{
    return d->on == NULL ? "" : d->on;
}

/* The edge that it is about: of the first failure, else the one of all rows, else none. */
static const char *subject(const struct html *h)
{
    if (h->first != NULL)
        return place_of(h->first);
    const char *on = h->row_count > 0 ? place_of(h->rows[0]) : "";
    for (size_t i = 0; i < h->row_count; i++) {
        const char *each = place_of(h->rows[i]);
        if (strcmp(each, on) != 0 && strstr(each, "->") != NULL) {
            if (strstr(on, "->") != NULL)
                return "";
            on = each;
        }
    }
    return on;
}

static void say_fail(struct html *h)
{
    const struct judged *d = h->first;
    size_t more = 0; /* that gate, too */
    for (size_t i = 0; i < h->row_count; i++)
        more += h->rows[i] != d && h->rows[i]->verdict.kind == VERDICT_FAIL && h->rows[i]->gates;
    text_add(h->to, "Seen ");
    html_where(h, d);
    text_add(h->to, ": <b>");
    html_text(h->to, d->verdict.text);
    text_add(h->to, "</b>");
    if (d->verdict.policy != NULL) {
        text_add(h->to, "; declared: ");
        html_text(h->to, d->verdict.policy);
    }
    text_add(h->to, ".");
    for (size_t i = 0, told = 0; i < h->row_count && more > 0 && told <= 3; i++) {
        if (h->rows[i] == d || h->rows[i]->verdict.kind != VERDICT_FAIL || !h->rows[i]->gates)
            continue;
        told++;
        if (told > 3) {
            text_add(h->to, " and %zu more", more - 3);
            break;
        }
        text_add(h->to, told == 1 ? " Also failed: " : ", ");
        text_add(h->to, "<span class=\"m\">%s</span>", h->rows[i]->claim->id);
    }
    text_add(h->to, more > 0 ? "." : "");
}

static void say_open(struct html *h)
{
    const struct judged *d = NULL;
    size_t open = h->counts[VERDICT_INCONCLUSIVE];
    for (size_t i = 0; i < h->row_count && d == NULL; i++) {
        if (h->rows[i]->verdict.kind == VERDICT_INCONCLUSIVE)
            d = h->rows[i];
    }
    if (d == NULL) {
        text_add(h->to, h->row_count == 0
                            ? "No claim was judged."
                            : "Nothing failed, but the run's own record is not whole.");
        return;
    }
    text_add(h->to, "%zu of %zu claims could not be decided. <span class=\"m\">%s</span>: ", open,
             h->row_count, d->claim->id);
    html_text(h->to, d->verdict.text);
    if (d->verdict.needs != NULL) {
        text_add(h->to, "; <b>needs ");
        html_text(h->to, d->verdict.needs);
        text_add(h->to, "</b>");
    }
    text_add(h->to, ".");
}

static void say_pass(struct html *h)
{
    const struct judgement *g = h->report->judgement;
    size_t broken = 0, caught = 0;
    for (size_t i = 0; i < g->control_count; i++) {
        bool right = strcmp(g->controls[i].name, "right") == 0;
        broken += !right;
        caught += !right && g->controls[i].as_it_must;
    }
    text_add(h->to, "<b>%zu claim%s held</b> on ", h->counts[VERDICT_PASS],
             h->counts[VERDICT_PASS] == 1 ? "" : "s");
    html_count(h->to, h->requests);
    text_add(h->to, " request%s", h->requests == 1 ? "" : "s");
    if (broken == 0)
        text_add(h->to, "; no broken mesh was judged beside it");
    else if (caught == broken)
        text_add(h->to,
                 broken == 1   ? "; the broken mesh was caught"
                 : broken == 2 ? "; both broken meshes were caught"
                               : "; all %zu broken meshes were caught",
                 broken);
    else
        text_add(h->to, "; %zu of %zu broken meshes were caught", caught, broken);
    if (h->accepted > 0)
        text_add(h->to, "; %zu failure%s accepted, and somebody answers for %s", h->accepted,
                 h->accepted == 1 ? " is" : "s are", h->accepted == 1 ? "it" : "them");
    text_add(h->to, ".");
}

static void add_tally(struct html *h, int code)
{
    static const struct {
        enum verdict_kind kind;
        const char *word;
    } counted[] = {
        {VERDICT_FAIL, "fail"}, {VERDICT_INCONCLUSIVE, "inconclusive"}, {VERDICT_PASS, "pass"}};
    struct text *to = h->to;
    text_add(to, "<div class=\"tally\">");
    if (h->row_count > 0)
        text_add(to, "<span class=\"strip\">");
    for (size_t i = 0; i < h->row_count && h->row_count <= 60; i++) {
        const struct judged *d = h->rows[i];
        const char *kind = html_kind(d->verdict.kind);
        text_add(to,
                 "<a href=\"#c%zu\" class=\"%s\" title=\"%s\"><svg class=\"g\" role=\"img\" "
                 "aria-label=\"%s: %s\"><use href=\"#v-%s\"/></svg></a>",
                 i + 1, kind, d->claim->id, d->claim->id, verdict_kind_name(d->verdict.kind), kind);
    }
    if (h->row_count > 0)
        text_add(to, "</span>");
    for (size_t i = 0; i < COUNT_OF(counted); i++) {
        size_t n = h->counts[counted[i].kind];
        if (n > 0)
            text_add(to, "<span class=\"nw\"><b class=\"%s\">%zu %s</b></span> ",
                     html_kind(counted[i].kind), n, counted[i].word);
    }
    text_add(to, "<span class=\"mute nw\">exit code %d</span></div>", code);
}

static void add_word(struct html *h, int code, const char *class)
{
    static const char *const words[] = {"PASS", "FAIL", "INCONCLUSIVE", "ABORTED",
                                        "NOTHING WAS ASSERTED"};
    const char *on = subject(h);
    text_add(h->to, "<div><h1><span class=\"%s\">%s", class, words[code]);
    if (code == 3)
        text_add(h->to, "%s", aborted_by(h->report));
    text_add(h->to, "</span>");
    if (on[0] != '\0') {
        text_add(h->to, " <span class=\"edge m\">");
        html_edge(h->to, on);
        text_add(h->to, "</span>");
    }
    text_add(h->to, "</h1>\n<p class=\"why\">");
}

static void say(struct html *h, int code)
{
    switch (code) {
    case 0:
        say_pass(h);
        break;
    case 1:
        if (h->first != NULL)
            say_fail(h);
        else
            say_open(h);
        break;
    case 3:
        html_end_abort(h);
        break;
    case 4:
        html_end_surroundings(h);
        break;
    default:
        say_open(h);
    }
}

void html_banner(struct html *h)
{
    static const char *const symbols[] = {"pass", "fail", "inc", "abort", "abort"};
    static const char *const classes[] = {"pass", "fail", "inc", "fail", "inc"};
    int code = report_exit(h->report);
    html_end_left(h);
    text_add(h->to, "<div class=\"verdict b-%s%s\"><div class=\"vw\">", classes[code],
             code == 2 ? " dashed" : "");
    add_symbol(h, symbols[code], classes[code]);
    add_word(h, code, classes[code]);
    say(h, code);
    text_add(h->to, "</p>");
    if (code == 2)
        html_command(h->to, "meshproof run --rerun RUN",
                     report_run_text(h->report->journal, "run"));
    html_end_note(h, code);
    text_add(h->to, "</div></div>\n");
    add_tally(h, code);
    text_add(h->to, "</div>\n");
}
