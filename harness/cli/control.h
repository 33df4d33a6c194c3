#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

/* The control socket of a run: unix, 0600, beside the journal (FILE.db: FILE.sock), or in a folder
 * of its own under TMPDIR where that path is too long or taken. JSON lines both ways: a request is
 * an object with a "verb" (engine/steer.h), and gets one line. The verbs of the socket itself:
 *
 *     status   the state of the run (control_state.h) with "run", "suite", "pid", "journal"
 *     watch    the same now, and again whenever it changes; the last line has "state": "done" and
 *              "exit", and comes when the run's exit code is known
 *
 * Its peers are of the same user (or root), and not trusted for that: lines are at most
 * CONTROL_LINE_MOST bytes, a peer that is silent, or that does not read, is dropped. */

#include "cli/onlooker.h"

#define CONTROL_LINE_MOST 4096
#define CONTROL_ANSWER_MOST ((size_t)64 * 1024) /* unread by its peer */
#define CONTROL_PEERS_MOST 16
#define CONTROL_WATCHERS_MOST 12   /* who watches may stay for ever; halt must find room */
#define CONTROL_REQUESTS_MOST 1000 /* of one peer */

struct control;
/* Makes the socket and the note of the run (live_note.h). False: runs are locked, or one of that id
 * goes on. Where nothing can be written the run goes on unsteered, with a warning. */
bool control_open(const char *run, const char *suite, const char *journal, struct control **ret,
                  struct error *err) WARN_UNUSED;
struct onlooker control_onlooker(struct control *c);
/* After the run, judged or not: tells those who wait, and takes socket and note away. NULL is fine.
 */
void control_close(struct control *c, int exit_code);

#endif
