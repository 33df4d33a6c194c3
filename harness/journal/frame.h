#ifndef JOURNAL_FRAME_H
#define JOURNAL_FRAME_H

/* The one frame of all agent traffic, both ways: an 8-byte head, then ${len} bytes of body.
 * Kinds below 16 are control (JSON bodies, engine/protocol.h); 16 to 63 are records. */

#include "journal/record.h"

struct frame {
    uint16_t len;
    uint8_t kind, flags;
    uint32_t seq;
};
#define FRAME_MORE 1    /* control: the body goes on in the next frame of this kind */
#define FRAME_PRESSED 2 /* the sender's queue is more than half full */
#define FRAME_BODY_MOST 65535
#define CONTROL_MOST_BYTES ((size_t)4 * 1024 * 1024)

/* Cuts a byte stream into frames. ${on_frame} gets each whole frame; control bodies cut by
 * FRAME_MORE are joined first (len is then the first frame's; ${body} is whole). Returning false
 * stops the feed. It must not release the reader; ${body} lives until it returns and may be
 * unaligned. */
struct frame_reader {
    struct buffer in, joined;
    bool (*on_frame)(void *cookie, const struct frame *frame, struct bytes body, struct error *err);
    void *cookie;
    struct frame first; /* of the control message being joined */
    bool joining;
    uint64_t taken; /* bytes of the stream in whole messages that were handed on, since its birth */
    uint64_t whole; /* of frames that wait for their message's last */
};
void frame_reader_init(struct frame_reader *r,
                       bool (*on_frame)(void *cookie, const struct frame *frame, struct bytes body,
                                        struct error *err),
                       void *cookie);
void frame_reader_release(struct frame_reader *r);
bool frame_reader_feed(struct frame_reader *r, struct bytes in, struct error *err) WARN_UNUSED;
/* Forgets what was not handed on yet: the stream goes on at ${taken} over another connection. Not
 * while it feeds. */
void frame_reader_restart(struct frame_reader *r);
/* Appends a control message, cut into frames as needed. */
bool frame_add_control(struct buffer *to, uint8_t kind, struct bytes json,
                       struct error *err) WARN_UNUSED;

#endif
