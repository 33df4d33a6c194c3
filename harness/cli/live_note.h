#ifndef CLI_LIVE_NOTE_H
#define CLI_LIVE_NOTE_H

/* The runs that go on in this folder: each has a note LIVE_FOLDER/RUN.json from before its first
 * process until its exit code is known. A note whose process is gone (by pid, start time and boot;
 * a pid of another PID namespace is never judged) is that of a run that died, and is removed by
 * whoever finds it. And the lock, by which new runs are refused. */

#include "world/process.h"

#define LIVE_FOLDER ".meshproof/live"
#define LIVE_LOCK ".meshproof/locked"
#define LIVE_NOTE_MOST_BYTES 8192

struct live_note {
    char run[9], suite[512], journal[1024], socket[1024];
    uint64_t started_wall_ns;
    struct process process;
    bool foreign; /* read: its process is of another PID namespace */
};

/* False: a run of that id goes on already, or the folder cannot be written. */
bool live_note_write(const struct live_note *note, struct error *err) WARN_UNUSED;
void live_note_remove(const char *run);
/* All that live, by run id; the caller's to free. Notes that are none are left out. */
bool live_note_list(struct live_note **ret, size_t *ret_count, struct error *err) WARN_UNUSED;
/* By id or by a prefix that is unique among them; NULL: the only one there is. ${ret_none}: no run
 * goes on, or none of that name; then false without an error of its own. */
bool live_note_find(const char *run, struct live_note *ret, bool *ret_none,
                    struct error *err) WARN_UNUSED;

/* ${reason}: 1 to 160 bytes without control characters. An earlier lock is replaced. */
bool live_lock(const char *reason, const char *who, struct error *err) WARN_UNUSED;
/* ${ret_was}: there was one. */
bool live_unlock(bool *ret_was, struct error *err) WARN_UNUSED;
/* False when runs are locked, with the sentence that refuses a new one. */
bool live_may_run(struct error *err) WARN_UNUSED;
/* The name of whoever is at the keyboard: LOGNAME, USER, or "uid N". */
const char *live_who(char *to, size_t size);

#endif
