#ifndef REPORTS_HTML_TEXT_H
#define REPORTS_HTML_TEXT_H

/* Escaping for the HTML report (spec/ui.md 11). All data of a journal reaches the page through the
 * functions of this header and through svg_text, which uses them: everything else that is written
 * there is ours. Each appends to ${to}. */

#include "base/text.h"

#define NAME_SHOWN 28 /* characters: longer names are cut in their middle (ui.md 8) */

/* For an element's text or an attribute's value: & < > " ' become references; a byte that is not
 * UTF-8, a control character (tab and line feed apart) and a character that turns the direction of
 * writing become U+FFFD. NULL is nothing. */
void html_text(struct text *to, const char *from);
void html_bytes(struct text *to, struct bytes from);
/* ` name="value"`. */
void html_attr(struct text *to, const char *name, const char *value);
/* A name (endpoint, edge): past NAME_SHOWN characters with an ellipsis in its middle. */
void html_cut(struct text *to, const char *name);
/* The same in a span whose title is the whole of it, where it is cut. */
void html_name(struct text *to, const char *name);
/* A JSON string with its quotes, for the data island: < > & U+2028 U+2029 are written as \uXXXX.
 */
void html_json(struct text *to, const char *from);
/* "17 000". */
void html_count(struct text *to, uint64_t n);
/* ${value} / 10^${decimals}, without zeros at its end: (2450, 2) is "24.5". */
void html_fixed(struct text *to, int64_t value, unsigned decimals);
/* The code point at ${*at}, which is moved past it; 0xFFFD for a byte that is not UTF-8 (moved by
 * one byte) and for what html_text does not let through; 0 at the end. */
uint32_t html_decode(struct bytes from, size_t *at);
/* Whether html_cut would cut it. */
bool html_is_long(const char *name);

#endif
