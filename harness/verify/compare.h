#ifndef VERIFY_COMPARE_H
#define VERIFY_COMPARE_H

/* `meshproof compare`: two judged runs, the earlier one first (spec/scenario-language.md 6): what
 * became of each claim, the tries that a request took, and quantiles of latency, each difference
 * with its bounds. Pure, as the judge is: nothing but the two journals and their judgements. */

#include "verify/hearing.h"

#define COMPARE_RATIO 1.25 /* no worse than this: what expect.tail allows, too */
#define COMPARE_BAND 0.01  /* of not holding the truth: of each band that is printed */
#define COMPARE_SAID_MOST 64

struct compare_side {
    const struct journal *journal;
    const struct judgement *judgement;
};
struct compare_options {
    const char
        *claim; /* id, word or family: these verdicts, and no number but ${quantile}; NULL: all */
    double quantile; /* this one alone; 0: each that the counts allow */
};

enum compare_state {
    COMPARE_SAME, /* a claim as before; a number no worse than COMPARE_RATIO */
    COMPARE_BETTER,
    COMPARE_WORSE,
    COMPARE_OPEN,  /* it cannot be told */
    COMPARE_SHOWN, /* told, but it decides nothing: ${why} */
};
/* One claim at one place. Borrows from the judgements. */
struct compared_claim {
    const struct judged *before, *after; /* NULL: not asked in that run */
    enum compare_state state;
};
struct compared_number {
    double quantile;                   /* of latency, in ns; 0: tries a request */
    const char *scenario, *phase, *on; /* phase NULL: over all phases */
    uint64_t n_before, n_after;        /* requests */
    uint64_t needed;                   /* not told: so many on each side */
    bool told;
    double before, after;
    double low, high; /* of the difference of tries, of the ratio of latencies */
    enum compare_state state;
    const char *why; /* of OPEN and SHOWN; NULL: none */
};
struct compare_said {
    const char *text;
    bool open; /* it stands in the way of an answer */
};
struct comparison {
    struct compared_claim *claims;
    size_t claim_count;
    struct compared_number *numbers;
    size_t number_count, number_room;
    struct compare_said said[COMPARE_SAID_MOST];
    size_t said_count;
    bool same_policy, same_host;
    size_t pass[2], fail[2], inconclusive[2]; /* of the claims compared, before and after */
    struct arena arena;
};
/* False: a journal's plan or policy cannot be read. */
bool compare_runs(const struct compare_side *before, const struct compare_side *after,
                  const struct compare_options *options, struct comparison *ret,
                  struct error *err) WARN_UNUSED;
void comparison_release(struct comparison *c);
/* FAIL: something is worse; INCONCLUSIVE: something could not be compared. */
enum verdict_kind comparison_outcome(const struct comparison *c);
/* "p99", "p99.9"; "tries/request" for 0. Returns ${to}. */
const char *compare_number_name(double quantile, char *to, size_t size);
/* "p99" or "p99.9": the quantile; false: there is none of that name. */
bool compare_quantile_parse(const char *text, double *ret);
/* ${names}: of the two runs, as the user gave them. */
void comparison_print(const struct comparison *c, const char *const names[2], struct text *to);
json_t *comparison_to_json(const struct comparison *c, const char *const names[2]);

/* --- between the parts --- */
struct comparing {
    struct comparison *c;
    const struct compare_options *options;
    struct hearing before, after;
    double alpha; /* of one side of one decision on a number */
};
void compare_say(struct comparison *c, bool open, const char *format, ...) PRINTF(3, 4);
/* A journal's text with printable characters only. */
const char *compare_clean(struct arena *arena, const char *text);
/* Whether two saved values say the same, but for where they were written and which endpoint was
 * drawn. */
bool compare_same_json(const json_t *a, const json_t *b);
/* What a phase does to the mesh: its loads and faults, without what is expected. The caller's. */
json_t *compare_offer(const json_t *plan, uint32_t scenario, size_t phase);
/* A fault is on in that phase: its own, the scenario's, or one that an earlier phase left. */
bool compare_is_faulty(const struct scenario *s, size_t phase);
void compare_claims(struct comparing *g, const struct judgement *before,
                    const struct judgement *after);
void compare_numbers(struct comparing *g);

#endif
