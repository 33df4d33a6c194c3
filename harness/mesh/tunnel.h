#ifndef MESH_TUNNEL_H
#define MESH_TUNNEL_H

/* One connection through the builtin mesh on an edge of raw TCP: a host is picked, dialled once,
 * and bytes, half closes and resets go on both ways. What a mesh knows there is connects alone
 * (Envoy's tcp_proxy: a connect that fails counts against the host, one that is through for it). */

#include "mesh/edge.h"

/* ${fd} is the caller's connection, taken over. */
void tunnel_begin(struct edge *e, int fd);
/* The mesh closes: both sides are reset. */
void tunnel_drop(struct tunnel *t);

#endif
