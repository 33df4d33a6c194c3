#ifndef PLAN_WORDS_H
#define PLAN_WORDS_H

/* Checks of a step's keys against the rows of its word (words.def), and the language's lists of
 * words. */

#include "plan/plan.h"

/* The rows of expect.* and await.* describe no struct: ${offset} says the shape of the value
 * instead. */
enum word_shape {
    SHAPE_ONE,    /* as the unit says */
    SHAPE_LIST,   /* of texts (of ${words} if given) or places; one text stands for a list of one */
    SHAPE_NUMBER, /* a bare number: a ratio of two like things */
    SHAPE_ANY,    /* with the unit of what is probed */
};

bool word_is_built(const struct word_type *type);
/* Every key of ${keys} against the rows: unknown, missing, of the wrong unit. The error begins with
 * `expect.success`. */
bool word_check(const struct word_type *type, const json_t *keys, struct error *err) WARN_UNUSED;
/* All words of a family ("fault", "expect", "await"), sorted, those that are not built too; NULL:
 * no such family. */
const char *const *word_names(const char *family, size_t *ret_count);
/* `there is no fault.delay; there is abort bandwidth ...`. */
void word_unknown(const char *family, const char *word, char *to, size_t size);

#endif
