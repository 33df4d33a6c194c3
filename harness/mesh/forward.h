#ifndef MESH_FORWARD_H
#define MESH_FORWARD_H

/* One request through the builtin mesh: its tries, its timers, its answer. The models decide; this
 * does. */

#include "base/text.h"
#include "mesh/edge.h"

enum forward_state {
    FORWARD_QUEUED,    /* Linkerd: no endpoint is ready */
    FORWARD_PENDING,   /* Envoy: no connection is free */
    FORWARD_TRYING,    /* a try is out, no head yet */
    FORWARD_BACKOFF,   /* waits for its next try; the answer before may still be coming in */
    FORWARD_ANSWERING, /* the head of the answer that the caller gets is there */
};
struct forward {
    struct edge *edge;
    struct http_exchange *exchange;
    struct http_request request;
    struct forward *prev, *next; /* of the edge */
    struct forward *behind;      /* in queue or pending */
    enum forward_state state;
    struct timeout_clock clock;
    struct retry_state retry;
    struct balance_tried tried;
    struct try_result result;
    struct hold request_hold, try_hold, retry_hold;
    struct http_call *call;
    struct lane *lane;
    size_t host;
    uint64_t number, queued_ns;
    struct buffer head; /* of the answer under way, as wire bytes */
    uint64_t head_ns;
    bool in_retries, expired, chunked;
};

void forward_begin(struct edge *e, struct http_exchange *x, const struct http_request *request);
/* The caller left, or the mesh closes: nothing is answered. */
void forward_drop(struct forward *f);
/* Out of the edge's queue: picks again. */
void forward_again(struct forward *f);
/* Linkerd: the queue's head has waited too long. */
void forward_failfast(struct forward *f);
/* Envoy: out of the queue for a connection. */
void forward_connected(struct forward *f, struct lane *lane);

/* forward_head.c: the request's head as the endpoint gets it. */
void forward_request_head(const struct forward *f, struct text *to);
/* The answer's fields as the caller gets them, into ${to} (room for FORWARD_FIELDS_MOST); ${time}:
 * storage. */
#define FORWARD_FIELDS_MOST (HTTP1_FIELDS_MOST + 2)
struct fields forward_answer_fields(const struct forward *f, struct fields from, struct field *to,
                                    char time[24]);
/* Keeps the answer's head as wire bytes, for an answer that will be cut short. */
void forward_keep_head(struct forward *f, uint16_t status, struct fields from);

#endif
