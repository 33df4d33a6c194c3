#ifndef NET_SLOW_H
#define NET_SLOW_H

/* Clients that began a head, or the framing of a chunk, and do not bring it to its end: each of
 * them costs a descriptor and its bytes for as long as it likes (slowloris). A connection that has
 * said nothing at all is not one of them: meshes keep such pools for hours, and proxy_config's
 * connections_most bounds those. One list for one duration, first in first out, so that adding,
 * removing and expiring are O(1); a sweep looks each 100 ms while there is one (engine.md section
 * 5). Only what a read has left unfinished ever gets here. */

#include "net/loop.h"

struct conn;

struct slow_list {
    struct conn *first, *last;
    struct hold sweep;
    uint64_t limit_ns; /* UINT64_MAX: none */
};

/* The client's connection has done all that it could: is something unfinished? */
void slow_look(struct conn *c);
/* It is not, or not any more; does nothing to one that is not in the list. */
void slow_forget(struct conn *c);
/* Before the proxy goes; its connections are gone. */
void slow_release(struct slow_list *l, struct loop *loop);

#endif
