#include "load/request.h"

uint64_t request_span(uint64_t due_ns, uint64_t at_ns)
{
    if (at_ns == 0)
        return 0;
    return at_ns > due_ns ? at_ns - due_ns : 1;
}

uint8_t request_marks(struct fields fields)
{
    static const struct {
        const char *name;
        uint8_t mark;
    } rows[] = {
        {"x-envoy-overloaded", REQUEST_MARK_OVERLOADED},
        {"x-envoy-upstream-service-time", REQUEST_MARK_UPSTREAM_TIME},
        {"l5d-proxy-error", REQUEST_MARK_L5D_ERROR},
    };
    uint8_t marks = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (fields_find(fields, rows[i].name).at != NULL)
            marks = (uint8_t)(marks | rows[i].mark);
    }
    return marks;
}

static bool has(struct bytes body, const char *words)
{
    return memmem(body.at, body.len, words, strlen(words)) != NULL;
}

enum body_class request_body_class(struct bytes body)
{
    static const char *const others[] = {"upstream ", "no healthy ", "local_rate_limited",
                                         "RBAC: access denied", "fault filter "};
    if (body.len == 0)
        return BODY_OWN;
    if (bytes_starts(body, BYTES("no healthy upstream")))
        return BODY_NO_HEALTHY;
    if (bytes_starts(body, BYTES("upstream request timeout")))
        return BODY_UPSTREAM_TIMEOUT;
    if (bytes_starts(body, BYTES("upstream connect error"))) {
        if (has(body, "connection termination"))
            return BODY_CONNECT_TERMINATED;
        if (has(body, "overflow"))
            return BODY_OVERFLOW;
        return has(body, "connection failure") ? BODY_CONNECT_FAILURE : BODY_OTHER_PROXY;
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (bytes_starts(body, bytes_of(others[i])))
            return BODY_OTHER_PROXY;
    }
    return BODY_OWN;
}
