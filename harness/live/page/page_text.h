#ifndef LIVE_PAGE_PAGE_TEXT_H
#define LIVE_PAGE_PAGE_TEXT_H

/* The page as the program carries it (dashboard.html with its CSS and JS, all in one answer), and
 * the policy under which a browser may show it. Nothing of a run stands in it: that comes by
 * snapshots. */

#include "base/text.h"

#define PAGE_TEXT_MOST_BYTES ((size_t)128 * 1024)
/* The value of Content-Security-Policy, hashes of this build's CSS and JS in it. */
extern const char page_text_policy[];
/* ${forgery} goes into the page's forms: hex digits. */
void page_text_write(const char *forgery, struct text *to);
/* What a stranger is shown (401), and what turns an address with a token into one with a cookie: a
 * page that goes to "/" by itself, because a redirect would still count as another site's where the
 * address was followed in a chat, and the strict cookie would not be sent. */
extern const char page_text_stranger[], page_text_enter[];

#endif
