#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

/* A small HTTP/1.1 server on the loop for our own ends: stub backends, the builtin mesh's front,
 * interfaces. It reads a whole request (body up to a maximum), then hands it over; the handler
 * answers now or later, whole or in parts. Not the relay: no filters, no records. */

#include "net/http1.h"
#include "net/loop.h"

struct http_server;
struct http_exchange; /* one request waiting for its answer; valid until answered, or on_gone */

struct http_request {
    struct bytes method, target;
    enum verb verb;
    struct fields fields;
    struct bytes body;
    uint64_t head_ns, body_ns; /* when the head and the body were complete */
    const char *peer;          /* "127.0.0.1:51234" */
};

struct http_server_config {
    const char *listen;
    size_t body_most_bytes, connections_most;
    /* A connection is closed when the next whole request, or the reading of an answer, takes
     * longer; 0: never. */
    uint64_t idle_most_ns;
    /* The views live as long as the exchange. */
    void (*on_request)(void *cookie, struct http_exchange *x, const struct http_request *request);
    /* The client left (FIN or RST) before the answer: the exchange is gone when this returns. May
     * be NULL. */
    void (*on_gone)(void *cookie, struct http_exchange *x, bool by_reset);
    void *cookie;
};

bool http_server_open(struct loop *loop, const struct http_server_config *config,
                      struct http_server **ret, struct error *err) WARN_UNUSED;
void http_server_free(struct http_server *s);
const char *http_server_address(const struct http_server *s);
/* The handler's own pointer, NULL at first. */
void http_exchange_set(struct http_exchange *x, void *own);
void *http_exchange_get(const struct http_exchange *x);
/* Writes the answer (Content-Length is added), then goes on with the connection or closes it. */
void http_exchange_answer(struct http_exchange *x, uint16_t status, struct fields fields,
                          struct bytes body, bool close);
/* An answer whose end is not known yet (server-sent events): the head now, parts as they come, and
 * the connection closes after the last. Not for HEAD. ${idle_most_ns} is then how long the client
 * may leave a part unread; when it is dropped for that, or leaves, on_gone is called, by
 * http_exchange_part before it returns too. */
void http_exchange_begin(struct http_exchange *x, uint16_t status, struct fields fields);
/* False, and nothing is taken: the client has not read the last part yet, or has just left. So no
 * more than one part ever waits. */
bool http_exchange_part(struct http_exchange *x, struct bytes part);
/* What waits unread is still sent; the exchange is gone. */
void http_exchange_end(struct http_exchange *x);
/* Verbatim bytes, then end (FIN after them, or RST). For truncated and broken answers. */
void http_exchange_raw(struct http_exchange *x, struct bytes wire, bool reset);

#endif
