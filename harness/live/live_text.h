#ifndef LIVE_LIVE_TEXT_H
#define LIVE_LIVE_TEXT_H

/* How wide text is on a terminal. Of text that live_clean has seen: nothing in it has no width. */

#include "live/live.h"

/* Bytes of the character at ${at}, which is not the end, and the columns that it takes: 1 or 2. */
size_t live_character(const char *at, size_t *ret_columns);
size_t live_columns(const char *text);

#endif
