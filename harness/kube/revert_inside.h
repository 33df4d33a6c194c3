#ifndef KUBE_REVERT_INSIDE_H
#define KUBE_REVERT_INSIDE_H

/* Inside of revert*.c only: the journal's memory, and the one way in which it is written. */

#include "kube/revert.h"

struct revert_journal {
    char *namespace, *name, *uid;
    char version[40]; /* of the anchor, as last seen */
    char *written;    /* journal.json, as last seen there */
    struct revert_entry *entries[REVERT_ENTRIES_MOST];
    size_t count;
};

void revert_entry_free(struct revert_entry *e);
/* The value at a JSON pointer; NULL: nothing is there. Borrowed. */
json_t *revert_value(const json_t *object, const char *path);
/* False: not below /spec or /metadata/annotations, through a list, or too deep. */
bool revert_path_check(const char *path, struct error *err) WARN_UNUSED;
/* {metadata: {resourceVersion}, ...}: what makes ${to} of ${from} at the path. */
json_t *revert_patch(const char *path, const json_t *from, const json_t *to, const char *version);

enum revert_wrote { WRITE_GOES_ON, WRITE_DONE, WRITE_FAILED };
/* Begins; false: past REVERT_JOURNAL_MOST_BYTES. */
bool revert_write_begin(struct revert_write *w, const struct revert_journal *j,
                        struct error *err) WARN_UNUSED;
void revert_write_next(struct revert_write *w, const struct revert_journal *j, uint64_t now_ns,
                       struct chore_step *ret);
enum revert_wrote revert_write_answer(struct revert_write *w, struct revert_journal *j,
                                      uint64_t now_ns, const struct api_answer *a,
                                      struct error *err);
void revert_write_release(struct revert_write *w);

#endif
