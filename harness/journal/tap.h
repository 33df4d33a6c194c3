#ifndef JOURNAL_TAP_H
#define JOURNAL_TAP_H

/* What goes into a journal, seen by somebody else at the same moment (store_tap): a live view. Rows
 * come in the order in which they are written, which within one process is the order in which they
 * were made, and between processes is not. Nothing of a row may be kept past the call but a copy.
 *
 *     kind                      record
 *     RECORD_ATTEMPT..REFUSAL   its struct (records.def); name fields are ids for record_name
 *     RECORD_PROC               const struct journal_proc *: a process of the run
 *     RECORD_PHASE              const struct journal_phase *: it began (why NULL), or ended
 *     RECORD_EVENT              const struct journal_event *: as the table "event"
 *     RECORD_END                const struct journal_end *: the last of all
 *
 * Names cost memory as long as the store lives: at most TAP_NAME_BYTES over all processes. What
 * comes later reads as "". */

#include "journal/journal.h"

#define TAP_NAME_BYTES ((size_t)32 * 1024 * 1024)

struct journal_end {
    const char *how; /* "complete", "aborted: ..." */
    uint64_t t_ns;
};

/* Whose row it is. The conductor's own text rows (RECORD_PROC and up) have proc 0 and no words. */
struct record_source {
    uint32_t proc;
    const char *role, *arm, *service; /* "load", "subject", "payments"; "" where there is none */
    const char *(*name)(const void *names, uint32_t id); /* NULL: it has none */
    const void *names;
};
/* The text of a name field, good during the call; "" for 0 and for what is not known. Bytes of
 * peers: valid UTF-8 without NULs, nothing more. */
const char *record_name(const struct record_source *from, uint32_t id);

typedef void tap_on_row(void *cookie, const struct record_source *from, enum record_kind kind,
                        const void *record);

/* The store's own side. */
struct tap;
struct tap *tap_new(tap_on_row *on_row, void *cookie);
void tap_free(struct tap *t); /* NULL is fine */
/* One for each process, kept by whoever knows the processes, and the tap's to free. */
struct tap_names;
struct tap_names *tap_names_new(struct tap *t, uint32_t proc);
void tap_proc(struct tap *t, struct tap_names *p, const struct journal_proc *proc);
void tap_name(struct tap *t, struct tap_names *p, const char *text, size_t len); /* from id 1 on */
void tap_record(struct tap *t, const struct tap_names *p, enum record_kind kind,
                const void *record);
void tap_phase(struct tap *t, const struct journal_phase *phase);
void tap_event(struct tap *t, uint32_t phase, uint64_t t_ns, const char *what, const char *json);
void tap_end(struct tap *t, const struct journal_end *end);

#endif
