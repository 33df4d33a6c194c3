#ifndef WORLD_LEDGER_H
#define WORLD_LEDGER_H

/* The file of the undo ledger: frames that are only ever added at its end, each with checksums, so
 * that what a crash tore off is told from what was damaged later. A frame's body is JSON text. */

#include "base/bytes.h"

#include <jansson.h>

enum ledger_kind {
    LEDGER_HEAD = 1,    /* whose it is */
    LEDGER_PROMISE = 2, /* this will be done, and is undone by that note */
    LEDGER_DONE = 3,    /* the act was made */
    LEDGER_UNDONE = 4,  /* read back */
    LEDGER_DIED = 5,    /* the guardian's: the owner is gone */
};
struct ledger_frame {
    enum ledger_kind kind;
    uint64_t entry;
    struct bytes body;
};
#define LEDGER_HEAD_BYTES 24
#define LEDGER_BODY_MOST ((size_t)64 * 1024)
#define LEDGER_MOST_BYTES ((size_t)16 * 1024 * 1024)

enum ledger_end {
    LEDGER_WHOLE,
    LEDGER_TORN,    /* the last frame was not written to its end: nothing was done on it */
    LEDGER_DAMAGED, /* something else is wrong; what comes after it is not known */
};
/* Calls ${on_frame} for each good frame, in order; ${ret_good}: the bytes they take. */
enum ledger_end ledger_scan(struct bytes all,
                            void (*on_frame)(void *cookie, const struct ledger_frame *frame),
                            void *cookie, size_t *ret_good);

/* Makes it, 0600; one that is there already is an error. Its name is durable. */
bool ledger_make(const char *path, int *ret_fd, struct error *err) WARN_UNUSED;
/* Opens one that is there. ${cuts}: what is torn off is cut, so that frames may be added; else the
 * file stays as it is. */
bool ledger_take(const char *path, bool cuts, int *ret_fd, struct buffer *ret_bytes,
                 enum ledger_end *ret_end, struct error *err) WARN_UNUSED;
/* One frame, durable before it returns. No promise is taken beyond half of what a reader takes, so
 * that each can be marked as undone. */
bool ledger_append(int fd, enum ledger_kind kind, uint64_t entry, const json_t *body,
                   struct error *err) WARN_UNUSED;

#endif
