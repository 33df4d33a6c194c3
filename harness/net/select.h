#ifndef NET_SELECT_H
#define NET_SELECT_H

/* Whether a try is one that a selector means (scenario-language.md 1.4). Pure. */

#include "net/chain.h"

struct select_view {
    struct bytes method, target, authority; /* target with the query */
    struct bytes tag, from;                 /* x-meshproof-tag, x-meshproof-from */
    struct fields fields;
    uint32_t attempt;
    uint8_t protocols; /* MATCH_* bits that it is */
};

/* All but the status, which is known later. */
bool select_request(const struct match *m, const struct select_view *seen);
static inline bool select_wants_status(const struct match *m)
{
    return m->status_least != 0 || m->status_most != 0;
}
bool select_status(const struct match *m, uint16_t status);
/* No key at all: the only match that holds for a connection before its first byte. */
bool select_is_open(const struct match *m);
/* The path without its query. */
struct bytes select_path(struct bytes target);

#endif
