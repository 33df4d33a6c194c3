#ifndef NET_H2_SESSION_H
#define NET_H2_SESSION_H

/* One nghttp2 session on one connection, either role: bytes in, bytes out, and what every HTTP/2
 * endpoint must do by itself (settings, pings, windows, limits against floods). It tells h2_link
 * and h2_call what came; it never closes a connection, and never runs nghttp2 from within a
 * callback. */

#include "net/conn.h"
#include "net/h2_head.h"

/* What nobody announces, because the RFC's defaults (4.2, 6.5.2) are held. */
#define H2_FRAME_MOST_BYTES 16384
#define H2_HEADER_TABLE_BYTES NGHTTP2_DEFAULT_HEADER_TABLE_SIZE
/* Stop pulling frames while so much waits for the socket. */
#define H2_UNSENT_MOST_BYTES ((size_t)64 * 1024)
/* The window of a stream: what a stalled stream may hold back (RFC 9113 6.9.2: the default). */
#define H2_STREAM_WINDOW_BYTES 65535
#define H2_CONNECTION_WINDOW_BYTES (1024 * 1024)
/* Streams of a connection at once: what the backend takes, and at most so many. Until it has said
 * so it is the most, for a stream that we refused would be a failure that nobody has asked for. */
#define H2_STREAMS_MOST 1024
/* With those that the client has reset and a backend that does not read has not heard of yet. */
#define H2_CALLS_MOST (8 * H2_STREAMS_MOST)
/* Against floods: RST_STREAM, and what brings no work (PING counts 1, SETTINGS 100, a DATA frame
 * that is empty and ends nothing 1): so many at once, and so many a second. A mesh whose every try
 * times out resets thousands a second; an attack sends a hundred times more. */
#define H2_RESETS_AT_ONCE 10000
#define H2_RESETS_A_SECOND 5000
#define H2_IDLE_FRAMES_AT_ONCE 20000
#define H2_IDLE_FRAMES_A_SECOND 10000
#define H2_SETTINGS_COST 100
#define H2_INTERIMS_MOST 32 /* 1xx answers before the final one */
/* CONTINUATION frames after one HEADERS. */
#define H2_CONTINUATIONS_MOST 8

#define H2_WHY_BYTES 120
#define H2_QUOTED_MOST_BYTES 40 /* of a peer's bytes, in such a reason */
#define H2_WHY_LENGTH "a body that is not as long as its content-length says"

struct h2_link;
struct h2_call;

struct h2_session {
    nghttp2_session *ng; /* NULL: not begun, or over */
    struct h2_link *link;
    struct conn *conn;
    enum side side; /* what comes in here: REQUEST: the client's; RESPONSE: the backend's */
    struct h2_block block;
    uint64_t tokens, tokens_ns;
    uint32_t forwarded_pings;  /* not acknowledged by the other side yet */
    uint32_t error_code;       /* with which we ended it */
    uint64_t resets;           /* RST_STREAM that have come */
    uint8_t about;             /* enum refusal_about, and */
    char why[H2_WHY_BYTES];    /* in words; good once it has failed */
    char detail[H2_WHY_BYTES]; /* what nghttp2 has just said of what came, for who takes it next */
    bool settings_seen;        /* the peer's first ones */
    bool failed;           /* what came broke the protocol: GOAWAY(error_code) goes or has gone */
    unsigned goaways_ours; /* that were meant, and have not left yet */
};

/* Begins; its SETTINGS are queued. */
void h2_session_open(struct h2_session *s, struct h2_link *link, struct conn *c, enum side side);
void h2_session_close(struct h2_session *s);
static inline bool h2_session_is_open(const struct h2_session *s)
{
    return s->ng != NULL;
}
/* What it announces first, by whose connection it is. */
const nghttp2_settings_entry *h2_session_settings(enum side side, size_t *ret_count);
/* All of ${in}. s->failed afterwards: the peer broke the protocol. */
void h2_session_feed(struct h2_session *s, struct bytes in);
/* Pulls frames and sends them until the socket is jammed; true when there were any. */
bool h2_session_pump(struct h2_session *s);
/* The peer broke a rule that nghttp2 does not know: GOAWAY with ${code}, nothing more is read.
 * ${about}, ${why}: the reason for the journal. */
void h2_session_fail(struct h2_session *s, uint32_t code, enum refusal_about about,
                     const char *why);
/* GOAWAY with the greatest stream id (RFC 9113 6.8): the peer opens no more streams, those that are
 * on their way are served, and it closes when they have ended. */
void h2_session_notice(struct h2_session *s);
/* GOAWAY that covers streams up to ${last_id}. */
void h2_session_goaway(struct h2_session *s, int32_t last_id, uint32_t code, struct bytes text);
/* Tells our peer what the other side's peer has set: streams, window, head list, CONNECT. */
void h2_session_mirror_settings(struct h2_session *to, const struct h2_session *from);
struct h2_call *h2_session_call(const struct h2_session *s, int32_t id);

#endif
