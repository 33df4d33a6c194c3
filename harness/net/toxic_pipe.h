#ifndef NET_TOXIC_PIPE_H
#define NET_TOXIC_PIPE_H

/* One direction of a connection on its way through the toxics: chunks wait in stages, one a toxic,
 * each with a clock of its own. No sockets, and no clock but what it is told: tests run it in
 * virtual time. */

#include "net/toxic.h"

struct toxic_pipe;

/* How a direction ends, behind its last byte. */
enum toxic_end {
    TOXIC_OPEN,
    TOXIC_END_FIN,    /* its source said so */
    TOXIC_END_RESET,  /* its source was reset */
    TOXIC_END_CLOSED, /* a toxic closed it */
    TOXIC_END_CUT,    /* reset_peer */
};

struct toxic_sink {
    bool (*is_ready)(void *cookie); /* false: what is due waits for the next run */
    void (*put)(void *cookie, struct bytes chunk);
    void *cookie;
};

#define TOXIC_CHUNK_MOST_BYTES ((size_t)32 * 1024)       /* of one read, as Toxiproxy's */
#define TOXIC_PIPE_MOST_BYTES ((size_t)16 * 1024 * 1024) /* then its source is not read */
#define TOXIC_LATENCY_CHUNKS_MOST 1024                   /* others hold one */

/* ${rng}: of the connection and side. ${list} may be NULL, and is not kept. */
struct toxic_pipe *toxic_pipe_new(enum side side, const struct toxic_list *list, struct rng rng,
                                  struct toxic_sink sink, uint64_t now_ns);
void toxic_pipe_free(struct toxic_pipe *p);
/* Other toxics from now on. What a toxic that went had kept goes on at once; `timeout`, when it
 * goes, closes, for it has dropped bytes. A toxic whose values are new begins anew. */
void toxic_pipe_set(struct toxic_pipe *p, const struct toxic_list *list, uint64_t now_ns);
/* False: feed it nothing now. */
bool toxic_pipe_takes(const struct toxic_pipe *p);
/* At most TOXIC_CHUNK_MOST_BYTES. */
void toxic_pipe_feed(struct toxic_pipe *p, struct bytes chunk, uint64_t now_ns);
void toxic_pipe_end(struct toxic_pipe *p, enum toxic_end how);
/* Moves what can move. Returns when to run it again at the latest; UINT64_MAX: when something
 * comes. */
uint64_t toxic_pipe_run(struct toxic_pipe *p, uint64_t now_ns);
/* Not TOXIC_OPEN once all that was to come out has. */
enum toxic_end toxic_pipe_ended(const struct toxic_pipe *p);

#endif
