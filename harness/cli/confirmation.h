#ifndef CLI_CONFIRMATION_H
#define CLI_CONFIRMATION_H

/* The confirmation stage of a run (spec/verifier.md 5.5), as engine_options.repeats asks for it:
 * what FAILed by time or by chance is asked for once more in the same run. */

#include <stddef.h>
#include <stdint.h>

/* The ordinals of ${scenario} that ${arm} is to walk once more, by the judge's look at the journal
 * at ${path} so far, which has walked ${done} repeats; at most ${most}. 0 too when it cannot be
 * read. */
size_t confirmation_asks(const char *path, uint32_t scenario, const char *arm, uint32_t done,
                         uint32_t *ret_ordinals, size_t most);

#endif
