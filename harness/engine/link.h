#ifndef ENGINE_LINK_H
#define ENGINE_LINK_H

/* The conductor's end of an agent's socket: frames in, control messages out, never blocking. It
 * knows nothing of what the messages mean. */

#include "journal/frame.h"
#include "net/loop.h"

#include <jansson.h>

#define LINK_OUT_MOST_BYTES ((size_t)16 * 1024 * 1024)

struct link {
    struct loop *loop;
    int fd; /* -1: closed */
    struct watch watch;
    struct frame_reader reader;
    struct buffer out;
    struct loop_task again;
    bool gone;
    /* One whole frame; false (with the reason) ends the link. May call link_close. */
    bool (*on_frame)(void *cookie, const struct frame *frame, struct bytes body, struct error *err);
    /* Once: the peer has closed, or sent what cannot be understood (${why} is filled then). */
    void (*on_gone)(void *cookie, const struct error *why);
    void *cookie;
};

/* Takes ${fd} (a connected stream socket). The struct must stay where it is until link_close and
 * the end of that turn. */
bool link_open(struct link *l, struct loop *loop, int take_fd,
               bool (*on_frame)(void *cookie, const struct frame *frame, struct bytes body,
                                struct error *err),
               void (*on_gone)(void *cookie, const struct error *why), void *cookie,
               struct error *err) WARN_UNUSED;
/* Closes without on_gone; twice is fine. */
void link_close(struct link *l);
/* Frees the buffers; after link_close, when the loop does not run. */
void link_release(struct link *l);
/* Reads what is there until the end of the stream (the peer is dead). */
void link_drain(struct link *l);
/* Takes ${json}. What the socket does not take at once waits; past LINK_OUT_MOST_BYTES it fails. */
bool link_send(struct link *l, uint8_t kind, json_t *take_json, struct error *err) WARN_UNUSED;

#endif
