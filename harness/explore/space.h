#ifndef EXPLORE_SPACE_H
#define EXPLORE_SPACE_H

/* What may be drawn for one scenario, and what is asked of it: the endpoints that guard.limits let
 * be touched, the faults that mean something there, the times that the policy speaks of, the claims
 * that the suite states, and the load. */

#include "explore/schedule.h"
#include "policy/policy.h"

#define SPACE_SERVICES_MOST 32
#define SPACE_MARKS_MOST 16
#define SPACE_EXPECTS_MOST 64
#define SPACE_DRAWABLES_MOST 64
#define SPACE_FAULTS_MOST 4 /* of one drawn schedule */

struct space_service {
    const char *name;
    uint32_t endpoints;
    bool all; /* all at once may be touched; else one at a time */
    const struct drawable *drawables[SPACE_DRAWABLES_MOST];
    size_t drawable_count;
    uint64_t weight; /* of all of them */
};
struct space {
    const struct plan *plan;     /* borrowed: a trial's plan borrows from it too */
    const struct scenario *base; /* of ${plan} */
    struct space_service services[SPACE_SERVICES_MOST];
    size_t service_count;
    uint64_t marks_ns[SPACE_MARKS_MOST]; /* timeouts: what is just within and just beyond them */
    size_t mark_count;
    struct step expects[SPACE_EXPECTS_MOST]; /* the claims; they stand in the trial's phase */
    size_t expect_count;
    const char *not_asked[SPACE_EXPECTS_MOST]; /* words of the suite that a trial cannot show */
    size_t not_asked_count;
    struct load_plan *loads; /* in ${arena} */
    size_t load_count;
    uint64_t lasting_ns; /* of a trial's phase, as drawn */
    uint64_t calm_ns;    /* of a phase without faults before it, in which guards hold; 0: none */
    uint64_t delay_most_ns, share_most_ppm;
    struct arena *arena;
    json_t *owned; /* array: keeps the keys of ${expects} alive */
};
struct space_options {
    const char *const *words; /* --faults; NULL: the usual ones */
    size_t word_count;
    uint64_t lasting_ns; /* 0: as the policy's own times ask */
};
/* ${s} is of ${p}, checked, its policy resolved to ${edges}. Everything that is made lives in
 * ${arena}. Fails (ERROR_USAGE, ERROR_INPUT) where nothing may be touched, none of the words means
 * anything here, or the suite asks for no claim that faults could break. */
bool space_init(struct space *ret, const struct plan *p, const struct scenario *s,
                const struct edge_policy *edges, size_t edge_count,
                const struct space_options *options, struct arena *arena,
                struct error *err) WARN_UNUSED;
void space_release(struct space *space);
/* space_claims.c: what is asked, and what is sent; parts of space_init. */
bool space_claims(struct space *space, struct error *err) WARN_UNUSED;
void space_loads(struct space *space);
/* The claim on ${on} ("" or NULL: none) is a number of the suite's own, not the policy's: a mesh
 * that follows the policy may well break it. */
bool space_is_wish(const struct space *space, const char *word, const char *on);
/* A fault word that can be drawn at all: the error lists them. */
bool space_word_check(const char *word, struct error *err) WARN_UNUSED;

/* The schedule as a plan of its own, of one scenario with one phase: the suite's mesh, lab, guards
 * and probes, the load, the claims, and the faults. Where a guard.stop watches our own load, a calm
 * phase comes first: no fault is armed before it has held (scenario-language.md 2, rule 1). Borrows
 * from the suite's plan and from the space; plan_free it before them. */
#define TRIAL_PHASE "explored"
struct space_asked {
    const char *word, *on; /* of all expectations only this one; word NULL: all; on "": wherever */
};
struct plan *space_trial(const struct space *space, const struct schedule *s, const char *name,
                         struct space_asked asked);
/* The whole language's checks, guard.limits among them (plan_check), for such a plan. */
bool space_fits(const struct space *space, const struct schedule *s, struct error *err) WARN_UNUSED;

#endif
