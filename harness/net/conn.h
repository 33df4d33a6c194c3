#ifndef NET_CONN_H
#define NET_CONN_H

/* One TCP connection of the proxy, either side: its three bits (readable, writable, ended), the
 * bytes that were read and not yet used, and the rest that could not be sent. It knows sockets, not
 * HTTP; only the relay decides what goes where. Registered once, edge-triggered. */

#include "net/chain_run.h"
#include "net/endpoint.h"
#include "net/http1.h"

enum conn_side { CONN_CLIENT, CONN_BACKEND };
enum conn_closer { CONN_BY_PEER, CONN_BY_US, CONN_BY_FAULT };
enum io { IO_DONE, IO_AGAIN, IO_FIN, IO_RESET };

/* What makes moments of a connection's bytes where they are not HTTP/1.1 or raw, which request.c and
 * reply.c do themselves: HTTP/2. It reads with conn_fill and writes with conn_send, as they do. */
struct conn;
struct codec {
    /* All that can be done now: an event came, or relay_again. May close ${c}. */
    void (*run)(struct conn *c);
    /* The connection is closing: its calls end, and the session is freed. */
    void (*release)(struct conn *c);
};

struct conn {
    struct watch watch; /* first */
    struct loop_task gone, again;
    struct endpoint *endpoint;
    struct conn *next, *previous;           /* of the endpoint */
    struct conn *next_idle, *previous_idle; /* of its pool */
    struct conn *mate;                      /* affinity: the other side's connection */
    struct call *call;
    const struct codec *codec; /* NULL: HTTP/1.1 or raw */
    void *session;             /* the codec's own */

    struct bytes input;      /* read, not used yet: in scratch until conn_keep, then in ${in} */
    struct buffer in, out;   /* out: the unsent rest */
    size_t out_from, search; /* of out, already sent; where the search for a head's end goes on */
    bool input_kept;

    uint8_t side; /* enum conn_side */
    bool dead, readable, writable, ended, connecting, idle, used, running;
    bool edge;         /* a read edge came that nobody has looked at */
    bool doubt;        /* an RST may hide behind the last short read: see conn_fill */
    bool fin_seen;     /* recv returned 0 */
    bool shut;         /* we sent FIN */
    bool close_next;   /* after this answer */
    bool broken;       /* a send failed */
    bool fin_due;      /* a half close to pass on once all is out */
    bool lingering;    /* FIN sent or due; reading on only so that close() sends no RST */
    bool draining;     /* the rest of a body that nobody wants */
    bool parked;       /* held at accept */
    uint64_t lingered; /* bytes thrown away */
    struct http1_body drain;
    struct hold hold; /* linger, or the hold at accept */

    struct chain_run accept_run;
    struct arena accept_arena;
    uint64_t nth, conn_fired;
    uint16_t accept_slot;
    uint16_t conn_fired_generation;

    struct connection_record record;
    uint64_t read_ns; /* when the last recv returned */
};

/* ${fd} is the conn's from now on, closed on failure too. */
struct conn *conn_open(struct endpoint *e, int fd, enum conn_side side,
                       void (*on_event)(struct watch *w, unsigned what), struct error *err);
/* Emits its record and closes: with RST, or as FIN. Its memory stays until the turn ends. */
void conn_close(struct conn *c, enum conn_closer by, bool reset);
void conn_free_all(struct proxy *p);

/* More input: DONE when c->input grew, AGAIN, FIN, RESET. Reads into the loop's scratch when input
 * is empty. */
enum io conn_fill(struct conn *c);
/* The first ${len} bytes of the input were used. */
void conn_consume(struct conn *c, size_t len);
/* Moves what is left of the input out of scratch: before anyone else reads. */
void conn_keep(struct conn *c);

/* Sends now what it can, and keeps the rest. RESET: the connection is broken (c->broken). */
enum io conn_send(struct conn *c, const struct iovec *from, size_t count);
enum io conn_flush(struct conn *c);
static inline size_t conn_unsent(const struct conn *c)
{
    return c->out.len - c->out_from;
}
/* FIN once all is out, then reads on for a while (1 s, 1 MiB) so that the peer gets what was sent.
 */
void conn_finish(struct conn *c, enum conn_closer by);
/* Goes on with an unfinished finish; called on each event of a lingering connection. */
void conn_linger(struct conn *c);

#endif
