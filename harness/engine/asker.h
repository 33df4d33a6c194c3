#ifndef ENGINE_ASKER_H
#define ENGINE_ASKER_H

/* The conductor's voice towards people: asks the questions of a run, writes them and their answers
 * into the journal, reads a terminal, and lets a walk go on when its await is answered. What may be
 * answered is question.h's to say. */

#include "engine/engine.h"
#include "engine/question.h"
#include "engine/steer.h"
#include "journal/store.h"
#include "net/loop.h"

struct asker;
struct await;
struct walk;
struct asker_events {
    /* asker_approved or asker_is_waiting may have changed. */
    void (*on_change)(void *cookie);
    /* ${refused}: an approval was refused, or not given in time: nothing was done yet, and nothing
     * must be. Else the journal takes no more. */
    void (*on_trouble)(void *cookie, const struct error *why, bool refused);
    void *cookie;
};
/* Everything is borrowed; ${start_ns} is what the events' times count from. */
struct asker *asker_new(struct loop *loop, struct store *store, const struct engine_options *o,
                        uint64_t start_ns, const struct asker_events *events);
void asker_free(struct asker *a);
/* Asks for the approvals of a scenario, but for those that the run has; with --yes they are given
 * at once. */
bool asker_approvals(struct asker *a, const struct walk_plan *walk, struct error *err) WARN_UNUSED;
/* Every approval that was asked for is given. */
bool asker_approved(const struct asker *a);
/* Asks what an await.human asks; the walk goes on when it is answered. */
bool asker_await(struct asker *a, struct walk *w, const struct await *await,
                 struct error *err) WARN_UNUSED;
/* Asks what the expect.human of the walk's phase ask, those in `during` too; without a phase those
 * of the whole scenario. The walk does not wait for the answers. */
bool asker_expects(struct asker *a, const struct walk *w, struct error *err) WARN_UNUSED;
/* The questions of ${owner} (NULL: all) are waited for no more. */
void asker_drop(struct asker *a, const void *owner, enum question_state as);
/* Some question is open. */
bool asker_is_waiting(const struct asker *a);
/* Adds the verbs of people to what may be asked of the run:
 *   {"verb":"questions"}: {"open":1,"questions":[{"number":1,"kind":"await","ask":..,"role":..,
 *       "takes":"yes/no","since_ns":..,"age_ns":..,"within_ns":..}]}: the first 20 open ones;
 *       since_ns counts from the run's start, "takes" is "text" or "yes/no";
 *   {"verb":"answer","number":3,"answer":"yes","who":"alice","channel":"page"}: takes an answer;
 *       without a number to the oldest that is open, without a channel it is "socket". The reply
 *       has the question's number, its kind, its state now, and how many people must still agree
 *       ("missing").
 */
void asker_serve(struct asker *a, struct steer *steer);

#endif
