#ifndef ENGINE_STEER_H
#define ENGINE_STEER_H

/* What the outside may ask of a run that is going on: a live view's keys, a page's buttons, another
 * process at the control socket. It lives on the conductor's loop, from engine_options.on_begin to
 * on_end, and its functions are called in callbacks of that loop, never in on_record. */

#include "base/error.h"

#include <jansson.h>

struct steer;

/* Ends the run early: everything is undone, what is decided is judged, exit 3 (scenario-language.md
 * 2.6). Returns at once; the undoing goes on. ${who} ("alice", "page"; at most STEER_WHO_BYTES) and
 * ${why} (at most STEER_WHY_BYTES; NULL or "": not said) go into the journal. False: the run is
 * ending already, or the texts are not fit. */
#define STEER_WHO_BYTES 64
#define STEER_WHY_BYTES 160
bool steer_abort(struct steer *s, const char *who, const char *why, struct error *err);

/* Takes all faults out and stops the clocks of phases and awaits; load goes on. At most 30 min,
 * then the run is aborted. False: it is paused already, or ending. */
bool steer_pause(struct steer *s, const char *who, struct error *err);
/* The same faults again, then `settle`; what was between is no evidence. False: not paused. */
bool steer_resume(struct steer *s, const char *who, struct error *err);

/* Puts a line of ${what} into the journal ("api_call"), with what ${take_json} says; before
 * anything that follows from it. A journal that takes no more ends the run. */
void steer_note(struct steer *s, const char *what, json_t *take_json);

/* A request as it comes over the control socket: {"verb": "abort", "who": "alice", ...}. The answer
 * (the caller's) always has "ok": true, or false with "error": a sentence. */
json_t *steer_ask(struct steer *s, const json_t *ask);
/* Adds a verb, at most STEER_VERBS_MOST. ${verb} is borrowed; ${answer} gets the whole request and
 * gives an object, to which "ok": true is added when it has none; it is not called after on_end. */
#define STEER_VERBS_MOST 24
void steer_serve(struct steer *s, const char *verb,
                 json_t *(*answer)(void *cookie, const json_t *ask), void *cookie);
/* {"ok": false, "error": text}: what an ${answer} gives to a bad request. */
json_t *steer_refuse(const struct error *why);

/* --- the conductor's side --- */
struct steer_acts {
    bool (*abort)(void *cookie, const struct error *why, struct error *err);
    bool (*pause)(void *cookie, const char *who, struct error *err);
    bool (*resume)(void *cookie, const char *who, struct error *err);
    void (*note)(void *cookie, const char *what, json_t *take_json); /* may be NULL */
};
struct steer *steer_new(const struct steer_acts *acts, void *cookie);
void steer_free(struct steer *s); /* NULL is fine */

#endif
