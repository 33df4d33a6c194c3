#ifndef NET_CONN_H
#define NET_CONN_H

/* One TCP connection of the proxy, either side: its three bits (readable, writable, ended), the
 * bytes that were read and not yet used, and the rest that could not be sent. It knows transports
 * (TCP, TLS), not HTTP; only the relay decides what goes where. Registered once, edge-triggered. */

#include "net/chain_run.h"
#include "net/endpoint.h"
#include "net/http1.h"

/* What a peer does not take, past any amount that back-pressure lets through: it is broken then. */
#define CONN_OUT_MOST_BYTES ((size_t)32 * 1024 * 1024)

enum conn_side { CONN_CLIENT, CONN_BACKEND };
/* BY_LIMIT: one connection more than proxy_config allows. */
enum conn_closer { CONN_BY_PEER, CONN_BY_US, CONN_BY_FAULT, CONN_BY_LIMIT };
enum io { IO_DONE, IO_AGAIN, IO_FIN, IO_RESET };

/* Bytes in and out of one descriptor: plaintext for whoever is above. Never closes, never calls the
 * relay. The three bits stay the socket's own, but for one case: a transport that holds input which
 * it has not handed out yet leaves ${readable} set, so that it is asked again. */
struct conn;
struct transport {
    enum io (*read)(struct conn *c, uint8_t *to, size_t size, size_t *ret_len);
    /* Takes what it can, all of it unless the socket is full. DONE or RESET. What was taken and not
     * sent counts in c->sealed; no bytes at all: only sends that. */
    enum io (*write)(struct conn *c, const struct iovec *from, size_t count, size_t *ret_len);
    /* Our sending ends: FIN, behind a close_notify where there is one. AGAIN: not out yet, ask
     * again after an edge. */
    enum io (*end)(struct conn *c);
};
extern const struct transport transport_tcp;

/* What makes moments of a connection's bytes where they are not HTTP/1.1 or raw, which request.c
 * and reply.c do themselves: HTTP/2. It reads with conn_fill and writes with conn_send, as they do.
 */
struct codec {
    /* All that can be done now: an event came, or relay_again. May close ${c}. */
    void (*run)(struct conn *c);
    /* The connection is closing: its calls end, and the session is freed. */
    void (*release)(struct conn *c);
    /* A fault starts, or the proxy drains: what proxy_existing says, for a client's connection. */
    void (*existing)(struct conn *c, enum existing what);
    /* proxy_renew of a client's connection: the peer shall go, and nothing on its way is lost.
     * NULL: as a drain. */
    void (*renew)(struct conn *c);
    /* The dial of ${c}, a backend connection, failed. Closes it. */
    void (*refused)(struct conn *c);
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
    const struct transport *transport;
    struct tls *tls;       /* its TLS, from the first byte on; NULL: none (tls_conn.h) */
    struct tls_pass *pass; /* a handshake that is only looked at on its way (tls_pass.h) */

    struct bytes input;      /* read, not used yet: in scratch until conn_keep, then in ${in} */
    struct buffer in, out;   /* out: the unsent rest */
    size_t out_from, search; /* of out, already sent; where the search for a head's end goes on */
    size_t sealed;           /* encrypted, and not sent yet */
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
    bool handshaking;  /* a client's TLS handshake is under way (a backend's: connecting) */
    bool abort;        /* it is to end by RST, whoever closes it */
    bool wants_h2;     /* a backend's: offer h2 by ALPN; set before its dial has come through */
    uint64_t lingered; /* bytes thrown away */
    struct http1_body drain;
    struct hold hold; /* linger, or the hold at accept */

    struct chain_run accept_run;
    struct arena accept_arena;
    uint64_t nth, conn_fired;
    uint16_t accept_slot;
    uint16_t conn_fired_generation;

    struct connection_record record;
    uint64_t read_ns;             /* when the last recv returned */
    uint64_t fin_wait_ns, fin_ns; /* the FIN is to wait so long; it waits until then (fin.c) */
    uint16_t fin_fault;           /* whose word that is */
    struct fault_word words[FAULT_WORDS];

    struct conn *next_slow, *previous_slow; /* of those with something unfinished (slow.h) */
    uint64_t slow_ns, slow_mark;            /* its first byte, 0: not in the list; which it is */
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
    return c->out.len - c->out_from + c->sealed;
}
/* FIN now, if all is out; false: it is to be asked for again after the next edge. */
bool conn_shut(struct conn *c);
/* FIN once all is out, then reads on for a while (1 s, 1 MiB) so that the peer gets what was sent.
 */
void conn_finish(struct conn *c, enum conn_closer by);
/* Goes on with an unfinished finish; called on each event of a lingering connection. */
void conn_linger(struct conn *c);

/* fin.c: no FIN leaves before ${until_ns}, whoever asks for one; ${fault} says so. */
void fin_delay(struct conn *c, uint64_t until_ns, uint16_t fault);
/* That fault was disarmed: in the next turn. */
void fin_release(struct conn *c);

#endif
