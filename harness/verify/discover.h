#ifndef VERIFY_DISCOVER_H
#define VERIFY_DISCOVER_H

/* `meshproof discover`: the effective policy of one edge from its behaviour alone. A plan that
 * knows no policy probes it (discover_plan.c); what the journal of that run shows is inferred here,
 * one file a part, and put beside what was declared. Pure, as the judge is; nothing is inferred
 * from a declared number, and what the evidence does not tell stays open. */

#include "verify/hearing.h"

#define DISCOVER_ROWS_MOST 64
#define DISCOVER_CONFIDENCE 0.01 /* of being wrong: of each bound that is printed */

struct discover_options {
    uint64_t patience_ns; /* an answer is held so long: longer timeouts are not seen */
    uint64_t eject_ns;    /* an ejection is waited for so long to end */
    const char *method, *path;
    struct source source;
};
/* Fills ${s}'s phases: ${from} -> ${to}, which has ${endpoints}. */
void discover_phases(struct plan *p, struct scenario *s, const char *from, const char *to,
                     uint32_t endpoints, const struct discover_options *options);

enum discover_unit { DISCOVER_COUNT, DISCOVER_NS, DISCOVER_PERCENT, DISCOVER_WORD };
enum discover_verdict {
    DISCOVER_SAME,
    DISCOVER_DIFFERS,
    DISCOVER_OPEN, /* the evidence does not tell */
    DISCOVER_ALONE /* seen, and the policy says nothing of it */
};
/* One value: what was seen, and what was declared. */
struct discovered {
    const char *name; /* "retry.attempts" */
    enum discover_unit unit;
    bool known, none; /* none: there is no such limit, as far as was looked */
    uint64_t best, least, most;
    const char *word;          /* DISCOVER_WORD */
    uint64_t agree, instances; /* how many of how many say so */
    const char *how;           /* "12 of 12 requests", or why it is open */
    const char *declared;      /* as text; NULL: nothing was */
    struct value mark;         /* its line */
    enum discover_verdict verdict;
};
struct discovery {
    struct edge_policy declared, found; /* found: the values that are known */
    struct discovered rows[DISCOVER_ROWS_MOST];
    size_t count;
    uint64_t requests, tries;
    struct arena arena;
};
/* False: it is no journal of such a run. */
bool discover_infer(const struct journal *j, struct discovery *ret, struct error *err) WARN_UNUSED;
void discovery_release(struct discovery *d);
/* FAIL: something differs; INCONCLUSIVE: something that is declared could not be told. */
enum verdict_kind discovery_outcome(const struct discovery *d);
void discovery_print(const struct discovery *d, struct text *to);
json_t *discovery_to_json(const struct discovery *d);

/* --- between the parts --- */
struct discovering {
    struct discovery *d;
    struct hearing h;
    const struct scenario *scenario;
    const struct track *track;
    struct window window; /* of the whole run, for the primitives that want one */
};
/* The phase of that name; false: it did not run. */
bool discover_span(const struct discovering *g, const char *phase, struct span *ret);
/* Our own loops, or the machine, stood still in too much of it. */
bool discover_starved(const struct discovering *g, const struct span *span);
/* A new row, open. ${declared} NULL, or not set: nothing was declared. */
struct discovered *discover_row(struct discovering *g, const char *name, enum discover_unit unit,
                                const struct value *declared);
/* The middle, least and most of ${count} > 0 values, which are put in order. */
void discover_middle(struct discovered *row, uint64_t *values, size_t count);
const char *discover_share(const struct discovering *g, uint64_t agree, uint64_t n,
                           const char *unit);
const char *discover_text(struct discovering *g, enum discover_unit unit, uint64_t number);
void discover_retry(struct discovering *g);
void discover_time(struct discovering *g);
void discover_backoff(struct discovering *g);
void discover_eject(struct discovering *g);
void discover_limits(struct discovering *g);

#endif
