#ifndef REPORTS_TIMELINE_H
#define REPORTS_TIMELINE_H

/* The parts of the timeline: one axis of time, shared by its panels and its lanes (spec/ui.md 6).
 * timeline.c lays them out from the top; each part says how high it is before it is drawn. */

#include "reports/in_force.h"
#include "reports/outage.h"
#include "reports/swimlane.h"

#define TIMELINE_WIDTH PX(1180)
#define TIMELINE_LEFT PX(120)
#define TIMELINE_RIGHT PX(1074)
#define TIMELINE_GUTTER PX(110) /* where labels of the left gutter end */
#define TIMELINE_EDGE PX(1082)  /* where those of the right edge begin */
#define TIMELINE_LANES_MOST 12
#define TIMELINE_FAULT_ROWS 3

struct timeline {
    const struct scene *scene;
    struct svg *to;
    struct axis x; /* of the run's clock */
    uint64_t bucket_ns;
    struct swimlanes lanes;
    struct in_force_list faults;
    struct outages outages;
    int32_t bottom;  /* of the lanes: where what goes through all ends */
    size_t requests; /* of the load, set by timeline_panels */
};

/* "110/s": so many in one bucket. Returns ${to}; 32 bytes. */
const char *timeline_rate(const struct timeline *t, uint64_t count, char *to, size_t size);

/* The first witness of each FAIL of the subject: a row, none where there is none. */
int32_t timeline_found_height(const struct timeline *t);
void timeline_found(struct timeline *t, int32_t y);

/* Requests of the load: the share of good answers, and two percentiles of what they took. */
int32_t timeline_panels_height(void);
void timeline_panels(struct timeline *t, int32_t y);

int32_t timeline_lane_height(const struct timeline *t, const struct swimlane *lane);
void timeline_lane(struct timeline *t, const struct swimlane *lane, int32_t y);
/* Whether something happened to it that wants a lane: more is more. */
unsigned timeline_lane_weight(const struct timeline *t, const struct swimlane *lane);
/* What was in force at places that have no lane: a row each, with the place's name. */
int32_t timeline_others_height(const struct timeline *t);
void timeline_others(struct timeline *t, int32_t y);

#endif
