#ifndef MESH_ENVOY_CUT_H
#define MESH_ENVOY_CUT_H

/* Cuts an Envoy off from its control plane, and lets it in again; each is told as done when it
 * shows: a cut in Envoy's own counters of failed updates, its end in what Envoy asks for. */

#include "mesh/xds.h"
#include "net/http_client.h"

struct envoy_cut {
    struct loop *loop;
    struct http_client *client;
    const char *admin; /* address; known when Envoy is ready */
    struct xds *xds;
    bool has_secrets; /* else nothing is asked for over the channel of certificates */
    unsigned mask;    /* enum mesh_channel: cut now */
    /* Of the change under way. */
    bool busy, acted;
    unsigned wanted;
    double before[XDS_CHANNELS];
    uint64_t give_up_ns;
    struct hold look;
    void (*on_seen)(void *cookie, bool seen);
    void *cookie;
};

/* One change at a time. ${on_seen} is called later, once; false: nothing showed within 5 s. */
void envoy_cut_begin(struct envoy_cut *c, unsigned mask, void (*on_seen)(void *cookie, bool seen),
                     void *cookie);
/* Nobody is told any more. */
void envoy_cut_stop(struct envoy_cut *c);

#endif
