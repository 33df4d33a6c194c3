#ifndef STANDALONE_ADMIN_ROUTES_H
#define STANDALONE_ADMIN_ROUTES_H

/* What the REST interface can be asked. One row a route gives the dispatch, the answer 405 and the
 * OpenAPI description: nothing is said twice. No sockets. */

#include "standalone/admin_server.h"

struct admin_reply {
    uint16_t status;
    json_t *json;     /* or */
    struct text text; /* of ${type} */
    const char *type; /* NULL: application/json */
    char allow[64];
};
void admin_reply_error(struct admin_reply *r, uint16_t status, const char *format, ...)
    PRINTF(3, 4);

#define ADMIN_PARTS_MOST 5
struct admin_call {
    const struct admin_server_config *config;
    const char *name, *fault; /* {name} and {fault} of the path, decoded; "" where there is none */
    json_t *body;             /* NULL: the route takes none */
    struct admin_reply *reply;
};
struct admin_route {
    const char *method, *path; /* "/v1/proxies/{name}/faults/{fault}" */
    const char *id, *about;    /* operationId, summary */
    const char *takes, *gives; /* schemas of the bodies; NULL: none */
    uint16_t status;           /* when it is well */
    void (*run)(struct admin_call *c);
};
const struct admin_route *admin_routes(size_t *ret_count);

/* Fills ${reply}, which is the caller's to release. */
void admin_route(const struct admin_server_config *config, const struct http_request *request,
                 struct admin_reply *reply);

/* admin_openapi.c: OpenAPI 3.1 of all routes, and what GET /v1/faults says. The caller's reference.
 */
json_t *admin_openapi(const char *version);
json_t *admin_catalogue(void);

#endif
