#ifndef CLI_NOTICE_H
#define CLI_NOTICE_H

/* What somebody is told of a run (notify.*): the body of one message. Pure. Texts are of suites, of
 * meshes and of people: none of them can make markup, a mention or a header of itself. */

#include "plan/plan.h"

#include <jansson.h>

struct notice {
    const char *event; /* of notify_events */
    const char *what;  /* finer: "phase.start", "question"; the webhook's alone */
    const char *run, *suite, *scenario;
    const char *text;           /* one line for people */
    uint64_t since_start_ns;    /* of the run */
    uint64_t wall_ns, until_ns; /* of what is told of, on the wall's clock; until 0: an instant */
};
/* The JSON that ${to} takes: one of
 *   webhook  {"v":1,"event":..,"what":..,"run":..,"suite":..,"scenario":..,"text":..,"t_ns":..,
 *            "wall_ms":..}
 *   kubernetes_event  {"reason":"FaultArmed","type":"Warning","message":..}
 *   slack    {"text":..}
 *   grafana  {"time":ms,"timeEnd":ms,"tags":[..],"text":..}, a region */
json_t *notice_body(const struct notify_plan *to, const struct notice *n);

#endif
