#ifndef NET_HTTP1_H
#define NET_HTTP1_H

/* HTTP/1.1 messages as bytes (RFC 9112), by llhttp with its strict flags: find the end of the head
 * first, then parse exactly that head; bodies of known length are counted by us, chunked ones go
 * through llhttp. Used by the relay, the load generator, the stubs and the builtin mesh. No I/O. */

#include "journal/record.h"
#include "net/stream.h"

#define HTTP1_HEAD_MOST_BYTES ((size_t)64 * 1024)
#define HTTP1_FIELDS_MOST 128
#define HTTP1_TRAILERS_MOST 32
#define HTTP1_TRAILERS_MOST_BYTES ((size_t)16 * 1024)
#define HTTP1_FRAMING_MOST_BYTES ((size_t)64 * 1024) /* of chunks, without payload between */
#define HTTP1_INTERIM_MOST 1000                      /* 1xx answers before the final one */

enum http1_framing { HTTP1_NO_BODY, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_UNTIL_CLOSE, HTTP1_TUNNEL };

/* All views point into the bytes that were parsed. */
struct http1_head {
    enum verb verb;
    struct bytes method, target; /* request; target as sent */
    uint16_t status;             /* response */
    struct field field[HTTP1_FIELDS_MOST];
    size_t field_count, head_bytes; /* head_bytes: with the empty line */
    enum http1_framing framing;
    uint64_t length;
    bool keep_alive, upgrade, expect_continue, informational, http_1_0;
};
enum http1_result { HTTP1_DONE, HTTP1_MORE, HTTP1_BAD };

/* Where the head ends (bytes with the empty line), searching from ${*search_from} on, which is
 * moved so that the next call searches only new bytes; 0: not there yet. */
size_t http1_find_head(struct bytes in, size_t *search_from);
/* Parses the head at the start of ${in}. MORE: no end of head yet (too long: BAD with ERROR_LIMIT).
 * For responses
 * ${request} gives the verb that was asked (HEAD and CONNECT decide the body). The error says what
 * is wrong, for us: never shown to a peer. */
enum http1_result http1_parse_request(struct bytes in, struct http1_head *ret, struct error *err);
enum http1_result http1_parse_response(struct bytes in, enum verb request, struct http1_head *ret,
                                       struct error *err);

/* Walks a body. ${left}: of a LENGTH body. For CHUNKED a parser of its own keeps the state. */
struct http1_body {
    enum http1_framing framing;
    uint64_t left, payload_bytes;
    void *parser; /* chunked only; slab- or heap-owned, see http1_body_release */
    bool done;
};
void http1_body_init(struct http1_body *b, const struct http1_head *head);
void http1_body_release(struct http1_body *b);
/* How many of ${in}'s bytes belong to the body (wire bytes, chunk framing included); sets done at
 * its end.
 * ${on_payload} (may be NULL) sees the payload. BAD: malformed chunks. */
enum http1_result http1_body_feed(struct http1_body *b, struct bytes in, size_t *ret_used,
                                  void (*on_payload)(void *cookie, struct bytes payload),
                                  void *cookie, struct error *err);
/* A chunked body stands within a size, an extension or a trailer: not in payload, nor at a chunk's
 * start. */
bool http1_body_in_framing(const struct http1_body *b);
/* The trailers of a chunked body that is done; none otherwise. They live as long as ${b}. */
struct fields http1_body_trailers(const struct http1_body *b);
enum verb http1_verb(struct bytes method);
const char *http1_verb_name(enum verb verb);
const char *http1_reason(uint16_t status);

#endif
