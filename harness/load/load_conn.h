#ifndef LOAD_LOAD_CONN_H
#define LOAD_LOAD_CONN_H

/* Inside the load: its connections, each with at most one request under way (load_conn.c), and what
 * decides when the next request goes out (load.c). */

#include "load/load.h"
#include "load/request.h"
#include "load/schedule.h"
#include "load/wire.h"
#include "net/http1.h"
#include "net/socket.h"

struct load_user {
    struct hold think; /* first */
    struct load *load;
    uint32_t heal_left; /* clean requests owed after a tagged one */
};

/* What is asked for: one request. */
struct load_ask {
    uint64_t due_ns;
    struct load_user *user; /* closed; NULL: open */
    uint32_t tag;           /* number in plan->tagged plus 1; 0: none */
    uint8_t flags;
};

struct load_conn {
    struct watch watch; /* first */
    struct hold timeout, again;
    struct loop_task gone;
    struct load *load;
    struct load_conn *prev, *next, *below; /* below: in the stack of idle ones */
    uint32_t number;
    bool connecting, dead, busy, left, keep_alive, has_head;
    bool starved; /* no descriptor or port to be had: our own limit, not the mesh's refusal */
    bool fresh;   /* opened for the request under way */
    bool named;   /* raw TCP: its line has gone out */
    /* of the request under way */
    struct load_ask ask;
    uint64_t seq, start_ns, sent_ns, first_ns, head_ns;
    struct buffer in, out; /* out: what the socket did not take */
    size_t out_sent, search_from, sample_len, leftover;
    struct http1_body body;
    uint16_t status;
    uint8_t marks;
    uint32_t server;
    uint8_t sample[REQUEST_BODY_SAMPLE];
    uint64_t message_bytes; /* raw TCP: of what is to come back; without a body it is ${message} */
    char message[64];
};

struct load_h2; /* load_h2.h */

struct load {
    struct loop *loop;
    struct recorder *recorder;
    struct load_config config;
    const struct load_plan *plan;
    struct load_plan own_plan; /* for gRPC: the plan with its path and method */
    struct load_h2 *h2;        /* NULL: HTTP/1.1, or */
    bool raw;                  /* raw TCP (load_raw.h) */
    char line[48];             /* of raw TCP: for the request that is being sent */
    struct arena arena;
    struct wire wire;
    struct socket_address *addresses; /* of each connection the next */
    size_t address_count, address_next;
    struct load_conn *conns, *idle;
    uint32_t conn_number;
    uint64_t seq;
    /* open */
    struct hold due;
    struct schedule schedule;
    uint64_t start_ns;
    bool capped;
    /* closed */
    struct load_user *users;
    /* tagged requests, in the order of sending: tag numbers as in load_ask */
    uint32_t *tags;
    size_t tag_count, tag_next;
    uint64_t tag_after_ns; /* open: when the next is due, after the warm-up */
    /* names that every record needs */
    uint32_t edge_name, path_name, *tag_names;
    enum verb verb;
    bool stopping, stopped, abandoned;
    struct hold drain;
    void (*on_done)(void *cookie);
    void *cookie;
    struct load_progress progress;
    uint64_t second, second_done, second_errors; /* the second under way */
    struct http1_head head;                      /* of the answer that is being parsed */
};

/* Sends on the last idle connection, or on a new one. Never ends the request before it returns. */
void load_conn_send(struct load *l, const struct load_ask *ask);
/* A connection without a request, for later. */
void load_conn_warm(struct load *l);
/* All requests under way end as the client's time-outs, or, when not ${recorded}, without a trace.
 */
void load_conn_end_all(struct load *l, bool recorded);
/* One more request is over. */
void load_count(struct load *l, bool error, uint64_t now_ns);
/* In load.c: a request has ended, and was counted and recorded. */
void load_over(struct load *l, const struct load_ask *ask);

#endif
