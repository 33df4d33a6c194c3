#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

/* What a run prints while it goes on, on stderr: one line an event. On a terminal the last line
 * shows the phase and is rewritten; elsewhere nothing is. The report goes to stdout. */

#include "cli/prepare.h"

struct progress {
    bool quiet, terminal, line_open;
};
void progress_init(struct progress *p, bool quiet, bool plain);
void progress_begin(struct progress *p, const struct prepared *prepared, const char *journal);
void progress_say(struct progress *p, const char *text);
void progress_on_event(void *cookie, const struct engine_event *event);
void progress_end(struct progress *p);

#endif
