#include "reports/html.h"

#include "verify/exception.h"

/* The claims: one table, which the style sheet makes cards of on narrow screens. FAIL and
 * INCONCLUSIVE rows never fold; many PASS rows fold by family (ui.md 2, 8). */

#define LINKED_MOST 20 /* rows that link to their request's name */

static void add_title(struct html *h, const char *text)
{
    struct bytes from = bytes_of(text);
    if (from.len > 0 && from.at[0] >= 'a' && from.at[0] <= 'z') {
        text_add(h->to, "%c", from.at[0] - 'a' + 'A');
        from.at++;
        from.len--;
    }
    html_bytes(h->to, from);
}

/* An await of a fault is on no edge. */
static void add_place(struct html *h, const struct judged *d)
{
    if (d->on != NULL) {
        html_edge(h->to, d->on);
        text_add(h->to, ", ");
    }
    html_where(h, d);
}

static void add_claim(struct html *h, const struct judged *d)
{
    const struct verdict *v = &d->verdict;
    text_add(h->to, "<th scope=\"row\" data-h=\"Claim\"><span class=\"ct\">");
    add_title(h, v->policy != NULL ? v->policy : d->claim->help);
    text_add(h->to, "</span><span class=\"pol\"><span class=\"m\">%s</span> ", d->claim->id);
    add_place(h, d);
    text_add(h->to, "</span>");
    if (v->policy_line.file != NULL || v->policy_origin != NULL) {
        text_add(h->to, "<span class=\"pol\">");
        html_policy_of(h, v);
        text_add(h->to, "</span>");
    }
    text_add(h->to, "</th>");
}

static void add_accepted(struct html *h, const struct judged *d)
{
    char said[200];
    if (d->accepted == NULL)
        return;
    text_add(h->to, "<span class=\"pol\">");
    html_text(h->to, accepted_print(d->accepted, said, sizeof(said)));
    text_add(h->to, "; ");
    html_text(h->to, d->accepted->owner);
    text_add(h->to, ": ");
    html_text(h->to, d->accepted->reason);
    text_add(h->to, "</span>");
}

/* What was seen; of a row that has a request of its own, where to see it. */
static void add_seen(struct html *h, const struct judged *d, bool linked)
{
    const struct verdict *v = &d->verdict;
    char name[128];
    text_add(h->to, "<td data-h=\"Seen\">");
    html_text(h->to, v->text);
    if (d == h->shown) {
        text_add(h->to, " <a class=\"nw\" href=\"#failure\">one request, step by step</a>");
    } else if (linked && v->kind == VERDICT_FAIL && (v->witness_hi != 0 || v->witness_lo != 0)) {
        request_name_print(h->report->journal, v->witness_hi, v->witness_lo, name, sizeof(name));
        text_add(h->to, " <span class=\"pol m\">show --request ");
        html_text(h->to, name);
        text_add(h->to, "</span>");
    }
    if (v->kind != VERDICT_INCONCLUSIVE && v->certain != NULL) {
        text_add(h->to, "<span class=\"pol mute\">");
        html_text(h->to, v->certain);
        text_add(h->to, "</span>");
    }
    add_accepted(h, d);
    if (d->note != NULL) {
        text_add(h->to, "<span class=\"pol mute\">");
        html_text(h->to, d->note);
        text_add(h->to, "</span>");
    }
    text_add(h->to, "</td>");
}

static const char *why_name(enum why why)
{
    switch (why) {
    case WHY_NONE:
        return "";
    case WHY_NEVER_FIRED:
        return "never fired";
    case WHY_TOO_FEW:
        return "too few";
    case WHY_STALLED:
        return "stalled";
    case WHY_CAPABILITY:
        return "not possible here";
    case WHY_INSTRUMENT:
        return "the instrument";
    case WHY_LOST:
        return "records lost";
    case WHY_NOT_ENDED:
        return "not ended";
    case WHY_NOT_REPEATED:
        return "not repeated";
    case WHY_EXPIRED:
        return "expired";
    case WHY_FAULT_EXPIRED:
        return "fault expired";
    }
    UNREACHABLE();
}

static void add_evidence(struct html *h, const struct verdict *v)
{
    uint64_t n = v->eligible != 0 ? v->eligible : v->seen;
    text_add(h->to, "<td data-h=\"Evidence\" class=\"ev\">");
    if (v->unit != NULL) {
        html_count(h->to, n);
        text_add(h->to, " ");
        html_text(h->to, v->unit);
    }
    if (v->kind == VERDICT_INCONCLUSIVE && v->why != WHY_NONE)
        text_add(h->to, "%s%s", v->unit != NULL ? ", " : "", why_name(v->why));
    text_add(h->to, "</td>");
}

static void add_row(struct html *h, size_t i)
{
    const struct judged *d = h->rows[i];
    const struct verdict *v = &d->verdict;
    const char *kind = html_kind(v->kind);
    text_add(h->to, "<tr id=\"c%zu\" data-v=\"%s\" class=\"r-%s\"><td data-h=\"Verdict\">", i + 1,
             kind, kind);
    html_verdict(h->to, v->kind);
    if (d->accepted != NULL && d->accepted->stands)
        text_add(h->to, "<span class=\"pol\">accepted</span>");
    text_add(h->to, "</td>");
    add_claim(h, d);
    add_seen(h, d, i < LINKED_MOST);
    add_evidence(h, v);
    text_add(h->to, "<td data-h=\"Would change it\" class=\"mute\">");
    if (v->kind == VERDICT_INCONCLUSIVE)
        html_text(h->to, v->needs);
    else if (v->kind != VERDICT_NOT_APPLICABLE)
        html_text(h->to, html_change(d->claim, v->kind));
    text_add(h->to, "</td></tr>\n");
}

static size_t family_len(const struct judged *d)
{
    return strcspn(d->claim->id, "._");
}

static bool same_family(const struct judged *a, const struct judged *b)
{
    return family_len(a) == family_len(b) &&
           strncmp(a->claim->id, b->claim->id, family_len(a)) == 0;
}

/* One of a fold: its id, where, and what was seen. */
static void add_folded(struct html *h, size_t i)
{
    const struct judged *d = h->rows[i];
    text_add(h->to, "<li id=\"c%zu\"><span class=\"m\">%s</span> ", i + 1, d->claim->id);
    add_place(h, d);
    text_add(h->to, ": ");
    html_text(h->to, d->verdict.text);
    html_mark(h->to, d->verdict.policy_line, NULL);
    text_add(h->to, "</li>");
}

/* All PASS rows of the family of row ${i}, which is its first. */
static void add_fold(struct html *h, size_t i)
{
    size_t count = 0;
    for (size_t k = i; k < h->row_count; k++)
        count += same_family(h->rows[k], h->rows[i]);
    text_add(h->to, "<tr data-v=\"pass\" data-n=\"%zu\" class=\"r-pass\"><td data-h=\"Verdict\">",
             count);
    html_verdict(h->to, VERDICT_PASS);
    text_add(h->to,
             "</td><td colspan=\"4\"><details><summary>%zu claim%s of <span "
             "class=\"m\">%.*s</span> held</summary><ul>",
             count, count == 1 ? "" : "s", (int)family_len(h->rows[i]), h->rows[i]->claim->id);
    for (size_t k = i; k < h->row_count; k++) {
        if (same_family(h->rows[k], h->rows[i]))
            add_folded(h, k);
    }
    text_add(h->to, "</ul></details></td></tr>\n");
}

static bool is_first_of_family(const struct html *h, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (h->rows[k]->verdict.kind == VERDICT_PASS && same_family(h->rows[k], h->rows[i]))
            return false;
    }
    return true;
}

/* The more there are, the smaller the families that fold. */
static bool folds(const struct html *h, size_t i)
{
    size_t pass = h->counts[VERDICT_PASS], count = 0;
    size_t most = pass > HTML_FOLD_ALL ? 1 : pass > HTML_FOLD_ROWS ? 4 : 12;
    if (h->rows[i]->verdict.kind != VERDICT_PASS)
        return false;
    for (size_t k = 0; k < h->row_count; k++)
        count += h->rows[k]->verdict.kind == VERDICT_PASS && same_family(h->rows[k], h->rows[i]);
    return count > most;
}

static void add_rows(struct html *h)
{
    size_t end = h->row_count;
    if (h->report->all)
        end += h->counts[VERDICT_NOT_APPLICABLE];
    for (size_t i = 0; i < end; i++) {
        if (!folds(h, i))
            add_row(h, i);
        else if (is_first_of_family(h, i))
            add_fold(h, i);
    }
}

static void add_filter(struct html *h)
{
    static const struct {
        enum verdict_kind kind;
        const char *word;
    } all[] = {
        {VERDICT_FAIL, "fail"}, {VERDICT_INCONCLUSIVE, "inconclusive"}, {VERDICT_PASS, "pass"}};
    text_add(h->to,
             "<div class=\"flt\" hidden role=\"group\" aria-label=\"Show claims\"><button "
             "type=\"button\" data-f=\"\" aria-pressed=\"true\">All %zu</button>",
             h->row_count);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (h->counts[all[i].kind] > 0)
            text_add(h->to,
                     "<button type=\"button\" data-f=\"%s\" aria-pressed=\"false\">%zu "
                     "%s</button>",
                     html_kind(all[i].kind), h->counts[all[i].kind], all[i].word);
    }
    text_add(h->to, "<span id=\"flt-s\" role=\"status\" class=\"mute\"></span></div>\n");
}

/* What the policy says and no phase asks: the outcome says nothing of it. */
static void add_unasked(struct html *h)
{
    const struct plan *plan = h->report->plan;
    for (size_t i = 0; plan != NULL && i < plan->scenario_count; i++) {
        const struct scenario *s = &plan->scenarios[i];
        for (size_t k = 0; k < s->unasked_count; k++) {
            const struct unasked *u = &s->unasked[k];
            text_add(h->to, "<p class=\"sub unasked\">Not asked in ");
            html_text(h->to, s->name);
            text_add(h->to, ": <span class=\"m\">");
            for (size_t n = 0; n < u->claim_count; n++) {
                text_add(h->to, "%s", n == 0 ? "" : ", ");
                html_text(h->to, u->claims[n]);
            }
            text_add(h->to, "</span>: ");
            html_text(h->to, u->why);
            text_add(h->to, "</p>\n");
        }
    }
}

void html_claims(struct html *h)
{
    size_t files = json_array_size(json_object_get(h->report->journal->policy, "files"));
    struct text heading;
    text_init(&heading, 200);
    text_add(&heading, "%zu claim%s", h->row_count, h->row_count == 1 ? "" : "s");
    if (files > 0)
        text_add(&heading, ", from %zu policy file%s", files, files == 1 ? "" : "s");
    html_section(h->to, "claims", text_get(&heading));
    text_release(&heading);
    add_filter(h);
    text_add(h->to, "<table class=\"claims\"><thead><tr><th scope=\"col\">Verdict</th><th "
                    "scope=\"col\">Claim, and the line it comes from</th><th "
                    "scope=\"col\">Seen</th><th scope=\"col\">Evidence</th><th "
                    "scope=\"col\">Would change it</th></tr></thead><tbody>\n");
    add_rows(h);
    text_add(h->to, "</tbody></table>");
    add_unasked(h);
    html_section_end(h->to);
}
