#ifndef LIVE_PAGE_PAGE_FORM_H
#define LIVE_PAGE_PAGE_FORM_H

/* The one form of forms: application/x-www-form-urlencoded (WHATWG URL 5.1), of a body and of the
 * query of an address. Foreign bytes. */

#include "base/bytes.h"

/* The value of the first ${name}, decoded, as text in ${to} (at most ${size} - 1 bytes). False,
 * with
 * ${to} "": there is none, it is too long, no UTF-8, or has a control character. */
bool page_form_get(struct bytes form, const char *name, char *to, size_t size);
/* "/path?query": the path as it is written, and the query without its mark. */
void page_form_target(struct bytes target, struct bytes *ret_path, struct bytes *ret_query);

#endif
