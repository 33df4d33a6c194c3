#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

/* A small HTTP/1.1 client on the loop with a LIFO pool of kept-alive connections per address: the
 * builtin mesh's tries and the stubs' calls. One exchange at a time on a connection; nothing is
 * retried. */

#include "net/http1.h"
#include "net/loop.h"

struct http_client;
struct http_call; /* one exchange under way; gone when on_end has returned, or after
                     http_call_cancel */

enum http_end {
    HTTP_END_COMPLETE,
    HTTP_END_REFUSED,   /* connect failed */
    HTTP_END_RESET,     /* RST; after the head if status is set */
    HTTP_END_EOF,       /* FIN before the head */
    HTTP_END_TRUNCATED, /* FIN or bad framing within the body */
    HTTP_END_BAD,       /* not HTTP, or past a limit */
};
/* When it happened, by the loop's clock; 0: it did not. Outbound ones before the call, inbound ones
 * after it. */
struct http_stamps {
    uint64_t start_ns; /* first byte about to be sent */
    uint64_t sent_ns;  /* last byte handed over */
    uint64_t first_ns; /* first byte of the answer */
    uint64_t head_ns;  /* final head complete */
    uint32_t conn;     /* connection of this client, from 1 */
};
struct http_answer {
    uint16_t status; /* 0: none came */
    struct fields fields;
    struct bytes body;
    enum http_end end;
    bool connection_reused, request_written; /* written: at least one byte of it */
    struct http_stamps stamps;
};
struct http_call_config {
    const char *address;
    struct bytes head; /* request line and fields with the empty line, ready made */
    struct bytes body;
    enum verb verb;
    size_t body_most_bytes;
    bool keep_alive; /* pool the connection afterwards */
    /* The head of the answer is there (before the body). May be NULL. Cancelling within is allowed.
     */
    void (*on_head)(void *cookie, struct http_call *c, uint16_t status, struct fields fields);
    /* Once, last. Views are valid during the call only. */
    void (*on_end)(void *cookie, struct http_call *c, const struct http_answer *answer);
    void *cookie;
};
bool http_client_new(struct loop *loop, size_t idle_most, struct http_client **ret,
                     struct error *err) WARN_UNUSED;
void http_client_free(struct http_client *c);
/* Copies head and body. Never calls back before it returns. */
struct http_call *http_client_call(struct http_client *c, const struct http_call_config *config);
/* Ends it without a callback: the connection is reset (RST), as Envoy and Linkerd do with a
 * timed-out try. */
void http_call_cancel(struct http_call *c);
/* The stamps so far: for calls that are about to be cancelled. */
struct http_stamps http_call_stamps(const struct http_call *c);

#endif
