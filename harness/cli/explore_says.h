#ifndef CLI_EXPLORE_SAYS_H
#define CLI_EXPLORE_SAYS_H

/* What explore prints: a line a trial while it goes on (stderr), and at the end what was found
 * (stdout); with --json one object a line instead, all on stdout. */

#include "cli/explore_lab.h"

struct explore_says {
    bool quiet, json;
    uint64_t begin_ns, budget_ns;
    uint32_t replays;
    const char *suite, *seed_text, *words; /* words: the faults, as in --faults */
    const char *options; /* what the saved suite cannot say, for `again`; "" or " --x y" */
};
void explore_say_begin(const struct explore_says *s, const struct space *spaces, size_t count);
/* explore_lab.on_trial; the cookie is a struct explore_says. */
void explore_say_trial(void *cookie, const struct trial *t, const struct trial_result *result);

/* How it ended. ${file}: the saved suite, ${suite}: its text; "" when none was made. */
struct explore_end {
    const struct search_result *result;
    const struct explore_lab *lab;
    const struct space *spaces;
    const char *file, *suite;
    int code;
};
void explore_say_end(const struct explore_says *s, const struct explore_end *e);
/* The evidence of what was found: of the smallest schedule, or of the drawn one. */
const struct explore_evidence *explore_evidence_of(const struct explore_lab *lab);

#endif
