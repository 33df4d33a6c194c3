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

/* Of a new run: the anchor was just made, and ${anchor} is the server's answer. */
bool revert_journal_new(const json_t *anchor, struct revert_journal **ret,
                        struct error *err) WARN_UNUSED;
/* Of the anchor as it is now: an anchor without the key has an empty journal. Bytes of a cluster:
 * all of it is checked. */
#define revert_journal_read revert_journal_new
void revert_journal_free(struct revert_journal *j);
size_t revert_journal_count(const struct revert_journal *j);
const struct revert_entry *revert_journal_entry(const struct revert_journal *j, size_t at);
/* Entries that are neither reverted nor (still) untouched: what `recover` has to do. */
size_t revert_outstanding(const struct revert_journal *j);
/* journal.json's text; for tests and `recover --list`. The caller's to free. */
char *revert_journal_print(const struct revert_journal *j);

/* An edit: GET, entry `intended` (PATCH of the anchor, and its 200), the change with the
 * resourceVersion read, entry `done`. ${new} is taken over. ${path} must lead through maps and end
 * below /spec or /metadata/annotations. */
struct revert_edit {
    struct chore chore; /* first */
    bool over, made;    /* read only: it ended; the object is as ${new} */
    struct error err;
    struct revert_journal *journal;
    struct revert_entry *entry; /* of the journal; NULL before it is written there */
    /* Inside. */
    const struct gvr *gvr;
    char *namespace, *name, *path;
    json_t *wanted, *body;
    enum revert_verb verb;
    int doing;
    unsigned tries;
    uint64_t wake_ns;
};
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
    struct revert_journal *journal;
    /* Inside. */
    size_t at;
    int doing;
    unsigned tries;
    uint64_t wake_ns;
    json_t *body;
};
void revert_all_init(struct revert_all *r, struct revert_journal *j);
void revert_all_release(struct revert_all *r);

/* The merge patch (RFC 7396) that makes ${to} of ${from}: keys that ${to} lacks are null. A new
 * reference; ${from} and ${to} may be NULL ("not there": null). */
json_t *revert_merge_patch(const json_t *from, const json_t *to);

#endif
