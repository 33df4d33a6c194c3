#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

/* The records: their structs, and the table that describes them. records.def is the one source; all
 * else (wire, SQLite, JSON) walks record_types. Native little-endian, natural alignment, no
 * padding. */

#include "base/bytes.h"

#include <stddef.h>

enum record_kind {
    RECORD_NAME = 16, /* u32 id, then the bytes (at most NAME_MOST_BYTES) */
    RECORD_ATTEMPT = 17,
    RECORD_REQUEST = 18,
    RECORD_CONNECTION = 19,
    RECORD_HANDSHAKE = 20,
    RECORD_FAULT = 21,
    RECORD_WORLD = 22,
    RECORD_METRIC = 23,
    RECORD_SAMPLE = 24,
    RECORD_CLOCK = 25,
    RECORD_STALL = 26,
    RECORD_HOST = 27,
    RECORD_LOST = 28,
    RECORD_HOOK = 29,
    RECORD_REFUSAL = 30,
    RECORD_HOP = 31,
    /* The conductor's own text rows (store.h), as a tap sees them; never on the wire. */
    RECORD_PHASE = 67,
    RECORD_EVENT = 68,
    RECORD_END = 69,
    RECORD_PROC = 70,
};
#define RECORD_KINDS 64 /* kinds on the wire are below this */
#define NAME_MOST_BYTES 1024
#define NAMES_MOST 65536 /* per agent; beyond it names are 0, counted */

typedef uint64_t record_u64; /* the field types of records.def */
typedef int64_t record_i64;
typedef double record_f64;
typedef uint32_t record_u32;
typedef uint16_t record_u16;
typedef uint8_t record_u8;

#define RECORD(name, kind, help) struct name##_record {
#define FIELD(record, field, kind, type, help) record_##type field;
#define END(name) \
    } \
    ;
#include "journal/records.def"
#undef RECORD
#undef FIELD
#undef END

enum attempt_outcome {
    OUTCOME_ANSWERED,        /* the backend's answer, or a fault's, went out whole */
    OUTCOME_RESET_BY_FAULT,  /* we sent RST */
    OUTCOME_CLOSED_BY_FAULT, /* we sent FIN early */
    OUTCOME_LEFT,            /* the mesh left first: see left, left_kind */
    OUTCOME_UPSTREAM_RESET,  /* the backend reset; mirrored */
    OUTCOME_UPSTREAM_CLOSED, /* the backend closed early; mirrored */
    OUTCOME_UPSTREAM_REFUSED,
    OUTCOME_BAD_REQUEST,  /* the mesh's bytes were not HTTP; 400 or 431 */
    OUTCOME_BAD_RESPONSE, /* the backend's bytes were not HTTP; mirrored as a close */
    OUTCOME_ABANDONED,    /* the process ended */
};
enum left_kind { LEFT_NOT, LEFT_FIN, LEFT_RST, LEFT_RST_STREAM };
enum how_tied { TIED_NOT, TIED_OWN_ID, TIED_RAW_LINE, TIED_REQUEST_ID, TIED_TRACE };
enum first_class { FIRST_NONE, FIRST_HTTP, FIRST_TLS, FIRST_H2_PREFACE, FIRST_OTHER };
enum verb {
    VERB_OTHER,
    VERB_GET,
    VERB_HEAD,
    VERB_POST,
    VERB_PUT,
    VERB_DELETE,
    VERB_PATCH,
    VERB_OPTIONS,
    VERB_CONNECT
};
enum {
    ATTEMPT_EFFECT = 1,    /* the backend had the whole request and began its answer */
    ATTEMPT_REDIALLED = 2, /* a reused backend connection had died; dialled once more */
    ATTEMPT_SHADOWED = 4,  /* a later fault also wanted this try */
    ATTEMPT_LIMITED = 8,   /* a fault was withheld by guard.limits */
    ATTEMPT_RELEASED = 16, /* a hold was released by disarming */
    ATTEMPT_QUEUED = 32,   /* bytes were still unsent when we sent RST */
};
enum handshake_result {
    HANDSHAKE_DONE, /* complete on our side; whether the peer accepted shows first_app */
    HANDSHAKE_REFUSED_BY_US,
    HANDSHAKE_REFUSED_BY_PEER, /* its alert */
    HANDSHAKE_EOF,
    HANDSHAKE_RESET,
    HANDSHAKE_TIMEOUT,
    HANDSHAKE_NOT_TLS,
    HANDSHAKE_ENDED_BY_FAULT,
};
enum handshake_alpn { ALPN_NONE, ALPN_HTTP1, ALPN_H2, ALPN_OTHER };
enum {
    HANDSHAKE_CERTIFICATE_SENT = 1,
    HANDSHAKE_CERTIFICATE_RECEIVED = 2,
    HANDSHAKE_DONE_BEFORE_ALERT_IN = 4,
    HANDSHAKE_DONE_BEFORE_ALERT_OUT = 8,
    HANDSHAKE_PASSED_THROUGH = 16, /* not ours: read on its way (PROXY_TCP) */
};
enum fault_change { FAULT_ARMED, FAULT_DISARMED, FAULT_EXPIRED }; /* of a fault record */
enum hook_level { HOOK_INFO, HOOK_WARN, HOOK_ERROR }; /* error: the hook was switched off */
enum refusal_about { REFUSAL_HTTP1, REFUSAL_HTTP2, REFUSAL_TLS, REFUSAL_LIMIT };
enum request_end {
    END_COMPLETE,
    END_TRUNCATED,
    END_RESET,
    END_EOF,
    END_REFUSED,
    END_CLIENT_TIMEOUT
};
enum request_protocol { REQUEST_HTTP1, REQUEST_HTTP2, REQUEST_TCP };
enum { REQUEST_MARK_OVERLOADED = 1, REQUEST_MARK_UPSTREAM_TIME = 2, REQUEST_MARK_L5D_ERROR = 4 };
enum { REQUEST_CAP_REACHED = 1, REQUEST_WARMUP = 2, REQUEST_TAGGED = 4, REQUEST_CONNECT_NEW = 8 };
enum body_class {
    BODY_OWN,                /* the stub's or a fault's own body, or empty */
    BODY_NO_HEALTHY,         /* "no healthy upstream" */
    BODY_UPSTREAM_TIMEOUT,   /* "upstream request timeout" */
    BODY_CONNECT_FAILURE,    /* "upstream connect error ..." reason connection failure */
    BODY_CONNECT_TERMINATED, /* the same, reason connection termination */
    BODY_OVERFLOW,           /* the same, reason overflow */
    BODY_OTHER_PROXY,        /* another text of a proxy */
};

enum field_kind {
    FIELD_TIME,
    FIELD_SPAN,
    FIELD_ID,
    FIELD_NAME,
    FIELD_COUNT,
    FIELD_BITS,
    FIELD_ENUM,
    FIELD_MS,
    FIELD_SIGNED,
    FIELD_REAL,
};
struct record_field {
    const char *name, *help;
    enum field_kind kind;
    uint16_t offset, width;
};
struct record_type {
    const char *name, *help;
    uint8_t kind;
    uint16_t bytes, count;
    const struct record_field *fields;
};
/* NULL for a kind that the table lacks (RECORD_NAME too: it is text). */
const struct record_type *record_type_of(uint8_t kind);
/* All rows, in the table's order. */
const struct record_type *record_types(size_t *ret_count);
/* A digest of the whole table; agents and conductor must agree (HELLO). */
uint64_t record_digest(void);
/* The value of a field as an unsigned number (REAL: its bits). */
uint64_t record_get(const struct record_field *field, const void *record);
/* The answer is whole, and says that all went well: of 2xx or 3xx, gRPC OK where there is one, or
 * the echo of raw TCP. */
bool record_request_is_good(const struct request_record *r);
/* A request id as people read it: run-proc-seq, "%08x-%04x-%016llx"; and back. */
void record_id_print(uint64_t hi, uint64_t lo, char *to, size_t size);
bool record_id_parse(struct bytes text, uint64_t *ret_hi, uint64_t *ret_lo);
/* The word for a value of an ENUM field, by the field's name ("outcome", 0: "answered"); NULL:
 * none. */
const char *record_enum_name(const char *field, uint64_t value);
/* Makes ${text} valid UTF-8 without NULs, in place: each byte that is not becomes '?'. Names are
 * bytes of peers (headers, paths), and what reads a journal wants text. */
void record_clean_text(char *text, size_t len);

#endif
