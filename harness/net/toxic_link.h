#ifndef NET_TOXIC_LINK_H
#define NET_TOXIC_LINK_H

/* A connection of a PROXY_TOXIC proxy: a codec of its two conns that moves bytes through two
 * toxic_pipes. One try from accept to close. */

#include "net/conn.h"

/* In accept.c, in the place of request_start_raw. */
void toxic_link_begin(struct conn *client);

#endif
