#include "net/http1.h"

#include <llhttp.h>

/* What is wrong with a head, where llhttp has no word for it or leaves it to its caller. */
struct parse {
    struct http1_head *head;
    const char *wrong;
    bool limit, complete;
    uint8_t major, minor;
    uint16_t flags;
    uint64_t length;
    enum { IN_START, IN_NAME, IN_VALUE } last;
};

/* Spans may come in pieces; within one contiguous head the pieces touch. */
static bool span_grow(struct bytes *span, const char *at, size_t len)
{
    const uint8_t *from = (const uint8_t *)at;
    if (span->at == NULL || span->len == 0) {
        *span = (struct bytes){from, len};
        return true;
    }
    if (span->at + span->len != from)
        return false;
    span->len += len;
    return true;
}

static int on_method(llhttp_t *p, const char *at, size_t len)
{
    struct parse *parse = p->data;
    return span_grow(&parse->head->method, at, len) ? 0 : HPE_USER;
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    struct parse *parse = p->data;
    return span_grow(&parse->head->target, at, len) ? 0 : HPE_USER;
}

static int on_header_field(llhttp_t *p, const char *at, size_t len)
{
    struct parse *parse = p->data;
    struct http1_head *head = parse->head;
    if (parse->last != IN_NAME) {
        if (head->field_count == HTTP1_FIELDS_MOST) {
            parse->limit = true;
            return HPE_USER;
        }
        head->field[head->field_count++] = (struct field){0};
        parse->last = IN_NAME;
    }
    return span_grow(&head->field[head->field_count - 1].name, at, len) ? 0 : HPE_USER;
}

static int on_header_value(llhttp_t *p, const char *at, size_t len)
{
    struct parse *parse = p->data;
    struct http1_head *head = parse->head;
    parse->last = IN_VALUE;
    if (head->field_count == 0)
        return HPE_USER;
    struct bytes *value = &head->field[head->field_count - 1].value;
    if (!span_grow(value, at, len)) {
        parse->wrong = "a folded header line";
        return HPE_USER;
    }
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    struct parse *parse = p->data;
    parse->complete = true;
    parse->major = p->http_major;
    parse->minor = p->http_minor;
    parse->flags = p->flags;
    parse->length = p->content_length;
    parse->head->status = p->status_code;
    return HPE_PAUSED; /* bodies are ours */
}

static const llhttp_settings_t head_settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

size_t http1_find_head(struct bytes in, size_t *search_from)
{
    size_t from = *search_from;
    if (from < in.len) {
        const uint8_t *end = memmem(in.at + from, in.len - from, "\r\n\r\n", 4);
        if (end != NULL)
            return (size_t)(end - in.at) + 4;
    }
    *search_from = in.len > 3 ? in.len - 3 : 0;
    return 0;
}

/* A line feed without its carriage return: such a head may never "end" for us and yet be one for
 * another parser (RFC 9112 2.2). */
static bool has_bare_lf(struct bytes in)
{
    const uint8_t *at = in.at, *end = in.at + in.len;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        if (at == in.at || at[-1] != '\r')
            return true;
        at++;
    }
    return false;
}

static enum http1_result bad(struct error *err, enum error_kind kind, const char *wrong)
{
    error_set(err, kind, "%s", wrong);
    return HTTP1_BAD;
}

static enum http1_result too_large(struct error *err)
{
    error_set(err, ERROR_LIMIT, "a head of more than %zu bytes", HTTP1_HEAD_MOST_BYTES);
    return HTTP1_BAD;
}

static enum http1_result head_missing(struct bytes in, struct error *err)
{
    if (in.len >= HTTP1_HEAD_MOST_BYTES)
        return too_large(err);
    if (has_bare_lf(in))
        return bad(err, ERROR_INPUT, "a line that ends without a carriage return");
    return HTTP1_MORE;
}

/* RFC 9112 3.2: a request with two must be refused. An empty transfer-encoding is none for llhttp,
 * and may be one for the other side, which would frame by it what we frame by content-length. */
static const char *fields_wrong(const struct http1_head *head, bool request)
{
    unsigned hosts = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct field *f = &head->field[i];
        if (f->name.len == 4)
            hosts += bytes_equal_nocase(f->name, BYTES("host"));
        else if (f->name.len == 17 && bytes_trim(f->value).len == 0 &&
                 bytes_equal_nocase(f->name, BYTES("transfer-encoding")))
            return "an empty transfer-encoding";
    }
    return request && hosts > 1 ? "two host fields" : NULL;
}

/* What llhttp lets pass, or only finds after the head: both would let two parsers see two messages.
 */
static const char *framing_wrong(const struct parse *parse, bool request)
{
    const struct http1_head *head = parse->head;
    bool coded = (parse->flags & F_TRANSFER_ENCODING) != 0;
    if (parse->major != 1 || parse->minor > 1)
        return "a version other than HTTP/1.0 and HTTP/1.1";
    if (coded && (parse->flags & F_CONTENT_LENGTH) != 0)
        return "both transfer-encoding and content-length";
    if (coded && parse->minor == 0)
        return "transfer-encoding in HTTP/1.0";
    if (request && coded && (parse->flags & F_CHUNKED) == 0)
        return "a transfer-encoding whose last coding is not chunked";
    if (!request && (head->status < 100 || head->status > 599))
        return "a status outside of 100 to 599";
    return fields_wrong(head, request);
}

static enum http1_result parse_head(struct bytes in, llhttp_type_t type, struct parse *parse,
                                    struct error *err)
{
    struct http1_head *head = parse->head;
    llhttp_t parser;
    size_t from = 0;
    size_t len = http1_find_head(in, &from);
    if (len == 0)
        return head_missing(in, err);
    if (len > HTTP1_HEAD_MOST_BYTES)
        return too_large(err);
    /* llhttp skips line ends before a message, and knows RTSP and ICE */
    if (in.at[0] == '\r' || in.at[0] == '\n')
        return bad(err, ERROR_INPUT, "an empty line before the message");
    head->field_count = 0;
    head->head_bytes = len;
    head->method = head->target = (struct bytes){NULL, 0};
    llhttp_init(&parser, type, &head_settings);
    parser.data = parse;
    llhttp_errno_t result = llhttp_execute(&parser, (const char *)in.at, len);
    if (!parse->complete || result != HPE_PAUSED) {
        const char *reason = llhttp_get_error_reason(&parser);
        if (parse->limit)
            error_set(err, ERROR_LIMIT, "more than %d header fields", HTTP1_FIELDS_MOST);
        if (parse->wrong == NULL && bytes_starts(in, BYTES("PRI * HTTP/2.0")))
            parse->wrong = "an HTTP/2 preface where HTTP/1.1 is spoken";
        if (parse->wrong == NULL)
            parse->wrong = reason != NULL && *reason != '\0' ? reason : llhttp_errno_name(result);
        return bad(err, ERROR_INPUT, parse->wrong);
    }
    const char *wrong = framing_wrong(parse, type == HTTP_REQUEST);
    if (wrong != NULL)
        return bad(err, ERROR_INPUT, wrong);
    for (size_t i = 0; i < head->field_count; i++)
        head->field[i].value = bytes_trim(head->field[i].value);
    head->http_1_0 = parse->minor == 0;
    head->keep_alive = head->http_1_0 ? (parse->flags & F_CONNECTION_KEEP_ALIVE) != 0
                                      : (parse->flags & F_CONNECTION_CLOSE) == 0;
    head->upgrade = (parse->flags & F_UPGRADE) != 0 && (parse->flags & F_CONNECTION_UPGRADE) != 0;
    head->length = 0;
    head->expect_continue = head->informational = false;
    return HTTP1_DONE;
}

/* The framing that the fields spell (RFC 9112 6.3, from rule 4 on). */
static void take_framing(const struct parse *parse, enum http1_framing without)
{
    struct http1_head *head = parse->head;
    head->framing = without;
    if ((parse->flags & F_CHUNKED) != 0) {
        head->framing = HTTP1_CHUNKED;
    } else if ((parse->flags & F_CONTENT_LENGTH) != 0) {
        head->length = parse->length;
        head->framing = head->length > 0 ? HTTP1_LENGTH : HTTP1_NO_BODY;
    }
}

/* METHOD SP TARGET SP "HTTP/1." (RFC 9112 3): llhttp takes several spaces, RTSP/ and ICE/ too. */
static bool is_http_line(struct bytes in, const struct http1_head *head)
{
    const uint8_t *end = memchr(in.at, '\r', in.len);
    return end != NULL && end - in.at > 9 && memcmp(end - 9, " HTTP/", 6) == 0 &&
           head->method.at == in.at && head->target.at == in.at + head->method.len + 1 &&
           head->target.at + head->target.len == end - 9;
}

enum http1_result http1_parse_request(struct bytes in, struct http1_head *ret, struct error *err)
{
    struct parse parse = {.head = ret};
    enum http1_result result = parse_head(in, HTTP_REQUEST, &parse, err);
    if (result != HTTP1_DONE)
        return result;
    if (!is_http_line(in, ret))
        return bad(err, ERROR_INPUT, "a request line that is not METHOD SP TARGET SP HTTP/1.x");
    ret->verb = http1_verb(ret->method);
    ret->status = 0;
    take_framing(&parse, HTTP1_NO_BODY);
    if (ret->verb == VERB_CONNECT) {
        if (ret->framing != HTTP1_NO_BODY)
            return bad(err, ERROR_INPUT, "a CONNECT with a body");
        ret->framing = HTTP1_TUNNEL;
    }
    struct bytes expect = fields_find((struct fields){ret->field, ret->field_count}, "expect");
    ret->expect_continue = !ret->http_1_0 && bytes_equal_nocase(expect, BYTES("100-continue"));
    return HTTP1_DONE;
}

enum http1_result http1_parse_response(struct bytes in, enum verb request, struct http1_head *ret,
                                       struct error *err)
{
    struct parse parse = {.head = ret};
    enum http1_result result = parse_head(in, HTTP_RESPONSE, &parse, err);
    if (result != HTTP1_DONE)
        return result;
    if (memchr(in.at, '\0', bytes_find(in, '\r')) != NULL) /* llhttp does not mind in a reason */
        return bad(err, ERROR_INPUT, "a NUL in the status line");
    ret->verb = request;
    if (ret->status == 101 || (request == VERB_CONNECT && ret->status / 100 == 2)) {
        ret->framing = HTTP1_TUNNEL;
    } else if (ret->status / 100 == 1) {
        ret->informational = true;
        ret->framing = HTTP1_NO_BODY;
    } else if (request == VERB_HEAD || ret->status == 204 || ret->status == 304) {
        ret->framing = HTTP1_NO_BODY;
    } else {
        take_framing(&parse, HTTP1_UNTIL_CLOSE);
    }
    /* who announces a body behind a 204 may send it: it would pass for the next answer */
    if (ret->framing == HTTP1_UNTIL_CLOSE ||
        (ret->status == 204 && ((parse.flags & F_TRANSFER_ENCODING) != 0 || parse.length > 0)))
        ret->keep_alive = false;
    return HTTP1_DONE;
}

static const struct {
    const char *name;
    enum verb verb;
} verbs[] = {
    {"GET", VERB_GET},         {"POST", VERB_POST},       {"HEAD", VERB_HEAD},
    {"PUT", VERB_PUT},         {"DELETE", VERB_DELETE},   {"PATCH", VERB_PATCH},
    {"OPTIONS", VERB_OPTIONS}, {"CONNECT", VERB_CONNECT},
};

enum verb http1_verb(struct bytes method)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (bytes_equal(method, bytes_of(verbs[i].name)))
            return verbs[i].verb;
    }
    return VERB_OTHER;
}

const char *http1_verb_name(enum verb verb)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (verbs[i].verb == verb)
            return verbs[i].name;
    }
    return "OTHER";
}

static const struct {
    uint16_t status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {511, "Network Authentication Required"},
};

const char *http1_reason(uint16_t status)
{
    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Unknown";
}

struct bytes fields_find(struct fields fields, const char *name)
{
    struct bytes wanted = bytes_of(name);
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.at[i].name.len == wanted.len && bytes_equal_nocase(fields.at[i].name, wanted))
            return fields.at[i].value;
    }
    return (struct bytes){NULL, 0};
}
