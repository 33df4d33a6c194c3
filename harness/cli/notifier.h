#ifndef CLI_NOTIFIER_H
#define CLI_NOTIFIER_H

/* Tells others of a run (notify.*): looks on, and gives each who wants to know a message. A message
 * that does not arrive is a line of the log, at the run's end, and nothing else. */

#include "cli/event_post.h"
#include "cli/onlooker.h"
#include "reports/report.h"

struct notifier;
/* Starts whoever sends; says on stderr who cannot be told, and why. Before the engine runs: it
 * forks. NULL: nobody is to be told. ${cluster}: where the run's Services are; NULL: the run is not
 * in one. */
struct notifier *notifier_start(const struct plan *plan, const char *run,
                                const struct event_target *cluster);
/* Its hooks; does nothing for NULL. */
void notifier_look_on(struct notifier *n, struct onlookers *onlookers);
/* The verdicts that are no PASS (event "verdict"); ${report} of this run. NULL is fine. */
void notifier_verdicts(struct notifier *n, const struct report *report);
/* The last message (event "end"), and waits a few seconds for what is under way; says what failed,
 * and frees. NULL is fine. ${outcome}: "PASS", "ABORTED", ... */
void notifier_end(struct notifier *n, const char *outcome, int code, const char *journal);

#endif
