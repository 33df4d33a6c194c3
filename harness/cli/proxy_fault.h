#ifndef CLI_PROXY_FAULT_H
#define CLI_PROXY_FAULT_H

/* A fault on a command line, as JSON for the set of proxies:
 *
 *   fault = WORD *( 1*SP KEY "=" VALUE )
 *   KEY   = NAME [ "." REST ]       match.path=/api/v1   headers.x-why=test
 * match.header.x-tier=gold VALUE = BARE *( "," BARE )      no spaces in it; commas make a list |
 * '"' text '"'            \" and \\ stand for themselves; always a text
 *
 * Digits alone are a count, but in a map (headers.*, match.header.*, match.query.*, with.*) a text.
 * What words, keys and values are allowed is fault_use_from_json's to say. */

#include "base/error.h"

#include <jansson.h>

/* {"word": "abort", "status": 503}; the caller's reference. The error names the column, from 1. */
bool proxy_fault_parse(const char *text, json_t **ret, struct error *err) WARN_UNUSED;
/* The grammar, for --help. */
extern const char proxy_fault_grammar[];
#define PROXY_FAULT_MOST_BYTES 8192

#endif
