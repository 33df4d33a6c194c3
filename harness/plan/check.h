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
/* arms.c: the meshes of a scenario that has several. */
void check_arms(const struct scenario *s, struct errors *errors);
/* lab.external has tables under names of meshes, not those of one mesh. */
bool plan_external_is_by_arm(const json_t *external);
bool check_has_arm(const struct scenario *s, const char *name);
/* plane.c: `proxies` and `meshed`. */
void check_planes(const struct scenario *s, struct errors *errors);
/* check_expect.c: what an expectation's keys may say, when their shape and places are right. */
bool check_expect_keys(const struct check *c, const struct step *s, struct error *err) WARN_UNUSED;
/* check_raw.c: loads, services and steps of raw TCP; ${step}: a fault or an expectation. */
bool check_raw_load(const struct scenario *s, const struct load_plan *l,
                    struct error *err) WARN_UNUSED;
void check_raw_services(const struct scenario *s, struct errors *errors);
bool check_raw_step(const struct scenario *s, const struct step *step,
                    struct error *err) WARN_UNUSED;
/* check_cert.c: cert.*, and what `lab.tls` may be. */
bool check_cert(const struct check *c, const struct step *s, struct error *err) WARN_UNUSED;
/* await.cert, when its keys are read. */
bool check_await_cert(const struct check *c, const struct step *s, struct error *err) WARN_UNUSED;
/* ${s} is a step that needs certificates: the lab must have TLS. */
bool check_cert_tls(const struct check *c, const struct step *s, struct error *err) WARN_UNUSED;
void check_lab_tls(const struct scenario *s, struct errors *errors);
/* All steps of the scenario in the order of its phases: nobody may be left without a root. */
void check_cert_order(const struct scenario *s, struct errors *errors);
/* check_limits.c: guard.limits, and every fault and load against what holds. */
void check_limits(const struct scenario *s, struct errors *errors);
/* check_guard.c: probes, guard.stop and guard.window; and a step that names a probe. */
bool check_probe_step(const struct scenario *s, const struct step *step,
                      struct error *err) WARN_UNUSED;
/* check_human.c: what await.human, expect.human and guard.approval ask of people, and notify.*. */
bool check_human_step(const struct step *step, struct error *err) WARN_UNUSED;
bool check_approval(const struct guard_plan *g, struct error *err) WARN_UNUSED;
void check_notify(const struct scenario *s, struct errors *errors);
void check_guards(const struct scenario *s, struct errors *errors);
const struct phase *check_find_phase(const struct scenario *s, const char *name);

#endif
