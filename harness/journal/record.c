#include "journal/record.h"

#include "base/map.h"
#include "base/text.h"

#define RECORD(name, kind, help) static const struct record_field name##_fields[] = {
#define FIELD(record, field, kind, type, help) \
    {#field, help, FIELD_##kind, offsetof(struct record##_record, field), sizeof(record_##type)},
#define END(name) \
    } \
    ;
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END

static const struct record_type types[] = {
#define RECORD(name, kind, help) \
    {#name, help, kind, sizeof(struct name##_record), COUNT_OF(name##_fields), name##_fields},
#define FIELD(record, field, kind, type, help)
#define END(name)
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END
};

/* By kind: which of them, from 1; 0: none. */
enum {
    PLACE_NONE,
#define RECORD(name, kind, help) PLACE_##name,
#define FIELD(record, field, kind, type, help)
#define END(name)
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END
};
static const uint8_t places[RECORD_KINDS] = {
#define RECORD(name, kind, help) [kind] = PLACE_##name,
#define FIELD(record, field, kind, type, help)
#define END(name)
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END
};

/* The struct is the wire form only while it has no padding: its size is the sum of its fields. */
#define RECORD(name, kind, help) _Static_assert(sizeof(struct name##_record) == 0
#define FIELD(record, field, kind, type, help) +sizeof(record_##type)
#define END(name) , "padding in " #name);
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END

/* A record begins with its own first time, which gives its phase and its place in `show`. */
_Static_assert(offsetof(struct attempt_record, at) == 0 &&
                   offsetof(struct request_record, due) == 0,
               "the first field is the record's time");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are little-endian");

const struct record_type *record_type_of(uint8_t kind)
{
    return kind >= COUNT_OF(places) || places[kind] == PLACE_NONE ? NULL : &types[places[kind] - 1];
}

const struct record_type *record_types(size_t *ret_count)
{
    *ret_count = COUNT_OF(types);
    return types;
}

uint64_t record_digest(void)
{
    struct text t;
    text_init(&t, (size_t)64 * 1024);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        text_add(&t, "%s %d %d\n", types[i].name, types[i].kind, types[i].bytes);
        for (size_t k = 0; k < types[i].count; k++) {
            const struct record_field *f = &types[i].fields[k];
            text_add(&t, "%s %d %d %d\n", f->name, (int)f->kind, f->offset, f->width);
        }
    }
    INVARIANT(!t.full);
    uint64_t digest = map_hash(text_get(&t), t.len);
    text_release(&t);
    return digest;
}

uint64_t record_get(const struct record_field *field, const void *record)
{
    uint64_t value = 0;
    memcpy(&value, (const uint8_t *)record + field->offset, field->width);
    return value;
}

void record_id_print(uint64_t hi, uint64_t lo, char *to, size_t size)
{
    snprintf(to, size, "%08x-%04x-%016llx", (unsigned)(hi >> 32), (unsigned)(hi & UINT32_MAX),
             (unsigned long long)lo);
}

static bool hex_part(struct bytes *at, size_t least, size_t most, uint64_t *ret)
{
    size_t len = bytes_find(*at, '-');
    len = len == SIZE_MAX ? at->len : len;
    if (len < least || len > most || !bytes_hex_to_u64((struct bytes){at->at, len}, ret))
        return false;
    at->at += len;
    at->len -= len;
    return true;
}

static bool dash(struct bytes *at)
{
    if (at->len == 0 || at->at[0] != '-')
        return false;
    at->at++;
    at->len--;
    return true;
}

bool record_id_parse(struct bytes text, uint64_t *ret_hi, uint64_t *ret_lo)
{
    uint64_t run, proc, seq;
    /* a process above 65535 prints with more than the four digits of verifier.md 1.3 */
    if (!hex_part(&text, 8, 8, &run) || !dash(&text) || !hex_part(&text, 4, 8, &proc) ||
        !dash(&text) || !hex_part(&text, 16, 16, &seq) || text.len != 0)
        return false;
    *ret_hi = run << 32 | proc;
    *ret_lo = seq;
    return true;
}

#define WORDS_MOST 12
struct enum_words {
    const char *field;
    const char *words[WORDS_MOST];
};

/* In the order of the enums of record.h; `action` in that of enum act (engine.md section 3). */
static const struct enum_words enums[] = {
    {"outcome",
     {"answered", "reset by fault", "closed by fault", "left", "upstream reset", "upstream closed",
      "upstream refused", "bad request", "bad response", "abandoned"}},
    {"verb", {"other", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT"}},
    {"action", {"pass", "hold", "replace", "respond", "close", "reset"}},
    {"how_tied", {"not", "own id", "raw line", "request id", "trace"}},
    {"left_kind", {"not", "FIN", "RST", "RST_STREAM"}},
    {"grpc_where", {"none", "headers", "trailers"}},
    {"end", {"complete", "truncated", "reset", "eof", "refused", "client timeout"}},
    {"body_class",
     {"own", "no healthy upstream", "upstream request timeout", "connection failure",
      "connection termination", "overflow", "other proxy"}},
    {"protocol", {"http1", "http2", "tcp"}},
    {"side", {"mesh", "backend"}},
    {"closed_by", {"peer", "us", "fault", "limit"}},
    {"first_class", {"none", "http", "tls", "h2 preface", "other"}},
    {"what", {"armed", "disarmed", "expired"}},
    {"step", {"promised", "done", "undone"}},
    {"result",
     {"done", "refused by us", "refused by peer", "eof", "reset", "timeout", "not tls",
      "ended by fault"}},
    {"alpn", {"none", "http/1.1", "h2", "other"}},
    {"closed_how", {"FIN", "RST"}},
    {"level", {"info", "warn", "error"}},
    {"about", {"http/1", "http/2", "tls", "limit"}},
};

const char *record_enum_name(const char *field, uint64_t value)
{
    for (size_t i = 0; i < COUNT_OF(enums); i++) {
        if (strcmp(enums[i].field, field) == 0)
            return value < WORDS_MOST ? enums[i].words[value] : NULL;
    }
    return NULL;
}

/* The length of the UTF-8 sequence at ${p}, 0 when it is none (RFC 3629: no surrogates, shortest
 * form). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    size_t len = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;
    if (len == 0 || len > left || p[0] == 0)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

void record_clean_text(char *text, size_t len)
{
    uint8_t *p = (uint8_t *)text;
    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(p + i, len - i);
        if (n == 0)
            p[i] = '?';
        i += n == 0 ? 1 : n;
    }
}

bool record_request_is_good(const struct request_record *r)
{
    if (r->end != END_COMPLETE || r->protocol == REQUEST_TCP)
        return r->end == END_COMPLETE;
    return r->status >= 200 && r->status < 400 && r->grpc_status <= 1;
}
