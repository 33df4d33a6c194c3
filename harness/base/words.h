#ifndef BASE_WORDS_H
#define BASE_WORDS_H

/* A command line split as a shell would: quotes, backslashes, ~, patterns, $NAME of the
 * environment; no pipes, redirections, or command substitution (wordexp(3)). */

#include "base/error.h"

/* False: ${err} says what it holds that cannot be, or that it names no program. ${ret} is
 * NULL-terminated; words_free. */
bool words_split(const char *command, char ***ret, struct error *err) WARN_UNUSED;
void words_free(char **words);

#endif
