#include "net/http1.h"

#include <llhttp.h>
#include <stdlib.h>

/* A chunked body's state. llhttp is led to its chunks by a head of our own, so that chunk sizes,
 * extensions and trailers are its business and its strictness. */
struct chunks {
    llhttp_t parser;
    void (*on_payload)(void *cookie, struct bytes payload);
    void *cookie;
    uint64_t *payload_bytes;
    uint64_t framing_bytes; /* sizes, extensions, trailers since the last payload: bounded */
    bool done;
    bool sized; /* a chunk's size was read last, not its end: its payload is due */
    bool in_framing;
    struct buffer trailers; /* name NUL value NUL ... */
    size_t value_from;      /* where the part that is being read began */
    struct field field[HTTP1_TRAILERS_MOST];
    size_t field_count;
    enum { WITHIN, TRAILERS_TOO_LARGE, TRAILERS_TOO_MANY } limit;
};

static int on_body(llhttp_t *p, const char *at, size_t len)
{
    struct chunks *c = p->data;
    *c->payload_bytes += len;
    c->framing_bytes = 0;
    if (c->on_payload != NULL && len > 0)
        c->on_payload(c->cookie, (struct bytes){(const uint8_t *)at, len});
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    (void)p;
    return 0;
}

/* The last one, of size 0, has no payload: trailers are framing. */
static int on_chunk_header(llhttp_t *p)
{
    struct chunks *c = p->data;
    c->sized = p->content_length > 0;
    return 0;
}

static int on_chunk_complete(llhttp_t *p)
{
    struct chunks *c = p->data;
    c->sized = false;
    return 0;
}

static int on_message_complete(llhttp_t *p)
{
    struct chunks *c = p->data;
    c->done = true;
    return HPE_PAUSED;
}

/* Only trailers are kept: the fields of our own head come with F_TRAILING unset. */
static int on_field_part(llhttp_t *p, const char *at, size_t len)
{
    struct chunks *c = p->data;
    struct error err = {0};
    if ((p->flags & F_TRAILING) == 0)
        return 0;
    if (buffer_add(&c->trailers, at, len, &err))
        return 0;
    c->limit = TRAILERS_TOO_LARGE;
    return HPE_USER;
}

static int on_name_end(llhttp_t *p)
{
    struct chunks *c = p->data;
    if ((p->flags & F_TRAILING) == 0)
        return 0;
    if (c->field_count == HTTP1_TRAILERS_MOST) {
        c->limit = TRAILERS_TOO_MANY;
        return HPE_USER;
    }
    c->field[c->field_count].name.len = c->trailers.len - c->value_from;
    c->value_from = c->trailers.len;
    return 0;
}

static int on_value_end(llhttp_t *p)
{
    struct chunks *c = p->data;
    if ((p->flags & F_TRAILING) == 0)
        return 0;
    c->field[c->field_count].value.len = c->trailers.len - c->value_from;
    c->value_from = c->trailers.len;
    c->field_count++;
    return 0;
}

static const llhttp_settings_t body_settings = {
    .on_body = on_body,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
    .on_chunk_header = on_chunk_header,
    .on_chunk_complete = on_chunk_complete,
    .on_header_field = on_field_part,
    .on_header_value = on_field_part,
    .on_header_field_complete = on_name_end,
    .on_header_value_complete = on_value_end,
};

void http1_body_init(struct http1_body *b, const struct http1_head *head)
{
    *b = (struct http1_body){.framing = head->framing, .left = head->length};
    b->done = b->framing == HTTP1_NO_BODY || (b->framing == HTTP1_LENGTH && b->left == 0);
    if (b->framing != HTTP1_CHUNKED)
        return;
    static const char lead[] = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    struct chunks *c = check_alloc_zero(1, sizeof(*c));
    llhttp_init(&c->parser, HTTP_REQUEST, &body_settings);
    c->parser.data = c;
    buffer_init(&c->trailers, HTTP1_TRAILERS_MOST_BYTES);
    INVARIANT(llhttp_execute(&c->parser, lead, sizeof(lead) - 1) == HPE_OK);
    b->parser = c;
}

void http1_body_release(struct http1_body *b)
{
    struct chunks *c = b->parser;
    if (c == NULL)
        return;
    buffer_release(&c->trailers);
    free(c);
    b->parser = NULL;
}

static enum http1_result bad_chunks(const struct chunks *c, llhttp_errno_t result,
                                    struct error *err)
{
    const char *reason = llhttp_get_error_reason(&c->parser);
    if (c->limit == TRAILERS_TOO_LARGE)
        error_set(err, ERROR_LIMIT, "more than %zu bytes of trailers", HTTP1_TRAILERS_MOST_BYTES);
    if (c->limit == TRAILERS_TOO_MANY)
        error_set(err, ERROR_LIMIT, "more than %d trailers", HTTP1_TRAILERS_MOST);
    error_set(err, ERROR_INPUT, "%s",
              reason != NULL && *reason != '\0' ? reason : llhttp_errno_name(result));
    return HTTP1_BAD;
}

static enum http1_result feed_chunks(struct http1_body *b, struct bytes in, size_t *ret_used,
                                     struct error *err)
{
    struct chunks *c = b->parser;
    uint64_t payload_before = b->payload_bytes;
    c->payload_bytes = &b->payload_bytes;
    llhttp_errno_t result = llhttp_execute(&c->parser, (const char *)in.at, in.len);
    *ret_used = in.len;
    if (c->done && result == HPE_PAUSED) {
        *ret_used = (size_t)(llhttp_get_error_pos(&c->parser) - (const char *)in.at);
        b->done = true;
        return HTTP1_DONE;
    }
    if (result != HPE_OK) {
        *ret_used = 0;
        return bad_chunks(c, result, err);
    }
    if (b->payload_bytes == payload_before)
        c->framing_bytes += in.len;
    c->in_framing = !c->sized && (in.at[in.len - 1] != '\n' || (c->parser.flags & F_TRAILING) != 0);
    if (c->framing_bytes > HTTP1_FRAMING_MOST_BYTES) {
        *ret_used = 0;
        error_set(err, ERROR_LIMIT, "more than %zu bytes of chunk framing in a row",
                  HTTP1_FRAMING_MOST_BYTES);
        return HTTP1_BAD;
    }
    return HTTP1_MORE;
}

enum http1_result http1_body_feed(struct http1_body *b, struct bytes in, size_t *ret_used,
                                  void (*on_payload)(void *cookie, struct bytes payload),
                                  void *cookie, struct error *err)
{
    *ret_used = 0;
    if (b->done)
        return HTTP1_DONE;
    if (in.len == 0)
        return HTTP1_MORE;
    if (b->framing == HTTP1_CHUNKED) {
        struct chunks *c = b->parser;
        c->on_payload = on_payload;
        c->cookie = cookie;
        return feed_chunks(b, in, ret_used, err);
    }
    struct bytes mine = in;
    if (b->framing == HTTP1_LENGTH && mine.len > b->left)
        mine.len = (size_t)b->left;
    if (b->framing == HTTP1_LENGTH) {
        b->left -= mine.len;
        b->done = b->left == 0;
    }
    b->payload_bytes += mine.len;
    *ret_used = mine.len;
    if (on_payload != NULL)
        on_payload(cookie, mine);
    return b->done ? HTTP1_DONE : HTTP1_MORE;
}

bool http1_body_in_framing(const struct http1_body *b)
{
    const struct chunks *c = b->parser;
    return c != NULL && !b->done && c->in_framing;
}

struct fields http1_body_trailers(const struct http1_body *b)
{
    struct chunks *c = b->parser;
    if (c == NULL || !b->done)
        return (struct fields){NULL, 0};
    const uint8_t *at = c->trailers.at;
    for (size_t i = 0; i < c->field_count; i++) {
        c->field[i].name.at = at;
        at += c->field[i].name.len;
        c->field[i].value.at = at;
        at += c->field[i].value.len;
    }
    return (struct fields){c->field, c->field_count};
}
