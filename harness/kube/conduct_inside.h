#ifndef KUBE_CONDUCT_INSIDE_H
#define KUBE_CONDUCT_INSIDE_H

/* Between conduct.c (before and after the conductor's loop) and conduct_fleet.c (on it). */

#include "kube/conduct.h"
#include "kube/conduct_join.h"
#include "kube/errand.h"
#include "kube/lookout.h"
#include "kube/ports.h"
#include "kube/result.h"
#include "kube/sweep.h"
#include "kube/teardown.h"
#include "kube/uptake.h"

struct conduct {
    struct fleet fleet; /* first */
    struct conduct_options options;
    struct objects_run run; /* the options', with what is known by now */
    char conductor[80], image[300];
    struct lease leases[CONDUCT_SERVICES_MOST];
    size_t lease_count;
    /* Of the scenario under way. */
    struct objects_service services[CONDUCT_SERVICES_MOST];
    size_t service_count, pods;
    struct build_plan plan;
    struct build build;
    bool begun, building,
        looking; /* an anchor was asked for; the build, the lookout is under way */
    char psk[160];
    struct lookout lookout;
    struct ports ports;
    struct uptake uptake;
    bool has_ports, has_uptake; /* of the run: there is one */
    /* On the conductor's loop. */
    struct loop *loop;
    struct steer *steer;
    struct api *api;
    struct chore_run build_run, lookout_run, ports_run, uptake_run,
        lease_runs[CONDUCT_SERVICES_MOST];
    struct hold lease_hold, muster_hold;
    struct loop_task tell;
    struct error trouble; /* why the run cannot go on; told once */
    bool told, halted;
    struct conduct_join join;
};

struct errand conduct_errand(struct conduct *c, bool hasty, bool deaf);
void conduct_say(const struct conduct *c, const char *format, ...) PRINTF(2, 3);
/* The run cannot go on. The first cause stays. */
void conduct_trouble(struct conduct *c, const struct error *why);
/* conduct_fleet.c: begins to look after the pods of the scenario, whose gates it opens; ends that.
 */
void conduct_fleet_look(struct conduct *c);
void conduct_fleet_rest(struct conduct *c);
extern const struct fleet conduct_fleet_of_run;

#endif
