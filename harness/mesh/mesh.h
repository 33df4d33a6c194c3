#ifndef MESH_MESH_H
#define MESH_MESH_H

/* Who plays the mesh locally: a driver takes the effective policies of the edges that start at its
 * callers and gives an address for each edge, behind which the endpoints (our fault proxies) are.
 * It runs in the agent process `mesh`; a real proxy is its child. */

#include "net/loop.h"
#include "policy/policy.h"

/* The channels over which a mesh is told what to do, a mask. */
enum mesh_channel { MESH_CONFIG = 1, MESH_IDENTITY = 2 };

/* The field in which the data planes of a lab leave their marks, each behind those before it. */
#define HOP_FIELD "x-meshproof-hop"

struct mesh_edge {
    struct edge_policy policy;    /* from, to, and what the mesh is programmed with */
    const char *listen;           /* "127.0.0.1:0" */
    const char *const *endpoints; /* addresses of the fault proxies, endpoint 1 first */
    size_t endpoint_count;
    bool http2; /* the endpoints speak HTTP/2 (h2c, or by ALPN): services of http2 and grpc */
    bool tcp;   /* raw TCP: bytes go through, and connects are all that the mesh knows */
    const json_t *istio; /* NULL, or the routes and clusters that Istio itself programs for it (the
                            program istio-config): taken instead of ${policy} by the driver envoy;
                            read during open only */
    const char
        *hop;   /* what this data plane calls itself in HOP_FIELD of each request; NULL: nothing */
    bool plain; /* with ${certs}: the endpoints speak plaintext all the same */
    const char *peer_san; /* with ${certs}: what the endpoints' leaves must have */
};
/* A page of counters of a caller's proxy. */
struct mesh_metrics {
    const char *caller; /* NULL: of any edge's */
    const char *url;    /* "http://127.0.0.1:15090/stats/prometheus" */
};
struct mesh_config {
    const struct mesh_edge *edges;
    size_t edge_count;
    const char *const *defects; /* builtin only: names of defects.def */
    size_t defect_count;
    uint64_t seed;
    const char
        *envoy; /* path of the program; NULL: search $MESHPROOF_ENVOY, the build folder's, $PATH */
    const char *folder; /* 0700, for configuration and logs; the conductor removes it */
    /* A folder as cert_files writes it: the mesh speaks mutual TLS with what is there, and takes
     * what it is swapped for. NULL: plaintext. Of the driver envoy alone. */
    const char *certs;
    /* It is programmed, and given its certificates, over channels that can be cut (${cut}), not
     * once and by files. */
    bool control_plane;
    const struct mesh_metrics *metrics; /* external only: where its proxies' counters are */
    size_t metrics_count;
};
struct mesh_run; /* a started mesh */
struct mesh_driver {
    const char *name, *help;
    /* Starts; ${on_ready} is called once when every edge can be sent to, ${on_died} when the mesh
     * ended by itself. */
    bool (*open)(struct loop *loop, const struct mesh_config *config,
                 void (*on_ready)(void *cookie),
                 void (*on_died)(void *cookie, const struct error *why), void *cookie,
                 struct mesh_run **ret, struct error *err);
    const char *(*address)(const struct mesh_run *m, size_t edge);
    /* Asks for the counters of all edges; ${on_value} for each (Envoy's names for the builtin one
     * too: "upstream_rq_retry", "outlier_detection.ejections_active", ...), then ${on_done}. */
    void (*scrape)(struct mesh_run *m,
                   void (*on_value)(void *cookie, size_t edge, const char *name, const char *labels,
                                    double value),
                   void (*on_done)(void *cookie, bool ok), void *cookie);
    void (*close)(
        struct mesh_run *m); /* ends every child, waits for it (SIGTERM, then SIGKILL after 2 s) */
    /* Within on_value: which proxy's it is, where an edge may have several; NULL: it has one. */
    const char *(*proxy)(const struct mesh_run *m);
    /* Of a mesh that was opened with ${control_plane}, from on_ready on; NULL: the driver has none.
     * The channels of ${mask} (enum mesh_channel) are cut and the others let in. ${on_seen} is
     * called once, later: true when the mesh's own counters show it, false when nothing did in 5 s.
     * One at a time. */
    void (*cut)(struct mesh_run *m, unsigned mask, void (*on_seen)(void *cookie, bool seen),
                void *cookie);
    /* The edge's endpoints from now on, as many as before; "": there is none. The mesh has them
     * when its channel lets it. */
    bool (*endpoints)(struct mesh_run *m, size_t edge, const char *const *addresses,
                      struct error *err);
    /* The files of another leaf or bundle, in a folder where they do not change. NULL: it has no
     * certificates. */
    void (*identity)(struct mesh_run *m, const char *folder);
};
const struct mesh_driver *
mesh_driver_find(const char *name); /* "builtin", "envoy", "external"; NULL: none */
const struct mesh_driver *const *mesh_drivers(size_t *ret_count);

/* The builtin mesh's known ways to be wrong (verifier.md 6.1). */
struct defect {
    const char *name, *help;
    const char *claim;   /* the id of the claim that must catch it */
    const char *coupled; /* further ids that it may fail too, comma list, or NULL */
    enum flavour flavour;
};
const struct defect *defects(size_t *ret_count);
const struct defect *defect_find(const char *name);

#endif
