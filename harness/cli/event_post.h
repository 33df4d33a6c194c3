#ifndef CLI_EVENT_POST_H
#define CLI_EVENT_POST_H

/* Events of the cluster on the Services that a run is about (notify.kubernetes_event), so that
 * `kubectl describe service payments` shows who broke it. They end by the cluster's own rule, an
 * hour by default, and are nothing that a run has to take back. */

#include "kube/api.h"
#include "kube/objects.h"

/* Where they go; borrowed. */
struct event_target {
    struct credentials_options credentials;
    const char *namespace, *run;
    const struct objects_service *services;
    size_t service_count;
};

struct event_post;
/* For the process that sends: reads the credentials, blocks while it asks. */
bool event_post_open(const struct event_target *to, struct event_post **ret,
                     struct error *err) WARN_UNUSED;
/* ${notice}: {"reason", "type", "message"} (notice.h) as text. One Event a Service; false with the
 * first that was not taken. */
bool event_post_send(struct event_post *p, const char *notice, struct error *err) WARN_UNUSED;
void event_post_close(struct event_post *p);

#endif
