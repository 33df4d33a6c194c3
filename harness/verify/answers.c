#include "verify/answers.h"

#include "base/bytes.h"
#include "base/grpc_status.h"

/* A gRPC call has its status in grpc-status alone: HTTP 200 says nothing (PROTOCOL-HTTP2.md). */
static bool grpc_word_holds(struct bytes word, uint32_t status_plus_1)
{
    if (bytes_equal(word, BYTES("any")))
        return true;
    const char *name = status_plus_1 == 0 ? NULL : grpc_status_name(status_plus_1 - 1);
    return name != NULL && bytes_starts(word, BYTES("grpc:")) &&
           bytes_equal_nocase((struct bytes){word.at + 5, word.len - 5}, bytes_of(name));
}

/* One word of "2xx,3xx,204,grpc:OK,any". */
static bool word_holds(struct bytes word, uint32_t status)
{
    uint64_t number;
    if (bytes_equal(word, BYTES("any")))
        return true;
    if (word.len == 3 && word.at[1] == 'x' && word.at[2] == 'x')
        return status / 100 == (uint32_t)(word.at[0] - '0');
    return bytes_to_u64(word, &number) && number == status;
}

bool answers_hold(const struct window *w, const char *words, const struct request *r)
{
    bool raw = r->r->protocol == REQUEST_TCP || strcmp(window_protocol(w), "tcp") == 0;
    if (r->r->end != END_COMPLETE || raw)
        return r->r->end == END_COMPLETE;
    struct bytes rest = bytes_of(words);
    while (rest.len > 0) {
        size_t comma = bytes_find(rest, ',');
        size_t len = comma < rest.len ? comma : rest.len;
        struct bytes word = {rest.at, len};
        word = bytes_trim(word);
        if (w->grpc ? grpc_word_holds(word, r->r->grpc_status) : word_holds(word, r->r->status))
            return true;
        size_t used = len < rest.len ? len + 1 : len;
        rest = (struct bytes){rest.at + used, rest.len - used};
    }
    return false;
}
