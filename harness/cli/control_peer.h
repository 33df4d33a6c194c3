#ifndef CLI_CONTROL_PEER_H
#define CLI_CONTROL_PEER_H

/* One connection to the control socket: bytes to lines to requests, answers back. */

#include "net/loop.h"

#include <jansson.h>

struct control_peer;
struct control_peer_events {
    /* The answer is ours to release. In it the peer must not be freed. */
    json_t *(*on_request)(void *cookie, struct control_peer *peer, const json_t *ask);
    /* It left, or was dropped; it frees itself at the end of the turn. */
    void (*on_gone)(void *cookie, struct control_peer *peer);
};

/* Takes ${fd} (non-blocking), in any case. NULL: it could not be watched. */
struct control_peer *control_peer_new(struct loop *loop, int fd,
                                      const struct control_peer_events *events, void *cookie,
                                      struct error *err);
void control_peer_watch(struct control_peer *p);
bool control_peer_watches(const struct control_peer *p);
void control_peer_send(struct control_peer *p, const json_t *line);
int control_peer_fd(const struct control_peer *p);
/* The loop goes, the connection stays: for control_peer_tell. One that does not watch is dropped.
 */
void control_peer_leave_loop(struct control_peer *p);
/* After that. */
void control_peer_free(struct control_peer *p);
/* What ${fd} takes of one line at once. */
void control_peer_tell(int fd, const json_t *line);

#endif
