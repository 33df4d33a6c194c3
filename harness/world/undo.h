#ifndef WORLD_UNDO_H
#define WORLD_UNDO_H

/* Nothing is left behind: every change to the world is promised in a ledger before it is made, with
 * a note that says how to undo it, and undone on every way out: by the run, by its guardian
 * (guardian.h), or by `meshproof recover` on another day. A note is self-sufficient; undoing is
 * compare-and-set, idempotent, and read back. spec/engine.md section 4, scenario-language.md 2. */

#include "base/error.h"

#include <jansson.h>

enum undo_result {
    UNDO_DONE,     /* undone now, and read back */
    UNDO_GONE,     /* it is not there any more: success */
    UNDO_DIVERGED, /* it is no longer what we made: left alone */
};
/* One line each in undo_types.def. */
struct undo_type {
    const char *name;
    const char *back; /* what is read back then: "running" */
    /* False: it could not (why in ${err}). Needs ${note} alone, and ends within 10 s. */
    bool (*revert)(const json_t *note, enum undo_result *ret_result, struct error *err);
    bool (*still_there)(const json_t *note, bool *ret, struct error *err);
    void (*print)(const json_t *note, char *to, size_t size); /* "process payments/2 stopped" */
};
const struct undo_type *undo_type_find(const char *name);

struct undo;
/* Makes the ledger, 0600; an existing one is refused. Its folder must be there. */
bool undo_open(const char *path, const char *run, struct undo **ret, struct error *err) WARN_UNUSED;
/* Durable before it returns. The note is ours from here on, whatever comes. */
bool undo_promise(struct undo *u, const struct undo_type *type, json_t *take_note,
                  uint64_t *ret_entry, struct error *err) WARN_UNUSED;
/* The act was made. A promise that was not kept is undone too. */
bool undo_done(struct undo *u, uint64_t entry, struct error *err) WARN_UNUSED;
/* Three tries. DIVERGED stays outstanding. */
bool undo_revert(struct undo *u, uint64_t entry, enum undo_result *ret,
                 struct error *err) WARN_UNUSED;
/* The caller has undone it by other means and has read it back. */
bool undo_confirm(struct undo *u, uint64_t entry, struct error *err) WARN_UNUSED;
/* Newest first, goes on past failures; false: something is not back (exit 5), the first in ${err}.
 */
bool undo_revert_all(struct undo *u, struct error *err) WARN_UNUSED;
size_t undo_outstanding(const struct undo *u);
/* Removes the file when nothing is outstanding and nobody else writes it. */
void undo_close(struct undo *u);

/* Of one that is there already: the guardian's and recover's. Whether it was read to its end:
 * ${ret_damaged}. */
struct undo_owner {
    char run[64];
    bool lives;            /* the process whose ledger it is */
    int64_t pid;           /* its */
    uint64_t died_wall_ns; /* by the guardian's word, or the last word in it */
    size_t outstanding;
    bool damaged; /* what was promised after some place in it is not known */
};
bool undo_take(const char *path, struct undo **ret, struct undo_owner *ret_owner,
               struct error *err) WARN_UNUSED;
bool undo_peek(const char *path, struct undo_owner *ret, struct error *err) WARN_UNUSED;
/* The guardian saw the owner's end: undo_close may remove the file. */
bool undo_died(struct undo *u, struct error *err) WARN_UNUSED;

struct undo_line {
    const char *word; /* "undone", "gone", "DIVERGED", "FAILED"; of undo_list: "there", "gone" */
    const char *what; /* undo_type.print */
    const char *how;  /* "read back: running", or why not */
};
/* Undoes what a dead run left, newest first, a line each. False: the ledger cannot be read, or its
 * run goes on. */
bool undo_recover(const char *path, void (*on_line)(void *cookie, const struct undo_line *line),
                  void *cookie, unsigned *ret_not_back, struct error *err) WARN_UNUSED;
/* What undo_recover would look at; changes nothing. */
bool undo_list(const char *path, void (*on_line)(void *cookie, const struct undo_line *line),
               void *cookie, struct error *err) WARN_UNUSED;

/* Found before those of undo_types.def; NULL-terminated. For tests of this layer alone. */
extern const struct undo_type *const *undo_types_extra;

#endif
