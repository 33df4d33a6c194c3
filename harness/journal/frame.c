#include "journal/frame.h"

#define CONTROL_KINDS 16

void frame_reader_init(struct frame_reader *r,
                       bool (*on_frame)(void *cookie, const struct frame *frame, struct bytes body,
                                        struct error *err),
                       void *cookie)
{
    *r = (struct frame_reader){.on_frame = on_frame, .cookie = cookie};
    buffer_init(&r->in, sizeof(struct frame) + FRAME_BODY_MOST);
    buffer_init(&r->joined, CONTROL_MOST_BYTES);
}

void frame_reader_release(struct frame_reader *r)
{
    buffer_release(&r->in);
    buffer_release(&r->joined);
}

static bool hand_on(struct frame_reader *r, const struct frame *frame, struct bytes body,
                    struct error *err)
{
    r->taken += r->whole; /* before: an answer may name it */
    r->whole = 0;
    return r->on_frame(r->cookie, frame, body, err);
}

/* Takes one whole frame; pieces of a control message wait in ${joined}, whose own head comes
 * first. */
static bool take(struct frame_reader *r, const struct frame *frame, struct bytes body,
                 struct error *err)
{
    bool more = frame->kind < CONTROL_KINDS && (frame->flags & FRAME_MORE) != 0;
    if (r->joining && frame->kind != r->first.kind)
        return error_set(err, ERROR_PEER, "a frame of kind %u within a message of kind %u",
                         frame->kind, r->first.kind);
    r->whole += sizeof(*frame) + body.len;
    if (!r->joining && !more)
        return hand_on(r, frame, body, err);
    if (!r->joining)
        r->first = *frame;
    r->joining = true;
    if (!buffer_add(&r->joined, body.at, body.len, err)) {
        error_prefix(err, "a message of kind %u has ", frame->kind);
        return false;
    }
    if (more)
        return true;
    r->joining = false;
    r->first.flags &= (uint8_t)~FRAME_MORE;
    bool ok = hand_on(r, &r->first, buffer_view(&r->joined), err);
    buffer_release(&r->joined);
    return ok;
}

void frame_reader_restart(struct frame_reader *r)
{
    buffer_release(&r->in);
    buffer_release(&r->joined);
    r->joining = false;
    r->whole = 0;
}

/* The length of the frame at ${in} with its head; 0 when not all of it is there. */
static size_t whole(struct bytes in, struct frame *ret)
{
    if (in.len < sizeof(*ret))
        return 0;
    memcpy(ret, in.at, sizeof(*ret));
    size_t need = sizeof(*ret) + ret->len;
    return in.len < need ? 0 : need;
}

/* Moves what the begun frame in ${r->in} still lacks out of ${in}. */
static bool top_up(struct frame_reader *r, struct bytes *in, struct error *err)
{
    struct frame frame;
    size_t need = sizeof(frame);
    if (r->in.len >= sizeof(frame)) {
        memcpy(&frame, r->in.at, sizeof(frame));
        need += frame.len;
    }
    size_t n = need - r->in.len < in->len ? need - r->in.len : in->len;
    if (!buffer_add(&r->in, in->at, n, err))
        return false;
    in->at += n;
    in->len -= n;
    return true;
}

bool frame_reader_feed(struct frame_reader *r, struct bytes in, struct error *err)
{
    struct frame frame;
    for (;;) {
        struct bytes *from = &in, held = buffer_view(&r->in);
        if (held.len > 0)
            from = &held;
        size_t n = whole(*from, &frame);
        if (n > 0) {
            struct bytes body = {from->at + sizeof(frame), frame.len};
            bool ok = take(r, &frame, body, err);
            if (from == &held)
                r->in.len = 0;
            else
                in = (struct bytes){in.at + n, in.len - n};
            if (!ok)
                return false;
        } else if (in.len == 0) {
            return true;
        } else if (!top_up(r, &in, err)) {
            return false;
        }
    }
}

bool frame_add_control(struct buffer *to, uint8_t kind, struct bytes json, struct error *err)
{
    INVARIANT(kind < CONTROL_KINDS);
    if (json.len > CONTROL_MOST_BYTES)
        return error_set(err, ERROR_LIMIT,
                         "a control message of %zu bytes is more than the %zu allowed", json.len,
                         CONTROL_MOST_BYTES);
    do {
        size_t n = json.len < FRAME_BODY_MOST ? json.len : FRAME_BODY_MOST;
        struct frame frame = {
            .len = (uint16_t)n, .kind = kind, .flags = n < json.len ? FRAME_MORE : 0};
        if (!buffer_add(to, &frame, sizeof(frame), err) || !buffer_add(to, json.at, n, err))
            return false;
        json.at += n;
        json.len -= n;
    } while (json.len > 0);
    return true;
}
