#ifndef LOAD_LOAD_H2_H
#define LOAD_LOAD_H2_H

/* Inside the load: its requests on HTTP/2, gRPC among them, for loads whose plan says so. What
 * decides when the next one goes out is load.c, as for HTTP/1.1 (load_conn.c). */

#include "load/load_conn.h"

struct load_h2;

/* http2 or grpc. */
bool load_h2_wanted(const struct load_plan *plan);
/* The plan with what gRPC takes instead of path and method: "/pkg.Service/Method", POST.
 * ERROR_INPUT with the plan's line for a load that has no `call`. */
bool load_h2_plan(struct load_plan *plan, struct arena *arena, struct error *err) WARN_UNUSED;
/* After wire_init, whose fields it spells anew. */
bool load_h2_open(struct load *l, const char *authority, struct error *err) WARN_UNUSED;
void load_h2_free(struct load_h2 *h);
/* As load_conn_send, load_conn_warm, load_conn_end_all. */
void load_h2_send(struct load_h2 *h, const struct load_ask *ask);
void load_h2_warm(struct load_h2 *h);
void load_h2_end_all(struct load_h2 *h, bool recorded);
uint64_t load_h2_connections(const struct load_h2 *h);

#endif
