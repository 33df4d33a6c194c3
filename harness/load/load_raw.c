#include "load/load_raw.h"

#include "journal/record.h"

#include <string.h>

#define LINE_BYTES 40

bool load_raw_wanted(const struct load_plan *plan)
{
    return plan->protocol != NULL && strcmp(plan->protocol, "tcp") == 0;
}

/* The message of the request under way: the bytes that are to come back. */
static struct bytes message(const struct load_conn *c)
{
    const struct wire *w = &c->load->wire;
    if (w->body_bytes == 0)
        return bytes_of(c->message);
    return (struct bytes){(const uint8_t *)w->end.at + w->end.len - w->body_bytes, w->body_bytes};
}

static struct iovec part_of(const void *at, size_t len)
{
    struct iovec part = {.iov_len = len};
    memcpy(&part.iov_base, &at, sizeof(at));
    return part;
}

size_t load_raw_parts(struct load_conn *c, struct iovec parts[LOAD_RAW_PARTS], uint64_t *ret_bytes)
{
    struct load *l = c->load;
    char id[48];
    size_t count = 0;
    record_id_print((uint64_t)l->config.run << 32 | l->config.proc, c->seq, id, sizeof(id));
    if (!c->named) {
        uint32_t tag = c->ask.tag == 0 ? 0 : l->plan->tagged[c->ask.tag - 1].number;
        int n = snprintf(l->line, sizeof(l->line), "MP1 %s %04u\n", id, tag);
        INVARIANT(n == LINE_BYTES);
        parts[count++] = part_of(l->line, LINE_BYTES);
        c->named = true;
    }
    snprintf(c->message, sizeof(c->message), "%s\n", id);
    struct bytes all = message(c);
    parts[count++] = part_of(all.at, all.len);
    *ret_bytes = all.len;
    return count;
}

enum http1_result load_raw_take(struct load_conn *c, struct bytes in)
{
    struct bytes all = message(c);
    uint64_t had = c->body.payload_bytes;
    c->body.payload_bytes += in.len;
    if (in.len > all.len - had || memcmp(all.at + had, in.at, in.len) != 0)
        return HTTP1_BAD;
    return c->body.payload_bytes == all.len ? HTTP1_DONE : HTTP1_MORE;
}
