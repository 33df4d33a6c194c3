#ifndef KUBE_CONDUCT_JOIN_H
#define KUBE_CONDUCT_JOIN_H

/* What mode interpose adds to a run's conduct (spec/kubernetes.md section 2): the Services that are
 * there are read before anything else, the way to their real pods is laid before a gate opens, with
 * --swap their selectors are edited once all are ready, and all of it is taken back while the
 * agents still relay. In canary each of these is nothing. Between conduct*.c only. */

#include "kube/conduct.h"
#include "kube/depart.h"
#include "kube/mirror.h"
#include "kube/swap.h"
#include "kube/incumbent.h"

/* An API that does not answer holds an end up no longer than this; conduct_close tries once more.
 */
#define CONDUCT_LEAVE_WITHIN_NS (UINT64_C(25) * 1000000000)

struct conduct_join {
    struct objects_service services[CONDUCT_SERVICES_MOST]; /* the options', as they are there */
    struct incumbent_survey survey;
    bool surveyed;
    struct mirror mirror;
    struct swap swap;
    struct depart depart;
    struct chore_run mirror_run, swap_run, depart_run;
    struct hold leave_hold;
    /* Of the run: there is one. */
    bool has_mirror, has_swap;
    /* Of the scenario under way. */
    bool swapped, leaving, left;
};

/* Fills the options' services. */
enum conduct_end conduct_join_survey(struct conduct *c, struct error *err) WARN_UNUSED;
/* All objects are made. True: first the way to the real pods, then conduct_fleet_look. */
bool conduct_join_first(struct conduct *c);
/* All pods are ready. */
void conduct_join_mustered(struct conduct *c);
bool conduct_join_ready(const struct conduct *c);
/* fleet.leave. */
bool conduct_join_leave(struct conduct *c);
/* The scenario is over, and the loop does not run. */
void conduct_join_stop(struct conduct *c);
void conduct_join_release(struct conduct *c);

#endif
