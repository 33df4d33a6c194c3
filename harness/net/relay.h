#ifndef NET_RELAY_H
#define NET_RELAY_H

/* The rules of forwarding: the only writer to a peer. request.c has the client's side, reply.c the
 * backend's, flow.c what both have in common, act.c what an answer of a fault does. After any of
 * these that may end a call or close a connection, callers return or look again (engine.md rule 2).
 */

#include "net/call.h"
#include "net/head.h"

void relay_on_client(struct watch *w, unsigned what);
void relay_on_backend(struct watch *w, unsigned what);
/* Do all that can be done now for that connection. May be called from anywhere but within
 * themselves. */
void relay_run_client(struct conn *c);
void relay_run_backend(struct conn *c);
/* The same, in the next turn, without waiting for an event. */
void relay_again(struct conn *c);
/* So much of a body that nobody wants is read to keep its connection. */
#define RELAY_DRAIN_MOST_BYTES ((size_t)64 * 1024)
/* One whose length is not known when it is answered early: the answer cannot say yet that its
 * connection will close, so that a close has to be rarer. */
#define RELAY_DRAIN_CHUNKED_BYTES ((size_t)1024 * 1024)
/* Each so often while an endpoint has calls: finds clients that left unseen. */
#define RELAY_SWEEP_NS (20 * NS_PER_MS)
void relay_on_sweep(struct hold *h, uint64_t now_ns);
/* Notes the edges of an event in the three bits. */
void relay_note(struct conn *c, unsigned what);

/* flow.c: moves what one read brought, in a body. False: nothing more can be done now. */
bool flow_pump(struct call *call, enum side side);
/* Moves a long body by splice(2) where nobody wants to see it (flow_splice.c). False: not here,
 * copy.
 * ${ret}: DONE: all is written, or the reader is broken; else as conn_fill's. */
bool flow_splice(struct call *call, enum side side, enum io *ret);
void flow_splice_end(struct flow *flow);
/* Prepares a body's way once its head is through: pipe or not. */
void flow_begin(struct call *call, enum side side);
/* The body's bytes are all through: END is asked, and the flow is done. */
void flow_body_done(struct call *call, enum side side);
/* A half close that waited for the rest to leave. */
void flow_pass_fin_due(struct conn *c);
/* A hold is over: asks again where it stopped. */
void flow_resume(struct call *call, enum side side);
/* What chain_run_head asks with: ${cookie} is a flow_head, whose view each edit renews. */
struct flow_head {
    struct call *call;
    struct head_view *seen;
    const struct http1_head *head;
};
void flow_on_edit(void *cookie, const struct reply *reply);
/* Feeds what ${from}'s input has of the body; false: malformed. */
bool flow_take_input(struct call *call, enum side side, struct error *err) WARN_UNUSED;

/* request.c: with the head that waits in the client's input, from slot ${from} on. */
void request_head_again(struct call *call);
/* Fetches the error that may hide behind the client's last bytes. */
bool request_has_left(struct conn *client);
/* A client whose call is active left: FIN or RST. */
void request_left(struct call *call, enum left_kind kind);
/* The backend takes no more of the request; what it has answered may still be there to read. */
void request_stop(struct call *call);
/* Goes on with the rest of a request's bytes, or ends the connection; after an answer that came
 * early. */
void request_finish_client(struct conn *c, struct http1_body *take_body, bool keep,
                           enum conn_closer by);
/* Starts the call of a raw TCP connection; its bytes flow once the first of them are there. */
void request_start_raw(struct conn *c);
void relay_begin_raw(struct call *call, uint64_t now_ns);

/* reply.c */
void reply_head_again(struct call *call);
/* The answer is out and so is the request: both connections go on. */
void reply_complete(struct call *call);
/* The backend is gone: refused, by RST, or by FIN too early. Redials, or mirrors. */
enum lost { LOST_REFUSED, LOST_RESET, LOST_CLOSED };
void reply_lost(struct call *call, enum lost how);
bool reply_dial(struct call *call);

/* act.c */
void act_halt(struct call *call, enum side side, struct halt halt);
/* Ends the call towards the client with RST or FIN, after the bytes that were promised. */
void act_cut(struct call *call, enum attempt_outcome outcome, bool reset, enum conn_closer by);
/* The client's connection is to be closed behind this call (on HTTP/2: may be): asks about its FIN.
 * Before call_end. */
void act_fin(struct call *call);
/* An answer that nobody asked a filter for: 400, 408, 431. Behind a refusal_*, which says why. */
void act_refuse(struct call *call, uint16_t status);
/* Lets go what fault ${keep} does not want any more: returns how many were held. */
uint32_t act_release(struct endpoint *e, const struct filter_chain *keep);

/* dial.c: a connection under way to the backend (connecting is set); NULL: it failed at once. */
struct conn *dial_backend(struct endpoint *e, struct error *err);
/* An event of one under way. DONE: it is through, with its TLS handshake where there is one; RESET:
 * it failed. */
enum io dial_go_on(struct conn *c);

/* accept.c: the ACCEPT moment, then the first read. */
void accept_begin(struct conn *c);
void accept_resume(struct conn *c);
/* Goes on with a client's TLS handshake; true: it is complete, and the relay's turn. */
bool accept_handshake(struct conn *c);
/* A connection that is held: has its peer gone? */
void accept_watch(struct conn *c);

#endif
