#ifndef PLAN_CHECK_H
#define PLAN_CHECK_H

/* Between the files of plan_check only: what is known of the place where a step stands. */

#include "plan/errors.h"
#include "plan/plan.h"

enum stands { STANDS_SCENARIO, STANDS_PHASE, STANDS_AT, STANDS_DURING, STANDS_GROUP };

struct check {
    struct scenario *scenario;
    const struct phase *phase; /* NULL: the whole run */
    enum stands stands;
    struct errors *errors;
};

void check_steps(const struct check *c, struct step *steps, size_t count);
/* A place against the lab's services; true where there is no lab to know them. */
bool check_place(const struct scenario *s, const char *key, const struct place *place,
                 struct error *err) WARN_UNUSED;
const struct phase *check_find_phase(const struct scenario *s, const char *name);

#endif
