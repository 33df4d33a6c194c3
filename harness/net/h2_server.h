#ifndef NET_H2_SERVER_H
#define NET_H2_SERVER_H

/* The HTTP/2 sister of http_server.h for our own ends: stub backends. Prior knowledge only (h2c).
 * It reads a whole request (body up to a maximum), then hands it over; the handler answers now or
 * later. gRPC is what the handler makes of it: fields, body, trailers. */

#include "net/http1.h"
#include "net/http_server.h"

struct h2_server;
struct h2_exchange; /* one request waiting for its answer; valid until answered, or on_gone */

struct h2_server_config {
    const char *listen;
    size_t body_most_bytes, connections_most;
    /* The views are valid during the call. */
    void (*on_request)(void *cookie, struct h2_exchange *x, const struct http_request *request);
    /* The client left before the answer (RST_STREAM, or its connection ended): the exchange is gone
     * when this returns. May be NULL. */
    void (*on_gone)(void *cookie, struct h2_exchange *x, bool by_reset);
    void *cookie;
};

bool h2_server_open(struct loop *loop, const struct h2_server_config *config,
                    struct h2_server **ret, struct error *err) WARN_UNUSED;
void h2_server_free(struct h2_server *s);
const char *h2_server_address(const struct h2_server *s);
/* The handler's own pointer, NULL at first. */
void h2_exchange_set(struct h2_exchange *x, void *own);
void *h2_exchange_get(const struct h2_exchange *x);
/* Writes the answer: head, body, trailers, of which the last two may be empty. Names in lower case.
 * Everything is copied. */
void h2_exchange_answer(struct h2_exchange *x, uint16_t status, struct fields fields,
                        struct bytes body, struct fields trailers);

#endif
