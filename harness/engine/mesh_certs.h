#ifndef ENGINE_MESH_CERTS_H
#define ENGINE_MESH_CERTS_H

/* The mesh agent's certificates: files that a real mesh reads (certs/cert_files.h), swapped one
 * CERT after the other, each read back from the mesh's own counters before it is told as done. A
 * mesh with a control plane has a folder for each version, and is told of it there; while that
 * channel is cut a CERT is answered as withheld, and once more when the mesh has it after all. */

#include "engine/agent_certs.h"
#include "engine/mesh_cut.h"
#include "mesh/mesh.h"

struct mesh_certs {
    struct agent *agent;
    const struct mesh_driver *driver;
    struct mesh_run *const *run; /* NULL within: not started, or ended */
    const char *folder;
    char path[512];             /* of the files that are in force: ${folder}, or a version's */
    const struct mesh_cut *cut; /* NULL: by files that are swapped in place */
    unsigned version;
    json_t *last; /* of those files */
    size_t edge_count;
    json_t *withheld; /* CERT bodies that the mesh has not heard of: an array */
    bool letting_in;
    uint64_t let_in_ns;
    json_t *waiting, *doing; /* CERT bodies: an array; the one under way, NULL: none */
    double *before, *now;    /* by edge: how often it has taken new bytes */
    bool written;
    uint64_t before_ns, give_up_ns;
    struct hold look;
};

/* Writes what SETUP gave into ${folder}, which outlives it, or (${cut} is not NULL) into one beside
 * it: c->path. */
bool mesh_certs_open(struct mesh_certs *c, struct agent *agent, const struct mesh_driver *driver,
                     struct mesh_run *const *run, const char *folder, const struct mesh_cut *cut,
                     size_t edge_count, const json_t *tls, struct error *err) WARN_UNUSED;
/* CERT: answered by CERT_SET and a world record when the mesh has it. */
void mesh_certs_take(struct mesh_certs *c, const json_t *cert);
/* The cut has changed: what was withheld may be on its way. */
void mesh_certs_cut_changed(struct mesh_certs *c);
/* Before the mesh is closed. What is under way is not told any more. */
void mesh_certs_stop(struct mesh_certs *c);
void mesh_certs_release(struct mesh_certs *c);

#endif
