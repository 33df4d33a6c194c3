#ifndef REPORTS_HTML_MEANING_H
#define REPORTS_HTML_MEANING_H

/* What a line of the policy means for the declared target: the values of the effective policies of
 * the run's edges that come from it. */

#include "base/arena.h"
#include "reports/html.h"

#define MEANING_EDGES 16

struct meaning {
    struct arena arena;
    struct edge_policy edges[MEANING_EDGES];
    size_t edge_count;
};

/* Edges of the subject; what cannot be read is left out. */
void meaning_open(struct meaning *m, const struct journal *j);
void meaning_release(struct meaning *m);
/* "retry.attempts 3", each wording once; false: no value comes from that line. ${to} may be NULL.
 */
bool meaning_add(const struct meaning *m, const char *file, uint64_t line, struct text *to);

#endif
