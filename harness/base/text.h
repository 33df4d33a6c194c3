#ifndef BASE_TEXT_H
#define BASE_TEXT_H

/* A string builder. It grows up to its maximum; what does not fit is left out whole and ${full}
 * says so, so that a writer checks once, at the end. ${at} is always NUL-terminated after the first
 * add. */

#include "base/bytes.h"

struct text {
    char *at;
    size_t len, capacity, max_bytes;
    bool full;
};

void text_init(struct text *t, size_t max_bytes);
void text_release(struct text *t);
void text_clear(struct text *t);
void text_add(struct text *t, const char *format, ...) PRINTF(2, 3);
void text_add_bytes(struct text *t, struct bytes b);
/* Words of others, fit for a terminal: what could move its cursor (C0, DEL, C1 in UTF-8) is '?'. */
void text_add_clean(struct text *t, const char *words);
/* Spaces up to ${column} of the line that began at ${line}, and no fewer than ${least}. */
void text_pad(struct text *t, size_t line, size_t column, size_t least);
/* "" when nothing was added; borrowed until the next change. */
const char *text_get(const struct text *t);
/* The heap string, the caller's to free; the builder is empty afterwards. */
char *text_take(struct text *t);

/* A glob of the scenario language (1.4): `*` within a segment ('/' ends one), `**` across, all else
 * literal. Linear in len(of) * len(glob), no recursion. */
bool text_glob(struct bytes of, struct bytes glob);
/* The nearest of ${words} by edit distance, at most 2 apart, for "did you mean"; NULL: none. */
const char *text_nearest(const char *word, const char *const *words, size_t count);
/* "17 000": groups of three. Returns ${to}. */
const char *text_grouped(uint64_t number, char *to, size_t size);

#endif
