#ifndef PLAN_FAULT_WORDS_H
#define PLAN_FAULT_WORDS_H

/* How a fault step is told beside its own words ("abort 503", faults/fault.h): by the dry run, the
 * live view and the reports alike. "abort 503 for requests tagged f1:503 on payments, 30%, first 1"
 */

#include "base/text.h"

#include <jansson.h>

/* " for requests tagged f1:503 with method POST": whom its `match` is for; nothing: it is for all.
 * ${keys}: a step's. */
void fault_words_match(const json_t *keys, struct text *to);
/* ", 30%, first 1": how many of those; nothing: each of them. */
void fault_words_share(const json_t *keys, struct text *to);

#endif
