#ifndef VERIFY_VERDICT_H
#define VERIFY_VERDICT_H

/* Filling a verdict, the order of verdicts, and the words of its numbers. */

#include "verify/claim.h"

void verdict_pass(struct verdict *v, struct arena *arena, const char *format, ...) PRINTF(3, 4);
void verdict_fail(struct verdict *v, struct arena *arena, const char *format, ...) PRINTF(3, 4);
void verdict_open(struct verdict *v, enum why why, struct arena *arena, const char *format, ...)
    PRINTF(4, 5);
/* The policy's side: its line and origin from ${value}, and the sentence. */
void verdict_policy(struct verdict *v, const struct value *value, struct arena *arena,
                    const char *format, ...) PRINTF(4, 5);
/* FAIL > INCONCLUSIVE > PASS > not applicable: the worse of two. */
enum verdict_kind verdict_worse(enum verdict_kind a, enum verdict_kind b);
/* "excludes any defect on more than 26 % of cases": of ${n} eligible ones without a witness. */
const char *verdict_excludes(uint64_t n, struct arena *arena);
/* "600 ms", "38.1 s". Returns ${to}; 32 bytes are enough. */
const char *verdict_span(uint64_t ns, char *to, size_t size);
/* "600..603 ms". */
const char *verdict_range(uint64_t least_ns, uint64_t most_ns, char *to, size_t size);

/* The least and the most of what was seen. */
struct extent {
    uint64_t least, most, count;
};
void extent_add(struct extent *e, uint64_t value);

#endif
