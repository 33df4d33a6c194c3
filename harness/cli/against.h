#ifndef CLI_AGAINST_H
#define CLI_AGAINST_H

/* The journals of other runs that a plan's tails are judged against: `run "NAME"` of its
 * expectations, or the one of --against in the place of all of them. */

#include "plan/plan.h"
#include "verify/baseline.h"

#define AGAINST_MOST 16

struct against {
    struct baseline rows[AGAINST_MOST];
    struct journal *journals[AGAINST_MOST]; /* NULL where it could not be opened */
    char names[AGAINST_MOST][300], why[AGAINST_MOST][300];
    size_t count;
};
/* Opens them. One that a suite names and that is not there is no error here: its claim says so.
 * ${given}: --against; it must be a journal, and some expectation must ask for a run. */
bool against_open(struct against *a, const struct plan *plan, const char *given,
                  struct error *err) WARN_UNUSED;
void against_release(struct against *a);
/* Before a run: says on stderr which of them are not there. The first run of a suite has none. */
void against_say(const struct plan *plan);

#endif
