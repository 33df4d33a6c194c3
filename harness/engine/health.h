#ifndef ENGINE_HEALTH_H
#define ENGINE_HEALTH_H

/* The port by which an agent's pod is judged ready (kubernetes.md 1.4: a tcpSocket probe): it
 * accepts while the agent is in service, and else nothing listens. So it is also the switch that
 * needs no right at all (section 9, item 6): an endpoint that is not armed, or has lost its
 * conductor, is out of its Service. */

#include "net/acceptor.h"

struct health {
    struct acceptor acceptor;
    struct loop *loop;
    const char *listen; /* "0.0.0.0:7402"; NULL: there is none */
    bool open;
};
void health_init(struct health *h, struct loop *loop, const char *listen);
bool health_open(struct health *h, struct error *err) WARN_UNUSED; /* twice is fine */
void health_close(struct health *h);

#endif
