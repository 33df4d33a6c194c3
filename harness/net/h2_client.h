#ifndef NET_H2_CLIENT_H
#define NET_H2_CLIENT_H

/* An HTTP/2 client with prior knowledge (h2c) for our own ends: the load generator. Requests are
 * spread over a number of connections, as many on each as the peer takes; nothing is retried. What
 * gRPC adds is read: its status, and where it stood. */

#include "net/h2_head.h"
#include "net/loop.h"

struct h2_client;
struct h2_ask; /* one request under way; gone when on_end has returned, or after h2_ask_cancel */

enum h2_end {
    H2_END_COMPLETE,
    H2_END_REFUSED,   /* connect failed */
    H2_END_RESET,     /* RST_STREAM, a GOAWAY that does not cover it, or the connection's RST */
    H2_END_EOF,       /* FIN before the head */
    H2_END_TRUNCATED, /* FIN after the head, or bytes that are no HTTP/2 */
};

#define H2_SAMPLE_BYTES 256

struct h2_answer {
    uint16_t status;      /* 0: none came */
    uint16_t grpc_status; /* plus 1; 0: none */
    uint8_t grpc_where;   /* 0 none, 1 in headers, 2 in trailers */
    enum h2_end end;
    uint32_t reset_code; /* of the RST_STREAM */
    uint64_t body_bytes;
    struct bytes sample; /* the body's first bytes; for a status in headers: the grpc-message */
    bool fresh;          /* its connection was opened for it */
    bool starved;        /* it had to wait for a descriptor of our own */
    uint32_t conn;       /* connection of this client, from 1 */
    /* When it happened, by the loop's clock; 0: it did not (http_stamps has the same). */
    uint64_t start_ns, sent_ns, first_ns, head_ns;
};

struct h2_client_config {
    const char *address;
    uint32_t connections; /* at most; 0: 1 */
    bool each;            /* a new connection for each request, closed after it */
    void (*on_head)(void *cookie, struct fields fields); /* of the final head; may be NULL */
    /* Once, last. Views are valid during the call only. */
    void (*on_end)(void *cookie, const struct h2_answer *answer);
};

bool h2_client_new(struct loop *loop, const struct h2_client_config *config, struct h2_client **ret,
                   struct error *err) WARN_UNUSED;
/* Requests under way end without a callback. */
void h2_client_free(struct h2_client *c);
/* Opens all of its connections, for later. */
void h2_client_warm(struct h2_client *c);
/* Copies ${head}, pseudo-fields first, names in lower case; ${body} is borrowed until the end.
 * Never calls back before it returns. ${cookie}: of its on_head and on_end. */
struct h2_ask *h2_client_send(struct h2_client *c, struct fields head, struct bytes body,
                              void *cookie);
/* The answer so far, for requests that are about to be cancelled. */
struct h2_answer h2_ask_answer(const struct h2_ask *a);
/* Ends it without a callback: RST_STREAM CANCEL, as gRPC clients do at their deadline. */
void h2_ask_cancel(struct h2_ask *a);
uint64_t h2_client_connections(const struct h2_client *c);

#endif
