#ifndef ENGINE_LINK_H
#define ENGINE_LINK_H

/* The conductor's end of an agent's connection: frames in, control messages out, never blocking. It
 * knows nothing of what the messages mean.
 *
 * That of an agent which dialled in may break and be replaced by another: what was sent is kept
 * until the agent says that it has it, and what was taken is counted, so that both streams go on
 * where they were, in whole messages (kubernetes.md section 7). */

#include "engine/carrier.h"
#include "journal/frame.h"
#include "net/loop.h"

#include <jansson.h>

#define LINK_OUT_MOST_BYTES ((size_t)16 * 1024 * 1024)

struct link {
    struct loop *loop;
    struct carrier *wire; /* NULL: closed, or broken */
    struct watch watch;
    struct frame_reader reader;
    struct buffer out; /* what is not sent yet, or (${keeps}) not acknowledged */
    size_t sent;       /* of ${out} */
    uint64_t out_from; /* position of ${out}'s first byte in the stream */
    bool keeps;
    struct loop_task again;
    bool gone;
    /* One whole frame; false (with the reason) ends the link. May call link_close. */
    bool (*on_frame)(void *cookie, const struct frame *frame, struct bytes body, struct error *err);
    /* Once: the peer has closed, or sent what cannot be understood (${why} is filled then). */
    void (*on_gone)(void *cookie, const struct error *why);
    void *cookie;
};

/* Takes ${wire}; NULL: there is no connection yet, link_resume brings it, and the link keeps what
 * it sends. The struct must stay where it is until link_close and the end of that turn. */
bool link_open(struct link *l, struct loop *loop, struct carrier *take_wire,
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
/* The first, or another connection to the same agent, which has the first ${theirs} bytes of what
 * was sent. Takes ${wire} also when it fails: ERROR_PEER when those bytes are not kept. Records of
 * the agent may be there already: they are read in the next turn. */
bool link_resume(struct link *l, struct carrier *take_wire, uint64_t theirs,
                 struct error *err) WARN_UNUSED;
/* The agent has all before ${position}. */
void link_acknowledged(struct link *l, uint64_t position);
/* How much of the agent's stream was taken, in whole messages. */
uint64_t link_taken(const struct link *l);
/* Takes ${json}. What the socket does not take at once waits; past LINK_OUT_MOST_BYTES it fails. */
bool link_send(struct link *l, uint8_t kind, json_t *take_json, struct error *err) WARN_UNUSED;

#endif
