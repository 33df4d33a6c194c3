#ifndef NET_STREAM_H
#define NET_STREAM_H

/* What a filter may see of a stream, and what it may answer (spec/engine.md section 3). Faults
 * implement stream_filter; only the chain calls them; only relay acts on the answer. A fault
 * decides, relay does. */

#include "base/arena.h"
#include "base/rng.h"

/* FIN: we are about to end a connection's sending behind a call. Only HOLD and PASS mean anything
 * there; it is asked once, and the FIN leaves at until_ns (slow_close). */
enum moment {
    MOMENT_ACCEPT,
    MOMENT_HANDSHAKE,
    MOMENT_HEAD,
    MOMENT_DATA,
    MOMENT_END,
    MOMENT_FIN,
    MOMENT_COUNT
};
enum side { SIDE_REQUEST, SIDE_RESPONSE };
/* What an answer ends. On HTTP/1.1 and raw streams all mean the connection. On HTTP/2: RESET of a
 * STREAM is RST_STREAM with ${code}, RESET of a CONNECTION is a TCP RST; CLOSE of a CONNECTION is
 * GOAWAY with ${code} whose last stream id covers what was begun (calls in flight are finished,
 * then the connection closes), and SCOPE_UNPROCESSED the same with last stream id 0: the calls in
 * flight are lost. CLOSE of a STREAM is RST_STREAM with ${code} too. */
enum scope { SCOPE_STREAM, SCOPE_CONNECTION, SCOPE_UNPROCESSED };
enum act { ACT_PASS, ACT_HOLD, ACT_REPLACE, ACT_RESPOND, ACT_CLOSE, ACT_RESET };

#define TAKE_ALL UINT32_MAX
#define HOLD_FOREVER UINT64_MAX

/* One header line, as views. */
struct field {
    struct bytes name, value;
};
struct fields {
    const struct field *at;
    size_t count;
};
/* The first field of that name, without case; an empty view (at NULL) when there is none. */
struct bytes fields_find(struct fields fields, const char *name);

/* HOLD means "ask me again with the same view at until_ns", not "then pass". PASS and REPLACE cover
 * ${take} bytes of the chunk, CLOSE, RESET and RESPOND let that prefix out first. */
struct reply;
struct answer {
    enum act act;
    enum scope scope;
    uint32_t take, code; /* RST_STREAM, GOAWAY or TLS alert code */
    uint64_t until_ns;
    struct bytes bytes;        /* REPLACE: lives in the call's arena */
    const struct reply *reply; /* RESPOND */
};
/* REPLACE at a HEAD: ${status} 0 keeps the status; a field with a value sets, one without drops;
 * ${body}, when its ${at} is set, takes the whole body's place (framed by relay). REPLACE at an END
 * edits trailers. */
struct reply {
    uint16_t status, grpc_status; /* grpc_status plus 1, as in the record; 0: none */
    bool in_trailers;
    struct fields fields;
    struct bytes body, raw; /* raw: verbatim wire bytes, then close */
};
#define ANSWER_PASS ((struct answer){.act = ACT_PASS, .take = TAKE_ALL})

/* What a finished handshake agreed on; views live as long as the connection. */
struct tls_view {
    uint16_t version;        /* as on the wire: 0x0304 is TLS 1.3 */
    struct bytes alpn, peer; /* peer: URI or DNS names of its leaf, comma between; empty: none */
    bool resumed;
};
struct call_view {
    uint64_t id_hi, id_lo;
    uint32_t attempt, conn, sequence; /* attempt: from 1, at this service */
    uint16_t endpoint;
    bool is_grpc;
    bool is_raw; /* a TCP stream: it has no head, only DATA */
    bool is_h2;
    const struct tls_view *tls; /* of the client's connection, where we terminate it; NULL: plain */
};
struct accept_view {
    struct bytes peer;
    uint64_t nth; /* connection at this endpoint, from 1 */
};
struct head_view {
    const struct call_view *call;
    enum side side;
    struct bytes method, path, authority; /* path with the query */
    uint16_t status;
    struct fields fields;
};
struct data_view {
    const struct call_view *call;
    enum side side;
    struct bytes chunk;
    uint64_t offset;
    bool last;
};
struct end_view {
    const struct call_view *call;
    enum side side;
    struct fields trailers;
    uint16_t grpc_status;
};
struct fin_view {
    const struct call_view *call;
    enum side side; /* RESPONSE: the client gets it; REQUEST: the backend of a raw stream */
};
/* MOMENT_HANDSHAKE (scenario-language.md 1.5, tls_stall, tls_alert, cert). Asked before the named
 * message is sent (ours) or answered (theirs), in the order of the handshake; in pass-through
 * before the record that carries it goes on. Answers: PASS; HOLD; CLOSE with ${code} = alert
 * description plus 1 (0: FIN without an alert); RESET (RST); REPLACE at TLS_CERTIFICATE with
 * ${code} = enum cert_kind: present that leaf (terminated only). */
enum tls_message {
    TLS_CLIENT_HELLO,
    TLS_SERVER_HELLO,
    TLS_CERTIFICATE,
    TLS_FINISHED,
    TLS_MESSAGES
};
struct handshake_view {
    enum side side; /* REQUEST: the mesh's side, where we serve; RESPONSE: towards the backend */
    enum tls_message message;
    struct bytes sni;
    bool terminated; /* false: passed through, only the clear part is seen */
    bool resumes;    /* the client offered a session */
    uint64_t nth;    /* connection at this endpoint, from 1 */
    /* TLS_CLIENT_HELLO: the lists within its extensions, as on the wire without their own length:
     * ALPN (RFC 7301 3.1), supported_versions (RFC 8446 4.2.1); empty: not sent */
    struct bytes alpn, versions;
};
struct filter_context {
    const void *params;
    void *state; /* state_bytes, zeroed, per call (ACCEPT: per connection) */
    uint64_t now_ns;
    struct rng
        *rng; /* keyed by (seed, fault, request, attempt); ACCEPT: (seed, fault, endpoint, nth) */
    struct arena
        *arena; /* the call's; at DATA one that is emptied when the answer has been acted on */
    uint64_t *connection; /* one number of this fault's for the client's connection, 0 at first:
                             calls on it share it. NULL where there is none: keep it in the state */
    uint32_t conn;        /* number of the client's connection in this process */
};
struct stream_filter {
    size_t state_bytes;
    struct answer (*on_accept)(struct filter_context *at, const struct accept_view *seen);
    struct answer (*on_handshake)(struct filter_context *at, const struct handshake_view *seen);
    struct answer (*on_head)(struct filter_context *at, const struct head_view *seen);
    struct answer (*on_data)(struct filter_context *at, const struct data_view *seen);
    struct answer (*on_end)(struct filter_context *at, const struct end_view *seen);
    void (*on_close)(struct filter_context *at);
    /* The moments that this use of the filter has a taker for, by its parameters: bit moment * 2 +
     * side. NULL: those whose functions are set, both sides. */
    uint32_t (*moments)(const void *params);
    struct answer (*on_fin)(struct filter_context *at, const struct fin_view *seen);
    /* Of a raw stream, which has no head, on_head is asked at each side's first byte, with a view
     * that is empty but for its call and side. What it lets through, it has let through for good.
     * RESPOND and REPLACE mean nothing there. */
    bool head_on_raw;
};
#define MOMENT_BIT(moment, side) (UINT32_C(1) << ((moment)*2 + (side)))

#endif
