#ifndef REPORTS_HTML_H
#define REPORTS_HTML_H

/* The HTML report (spec/ui.md): html.c writes the page front to back, one file a part. Nothing here
 * holds a tree; each part appends to ${h->to}. The same report gives the same bytes. */

#include "reports/chart.h"

#define HTML_BUDGET_BYTES ((size_t)300 * 1000)
#define HTML_COARSE_MOST 8
#define HTML_FOLD_ROWS 24 /* past so many PASS rows their larger families fold, */
#define HTML_FOLD_ALL 60  /* past these all families of more than one */

struct html {
    const struct report *report;
    struct text *to;
    unsigned coarse;            /* see struct svg */
    const struct judged **rows; /* of the subject, in the order of the page */
    size_t row_count;           /* that were judged; not applicable ones are behind them */
    size_t counts[4];           /* by enum verdict_kind */
    size_t accepted;            /* of the FAILs: somebody answers for them */
    const struct judged *first; /* the first FAIL that gates, else the first FAIL; may be NULL */
    const struct judged *shown; /* whose request is drawn; NULL: none has a witness */
    uint64_t requests;          /* of all phases */
    struct text absent;         /* what the suite asked for and is not on the page, as <dd> */
};

/* enum verdict_kind as a class and as the id of a symbol: "pass", "v-pass". */
const char *html_kind(enum verdict_kind kind);
/* The shape and the word: "FAIL". */
void html_verdict(struct text *to, enum verdict_kind kind);
/* The shape alone, hidden from screen readers. */
void html_glyph(struct text *to, const char *symbol);
/* "client -> payments" with an arrow. */
void html_edge(struct text *to, const char *edge);
/* " k8s/payments.yaml:14", or the origin of a value that no file has. */
void html_mark(struct text *to, struct source source, const char *origin);
/* The line as its author wrote it, without its indent; NULL: the journal does not hold it. ${to} is
 * changed. */
const char *html_policy_line(const struct journal *j, struct source source, struct text *to);
/* The line that a verdict rests on: quoted where the journal holds it, and its mark. */
void html_policy_of(struct html *h, const struct verdict *v);
/* "in <phase>". */
void html_where(struct html *h, const struct judged *d);
/* <pre><code>meshproof ...</code></pre> of what a user can type. */
void html_command(struct text *to, const char *format, const char *run);
/* What would change a verdict that is no INCONCLUSIVE (ui.md 7): see changes.def. "" if unknown. */
const char *html_change(const struct claim_type *claim, enum verdict_kind kind);
/* A section's beginning, with the id ${name} and its heading; and its end. */
void html_section(struct text *to, const char *name, const char *heading);
void html_section_end(struct text *to);

void html_banner(struct html *h);
void html_claims(struct html *h);
/* Nothing where ${h->shown} is NULL. */
void html_failure(struct html *h);
/* The drawing of html_failure. */
struct tries;
/* "declared 0 to 25 ms", for the gap before try ${i} of ${tries}; false: nothing declares it. */
bool html_band(const struct html *h, const struct tries *tries, size_t i, struct text *to);
void html_sequence(struct html *h, const struct tries *tries, struct svg *svg);
bool html_has_controls(const struct html *h);
void html_controls(struct html *h);
void html_again(struct html *h);
void html_facts(struct html *h);
/* A row of the facts; nothing where nobody was asked and nobody paused. */
void html_people(struct html *h);
bool html_has_policy(const struct html *h);
void html_policy(struct html *h);
/* The data island that the crosshair reads. */
void html_island(struct html *h);

#endif
