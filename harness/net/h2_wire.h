#ifndef NET_H2_WIRE_H
#define NET_H2_WIRE_H

/* A connection that speaks HTTP/2 with prior knowledge (RFC 9113 3.3) for our own ends, either
 * role: nghttp2 on a socket of the loop. h2_server and h2_client are its owners. Not the relay
 * (h2_session.h): no filters, no records, windows are opened at once. */

#include "net/h2_head.h"
#include "net/loop.h"

struct h2_wire;

enum h2_down {
    H2_DOWN_FIN,     /* also: over in good order after a GOAWAY */
    H2_DOWN_RESET,   /* RST, or another error of the socket */
    H2_DOWN_REFUSED, /* connect failed */
    H2_DOWN_BAD,     /* the peer broke the protocol; GOAWAY was tried */
};

/* What the owner is told. ${own}: what it has set for the stream; never called with NULL. From
 * within, streams may be submitted and h2_wire_close called: both take effect afterwards. */
struct h2_wire_events {
    /* Server: a request begins. Returns ${own} for it. NULL for clients. */
    void *(*on_begin)(struct h2_wire *w, int32_t id);
    void (*on_head)(struct h2_wire *w, void *own, const struct h2_head *head);
    void (*on_data)(struct h2_wire *w, void *own, struct bytes data);
    void (*on_ended)(struct h2_wire *w, void *own); /* the peer's side is complete */
    /* A frame of the stream is about to leave: its first one, its last one. May be NULL. */
    void (*on_sending)(struct h2_wire *w, void *own, bool last);
    /* The stream is over; NGHTTP2_NO_ERROR: both sides are complete. */
    void (*on_closed)(struct h2_wire *w, void *own, uint32_t code);
    /* A request that had been submitted will never leave. NULL for servers. */
    void (*on_unsent)(struct h2_wire *w, int32_t id);
    void (*on_goaway)(struct h2_wire *w);
    /* Once, when the peer or the network ended it: its streams get no further event. */
    void (*on_down)(struct h2_wire *w, enum h2_down how);
    /* Last, at the end of a turn: frees what holds the wire. */
    void (*on_free)(struct h2_wire *w);
};

/* First in its owner's struct. */
struct h2_wire {
    struct watch watch; /* first */
    const struct h2_wire_events *events;
    struct loop *loop;
    nghttp2_session *ng;
    struct h2_block block;
    struct hold later;
    struct loop_task gone;
    struct buffer out; /* what the socket did not take */
    size_t out_sent;
    bool connecting, bad, dead, inside, closing;
};

/* A client's, still connecting, or a server's. ${fd} -1: nothing was to be had, on_down with
 * H2_DOWN_REFUSED follows in a later turn. Takes ${fd}, also when it fails, which does the same. */
void h2_wire_open(struct h2_wire *w, struct loop *loop, const struct h2_wire_events *events,
                  bool server, int fd);
/* A client's wire that had no descriptor gets one. */
void h2_wire_attach(struct h2_wire *w, int fd);
/* Ends it without on_down; what was handed over already is sent if the socket takes it. */
void h2_wire_close(struct h2_wire *w, bool by_reset);
/* Sends what was submitted. */
void h2_wire_pump(struct h2_wire *w);

#endif
