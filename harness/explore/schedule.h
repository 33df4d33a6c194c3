#ifndef EXPLORE_SCHEDULE_H
#define EXPLORE_SCHEDULE_H

/* A fault schedule as a plain value: which faults, where, when, and with which dials. It is drawn
 * (draw.h), walked as a phase of its own (trial.h), and made smaller (shrink.h). Times count from
 * the phase's beginning. */

#include "base/text.h"
#include "explore/dial.h"
#include "plan/plan.h"

#define SCHEDULE_FAULTS_MOST 8
/* Windows lie on this grid: what is smaller tells a reader nothing. */
#define SCHEDULE_GRID_NS UINT64_C(100000000)

struct scheduled {
    const struct drawable *what;
    const char *service;        /* borrowed from the suite */
    uint32_t endpoint;          /* from 1; 0: all */
    uint64_t from_ns, to_ns;    /* to_ns UINT64_MAX: to the phase's end */
    uint64_t dials[DIALS_MOST]; /* of ${what}; DIAL_ABSENT: not set */
};
struct schedule {
    struct scheduled faults[SCHEDULE_FAULTS_MOST];
    size_t count;
    uint64_t lasting_ns; /* of the phase */
};

bool schedule_equal(const struct schedule *a, const struct schedule *b);
/* In force from the phase's beginning to its end. */
bool scheduled_is_whole(const struct scheduled *f);
/* Leaves out the fault at ${at}. */
void schedule_drop(struct schedule *s, size_t at);
/* The faults as steps in ${p}'s arena, each asked by ${source}; at least one. Returns their array,
 * schedule.count long: a fault that is not in force throughout stands in its own `during`. */
struct step *schedule_steps(const struct schedule *s, struct plan *p, struct source source);
/* "abort status=503 share=30% on payments/2 1s..3s400ms", in the suite's own words. */
void scheduled_print(const struct scheduled *f, struct text *to);
/* All of them, ", " between. */
void schedule_print(const struct schedule *s, struct text *to);

#endif
