/* layer: net */

/* Any bytes as a request head, a response head and a chunked body: no crash, views within the
 * input, and the same verdict whether the body comes whole or in two pieces. */

#include "net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct bytes view, struct bytes in)
{
    INVARIANT(view.len == 0 || (view.at >= in.at && view.at + view.len <= in.at + in.len));
}

static void check_head(const struct http1_head *head, struct bytes in)
{
    INVARIANT(head->head_bytes <= in.len && head->field_count <= HTTP1_FIELDS_MOST);
    within(head->method, in);
    within(head->target, in);
    for (size_t i = 0; i < head->field_count; i++) {
        within(head->field[i].name, in);
        within(head->field[i].value, in);
        INVARIANT(head->field[i].name.len > 0);
    }
}

static void add(void *cookie, struct bytes payload)
{
    uint64_t *hash = cookie;
    for (size_t i = 0; i < payload.len; i++)
        *hash = *hash * 31 + payload.at[i];
}

static enum http1_result walk(struct bytes in, size_t cut, uint64_t *hash, size_t *ret_used)
{
    struct http1_head head = {.framing = HTTP1_CHUNKED};
    struct http1_body body;
    struct error err = {0};
    size_t used = 0;
    http1_body_init(&body, &head);
    enum http1_result result =
        http1_body_feed(&body, (struct bytes){in.at, cut}, ret_used, add, hash, &err);
    if (result == HTTP1_MORE && cut < in.len) {
        result = http1_body_feed(&body, (struct bytes){in.at + cut, in.len - cut}, &used, add, hash,
                                 &err);
        *ret_used += used;
    }
    (void)http1_body_trailers(&body);
    http1_body_release(&body);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    struct http1_head head;
    struct error err = {0};
    uint64_t whole = 0, pieces = 0;
    size_t used_whole = 0, used_pieces = 0;
    if (http1_parse_request(in, &head, &err) == HTTP1_DONE)
        check_head(&head, in);
    if (http1_parse_response(in, size % 2 == 0 ? VERB_GET : VERB_HEAD, &head, &err) == HTTP1_DONE)
        check_head(&head, in);
    enum http1_result first = walk(in, size, &whole, &used_whole);
    enum http1_result second = walk(in, size / 2, &pieces, &used_pieces);
    INVARIANT(first == second);
    if (first != HTTP1_BAD)
        INVARIANT(whole == pieces && used_whole == used_pieces);
    return 0;
}
