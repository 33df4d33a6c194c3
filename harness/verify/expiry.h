#ifndef VERIFY_EXPIRY_H
#define VERIFY_EXPIRY_H

/* Faults that their ttl took off before their time was over (scenario-language.md 2, rule 4, and
 * 8.11): what still needed them is not decided, and says so. */

#include "verify/stand.h"

/* Turns ${v}, which is about ${w}, around where a fault that it counted on had expired. What enough
 * instances had shown by then stands; adr/0019 says what does not. */
void expiry_mind(const struct stand *st, const struct claim_type *type, const struct window *w,
                 struct verdict *v);

#endif
