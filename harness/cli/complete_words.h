#ifndef CLI_COMPLETE_WORDS_H
#define CLI_COMPLETE_WORDS_H

/* What may stand next on a command line: `meshproof complete --words -- WORDS...`, which the
 * shells' scripts call. Words come from the option rows, from the suites on the line (scenarios,
 * tags, params, places) and from the runs in .meshproof/runs. A suite that does not load gives
 * none: a shell is no place for its errors. */

#include "base/text.h"

/* ${words}: what follows "meshproof", the last of them the one that is being written (it may be
 * ""). One word a line to ${to}, each beginning with what is written; then, where a file may stand,
 * a last line ":files". */
void complete_words(const char *const *words, size_t count, struct text *to);

#endif
