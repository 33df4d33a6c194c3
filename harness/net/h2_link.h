#ifndef NET_H2_LINK_H
#define NET_H2_LINK_H

/* A client's HTTP/2 connection and the backend connection that belongs to it alone, so that GOAWAY,
 * SETTINGS, PING and losses go through from end to end. It owns both sessions and all calls;
 * whoever has changed something in them calls h2_link_settle, which alone sends, ends calls and
 * closes connections. Not streams: those are h2_call's. */

#include "net/h2_session.h"

struct h2_link {
    struct endpoint *endpoint;
    struct h2_session session[2]; /* by enum side: the client's, the backend's */
    struct h2_call *calls;        /* all, the newest first */
    uint32_t call_count;
    struct h2_call *finished, *last_finished; /* of them: a stream has closed; in that order */
    uint16_t fault;                           /* which ends the connection; 0: none */
    uint16_t cut_outcome;                     /* of the calls that a cut ends */
    uint8_t closing_by, cut_by;
    bool settling, again, over;
    bool closing;            /* no more calls: FIN to the client once the last has ended */
    bool noticed;            /* the backend's GOAWAY was a notice, passed on as one */
    bool lost_backend;       /* it was there, and is gone */
    bool cut_due;            /* RST to the client once what was promised is out */
    bool cutting;            /* waits for that */
    bool queued;             /* in vain */
    bool told;               /* a record says why the client's session failed */
    int32_t answered_id;     /* the highest client stream that was answered */
    const struct reply *raw; /* bytes for the client's connection, then its end */
    struct hold cut;
    uint64_t cut_deadline_ns;
    struct loop_task gone;
};

/* What a client's first bytes are, as far as they go. */
enum h2_sniff { H2_IS, H2_IS_NOT, H2_MAY_BE };
enum h2_sniff h2_sniff(struct bytes in);
/* The connection speaks HTTP/2 from its first byte (which waits in its input) on; runs next turn.
 */
void h2_link_begin(struct conn *client);

struct h2_session *h2_link_other(const struct h2_session *s);
/* The backend's session, dialled now when there is none; NULL: it failed at once, or is gone. */
struct h2_session *h2_link_backend(struct h2_link *link);
void h2_link_on_settings(struct h2_session *s);
void h2_link_on_goaway(struct h2_session *s, int32_t last_id, uint32_t code, struct bytes text);

/* GOAWAY with ${code} to the client that covers what was begun, FIN when that has ended. */
void h2_link_retire(struct h2_link *link, uint32_t code, enum conn_closer by);
/* The same with last stream id 0: what is in flight is lost now. */
void h2_link_disown(struct h2_link *link, uint32_t code, uint16_t outcome, enum conn_closer by);
/* RST to the client; its calls end with ${outcome}. */
void h2_link_cut(struct h2_link *link, uint16_t outcome, enum conn_closer by);
/* The dial failed (reply.c finds out), or the connection broke. */
enum h2_lost { H2_LOST_REFUSED, H2_LOST_RESET, H2_LOST_CLOSED };
void h2_link_lost(struct h2_link *link, enum h2_lost how);
/* Sends what is due, ends what has ended, closes what must close. ${link} may be gone afterwards.
 */
void h2_link_settle(struct h2_link *link);
/* The same, next turn: for callers that walk lists of calls. */
void h2_link_settle_later(struct h2_link *link);

#endif
