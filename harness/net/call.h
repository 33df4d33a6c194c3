#ifndef NET_CALL_H
#define NET_CALL_H

/* One try: a request on a client connection and its answer from a backend connection. It owns the
 * filter states and the attempt record; it is the only object that both connections name. All ways
 * to end one go through call_end, which emits the record exactly once. */

#include "net/conn.h"
#include "net/pipe.h"
#include "net/splice.h"

enum flow_state {
    FLOW_HEAD, /* the head is not through yet */
    FLOW_BODY,
    FLOW_END, /* all bytes are through, a filter holds the end */
    FLOW_DONE,
};

/* One direction of a call. */
struct flow {
    uint8_t state;  /* enum flow_state */
    bool filtered;  /* DATA or END has a taker: payload goes through the pipe, and is framed anew */
    bool held;      /* a filter holds it */
    bool stopped;   /* nobody takes its bytes any more */
    uint8_t side;   /* which this is */
    bool dropped;   /* a fault put another body in its place: read, and throw away */
    bool chunked;   /* what we write is chunked */
    bool splicing;  /* its bytes pass by ${splice} */
    bool unspliced; /* that was refused: they are copied */
    uint16_t slot;  /* who held it: where HEAD and END walks go on */
    struct http1_body body;
    struct pipe pipe;
    struct splice splice;
    struct hold hold;
    size_t head_bytes; /* of the head that waits in the input */
    struct head_edits *edits;
    uint64_t announced,
        written; /* content-length that we sent (UINT64_MAX: none), payload so far */
};

struct call {
    struct endpoint *endpoint;
    struct call *next, *previous; /* of the endpoint, or the free list */
    struct conn *client, *backend;
    struct flow flow[2]; /* by enum side */
    struct chain_run run;
    struct arena arena;
    struct attempt_record record;
    struct buffer kept; /* the whole request, while it may be dialled again */
    struct bytes method, target,
        authority;        /* in the arena; only when a fault has chosen this try */
    uint16_t cut_outcome; /* of a cut that waits for bytes to leave */
    uint8_t cut_by;
    uint16_t interims;    /* 1xx answers so far */
    struct bytes raw_tag; /* of a raw stream's first line; in ${arena} */
    uint64_t cut_deadline_ns;
    bool tunnel, selected, client_keeps, client_1_0, upgrade, expects_continue;
    bool is_grpc, backend_keeps, held_ever, cutting;
    struct h2_call *h2; /* its streams, on HTTP/2; NULL: HTTP/1.1 or raw */
};

struct call *call_new(struct conn *client, uint64_t at_ns);
/* On HTTP/2, where a connection has many: client->call stays NULL. */
struct call *call_new_stream(struct conn *client, uint64_t at_ns, uint32_t stream,
                             struct h2_call *h2);
/* Emits the record and lets both connections go; ${call} is gone when it returns. */
void call_end(struct call *call, enum attempt_outcome outcome);
void call_free_all(struct proxy *p);

/* The record's fields that come from the request's head: ids, names, counts. */
void call_read_head(struct call *call, const struct http1_head *head);
/* The same of any protocol's head; ${target} with the query. */
void call_read_fields(struct call *call, struct fields fields, struct bytes target, enum verb verb);
/* The first line of a raw TCP stream, "MP1 <id> <tag>\n" (verifier.md 1.3), whose tag is a number
 * of proxy_config.tags: false when it is not one. */
#define CALL_RAW_LINE_BYTES 40
bool call_read_raw_line(struct call *call, struct bytes in);
/* Evaluates the selectors; only once. */
void call_select(struct call *call, const struct http1_head *head, uint64_t now_ns);
/* The same of any protocol's head; ${seen}: method, target, authority and fields are filled in, the
 * rest is done here. */
struct select_view;
void call_select_as(struct call *call, struct select_view *seen, uint64_t now_ns);

/* ${at_ns} as the record spells it: after record.at, at least 1. */
static inline uint64_t call_span(const struct call *call, uint64_t at_ns)
{
    return at_ns > call->record.at ? at_ns - call->record.at : 1;
}
static inline struct flow *call_flow(struct call *call, enum side side)
{
    return &call->flow[side];
}
static inline struct call *call_of(struct flow *flow)
{
    struct flow *first = flow - flow->side;
    return (struct call *)(void *)((char *)first - offsetof(struct call, flow));
}
static inline struct conn *call_from(struct call *call, enum side side)
{
    return side == SIDE_REQUEST ? call->client : call->backend;
}
static inline struct conn *call_to(struct call *call, enum side side)
{
    return side == SIDE_REQUEST ? call->backend : call->client;
}

#endif
