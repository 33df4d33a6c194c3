#ifndef VERIFY_CLAIMS_H
#define VERIFY_CLAIMS_H

/* The table of all claims (claims.def). */

#include "verify/claim.h"

#define CLAIM(name) extern const struct claim_type claim_##name;
#include "verify/claims.def"
#undef CLAIM

/* Its FAIL is a witness: records that are missing cannot make one. */
bool claim_type_fails_by_witness(const struct claim_type *type);
/* Whether ${type} is meant by an id, a word or a family ("retry.max", "retries", "retry"). */
bool claim_type_is(const struct claim_type *type, const char *text);
/* How many sides of tests the claim spends alpha on: 0 for class D. */
unsigned claim_type_sides(const struct claim_type *type);

#endif
