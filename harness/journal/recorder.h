#ifndef JOURNAL_RECORDER_H
#define JOURNAL_RECORDER_H

/* An agent's side of the journal: records are copied into a ring and written to the conductor's
 * socket at 32 KiB or when the loop's 50 ms tick says so (engine.md section 6). It never blocks:
 * when the ring is full a new record is dropped whole and counted, and a `lost` record follows as
 * soon as there is room. seq rises by one for each record *attempted*. Not a file: the conductor
 * owns the database. */

#include "journal/frame.h"

#include <sys/types.h>

struct recorder;

/* ${fd} stays the caller's (non-blocking socket), -1: records are kept until recorder_take (tests).
 * ${ring_bytes}: 0 means the usual 16 MiB. */
struct recorder *recorder_new(int fd, size_t ring_bytes);
void recorder_free(struct recorder *r);
void recorder_emit(struct recorder *r, enum record_kind kind, const void *record);
/* The id of a name, sent on first use; 0 for an empty view, or past NAMES_MOST. */
uint32_t recorder_name(struct recorder *r, struct bytes name);
/* Queues a control frame behind the records so far, and flushes. */
bool recorder_control(struct recorder *r, uint8_t kind, struct bytes json,
                      struct error *err) WARN_UNUSED;
/* Writes what the socket takes. False when the peer is gone (EPIPE, ECONNRESET). */
bool recorder_flush(struct recorder *r);
/* Bytes are waiting: ask for writability. */
bool recorder_pending(const struct recorder *r);
/* Records emitted by kind, dropped ones not counted: for BYE. */
uint64_t recorder_count(const struct recorder *r, enum record_kind kind);
/* What is in the ring, taken out (tests, and the builtin mesh's unit tests): frames as bytes. */
void recorder_take(struct recorder *r, struct buffer *to);

/* For an agent that dials its conductor (kubernetes.md section 7). From now on what was written
 * stays in the ring until the conductor says that it has it, so that it can be sent once more over
 * another connection; positions are bytes of the stream since its birth, and lie between frames.
 * There is no connection yet. Before the first record. */
void recorder_keep(struct recorder *r);
/* A connection: ${send} is send(2) without blocking (-1 with EAGAIN: wait for recorder_flush).
 * The stream goes on at ${position}, which the conductor has named: what it has before that is
 * given up. False (and nothing is sent): the ring does not have those bytes. */
bool recorder_resume(struct recorder *r, uint64_t position,
                     ssize_t (*send)(void *cookie, const void *from, size_t size), void *cookie);
/* The connection is gone: records are kept, and nothing is written, until the next resume. */
void recorder_park(struct recorder *r);
/* The conductor has all before ${position}; a position that was never written is ignored. */
void recorder_acknowledge(struct recorder *r, uint64_t position);
/* All that was put in is acknowledged, or (without recorder_keep) written. */
bool recorder_is_empty(const struct recorder *r);

#endif
