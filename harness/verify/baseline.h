#ifndef VERIFY_BASELINE_H
#define VERIFY_BASELINE_H

/* Another run's journal, against which `expect.tail { against = 'run "NAME"' }` judges. Whoever
 * judges opens it; the judge itself opens nothing. */

#include "journal/journal.h"

struct baseline {
    const char *name; /* as the suite has it; NULL: stands for any */
    const struct journal *journal;
    const char *why; /* journal is NULL: why it is not here */
};
struct baselines {
    const struct baseline *at;
    size_t count;
};
/* 'run "NAME"' of an `against`: writes NAME; false: it is none. */
bool baseline_name(const char *against, char *to, size_t size);
/* NULL: none was given for it. */
const struct baseline *baseline_find(const struct baselines *b, const char *name);

#endif
