#ifndef NET_POOL_H
#define NET_POOL_H

/* The idle backend connections of an endpoint: last in, first out, for the warmest socket; removal
 * is O(1). Idle ones stay watched: a FIN or a byte on them ends them (see relay_backend.c). */

#include "net/conn.h"

#define POOL_MOST 1024

/* NULL: none is there, dial. */
struct conn *pool_take(struct endpoint *e);
/* Closes it instead when the pool is full. */
void pool_put(struct conn *c);
void pool_remove(struct conn *c);

#endif
