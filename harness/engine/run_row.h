#ifndef ENGINE_RUN_ROW_H
#define ENGINE_RUN_ROW_H

/* The rows of the journal that are the run's own: what begins it, and what ends it. */

#include "engine/engine.h"
#include "journal/store.h"

/* Run, plan, policy, and the conductor as process ${proc}; committed. */
bool run_row_head(struct store *s, uint32_t proc, const struct engine_options *options,
                  const struct plan *plan, struct error *err) WARN_UNUSED;
/* The end row: without it every verdict is INCONCLUSIVE, so a failure to write it is the run's. */
bool run_row_end(struct store *s, const char *how, bool complete, int signals,
                 struct error *err) WARN_UNUSED;

#endif
