#ifndef KUBE_REVERT_H
#define KUBE_REVERT_H

/* The cluster's undo ledger (spec/kubernetes.md section 2, "journal entry", "revert"): what a run
 * changes of objects that are not its own is written into the anchor ConfigMap's `journal.json`
 * before it is done, and comes back by compare-and-set: newest first, only where the value is still
 * ours. Objects that a run adds need no entry: they go with the anchor.
 *
 * One writer; each write of the anchor carries its resourceVersion. Both directions are chores. */

#include "kube/chore.h"

#define REVERT_JOURNAL_MOST_BYTES ((size_t)900 * 1024) /* a ConfigMap ends at 1 MiB */
#define REVERT_ENTRIES_MOST 1000
#define REVERT_TRIES_MOST 5
#define REVERT_AGAIN_NS (UINT64_C(200) * 1000000)
#define REVERT_JOURNAL_KEY "journal.json"

enum revert_state { REVERT_INTENDED, REVERT_DONE, REVERT_REVERTED, REVERT_DIVERGED };
enum revert_verb { REVERT_CREATE, REVERT_PATCH };

struct revert_entry {
    uint64_t n; /* from 1 */
    enum revert_verb verb;
    enum revert_state state;
    const struct gvr *gvr;
    char *namespace, *name;
    char *uid, *rv_before, *rv_after; /* NULL: not known (yet) */
    char *path;        /* "/spec/selector": keys only, no index; NULL of REVERT_CREATE */
    json_t *old, *new; /* NULL: nothing is there. Of REVERT_CREATE: new is the whole object */
    char *diff; /* of DIVERGED, for people: "is X, was Y before the run, Z by it"; else NULL */
};

struct revert_journal;

/* Of the anchor as the server answers it, new or found: one without the key has an empty journal.
 * Bytes of a cluster: all of it is checked. */
bool revert_journal_read(const json_t *anchor, struct revert_journal **ret,
                         struct error *err) WARN_UNUSED;
void revert_journal_free(struct revert_journal *j);
size_t revert_journal_count(const struct revert_journal *j);
const struct revert_entry *revert_journal_entry(const struct revert_journal *j, size_t at);
/* Entries that are not reverted: what `recover` has to look at. */
size_t revert_outstanding(const struct revert_journal *j);
/* journal.json's text; for tests and `recover --list`. The caller's to free. */
char *revert_journal_print(const struct revert_journal *j);

/* A write of the anchor under way: with its resourceVersion, and read again where somebody else has
 * put a mark on it in between. Inside of revert*.c only. */
struct revert_write {
    char *text; /* journal.json as it will be */
    bool looking;
    unsigned tries;
    uint64_t wake_ns;
    json_t *body;
};

/* An edit: GET; the change with dryRun=All, for the server fills defaults in and the journal must
 * know what will be there; entry `intended` (PATCH of the anchor, and its 200); the change with the
 * resourceVersion read; entry `done`. 409: from the beginning, REVERT_TRIES_MOST times. */
struct revert_edit {
    struct chore chore; /* first */
    bool over, made;    /* read only: it ended; the object is as it was asked */
    struct error err;
    /* Inside. */
    struct revert_journal *journal;
    struct revert_entry *entry; /* of the journal once it is written there */
    bool entered;
    json_t *wanted, *body;
    int doing;
    unsigned tries;
    uint64_t wake_ns;
    struct revert_write write;
};
/* ${path} must lead through maps and end below /spec or /metadata/annotations; JSON pointer (RFC
 * 6901), no index of a list: a list is changed whole. */
bool revert_edit_patch(struct revert_edit *e, struct revert_journal *j, const struct gvr *gvr,
                       const char *namespace, const char *name, const char *path, json_t *take_new,
                       struct error *err) WARN_UNUSED;
/* An object that is made and cannot have the anchor as its owner. */
bool revert_edit_create(struct revert_edit *e, struct revert_journal *j, const struct gvr *gvr,
                        json_t *take_object, struct error *err) WARN_UNUSED;
void revert_edit_release(struct revert_edit *e);

/* All entries, newest first. Goes on past one that cannot be reverted. */
struct revert_all {
    struct chore chore; /* first */
    bool over;
    size_t reverted, gone, diverged, failed; /* so far; diverged + failed > 0: exit 5 */
    struct error err;                        /* the first */
    /* Inside. */
    struct revert_journal *journal;
    size_t left; /* entries not yet looked at */
    int doing;
    unsigned tries;
    uint64_t wake_ns;
    json_t *body;
    char version[40], uid[64];
    struct revert_write write;
};
void revert_all_init(struct revert_all *r, struct revert_journal *j);
void revert_all_release(struct revert_all *r);

#endif
