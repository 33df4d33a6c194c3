#ifndef ENGINE_MESH_CUT_H
#define ENGINE_MESH_CUT_H

/* The mesh agent's side of fault.control_plane_cut: ARM carries all cuts that are in force from now
 * on, as to a proxy; ARMED answers when the mesh shows it. A cut ends by itself at its ttl, and
 * when the conductor is gone. */

#include "engine/agent.h"
#include "mesh/mesh.h"

#define MESH_CUTS_MOST 64

struct mesh_cut_one {
    uint16_t id;
    unsigned channels; /* enum mesh_channel */
    uint64_t expires_ns;
};
struct mesh_cut {
    struct agent *agent;
    const struct mesh_driver *driver;
    struct mesh_run *const *run; /* NULL within: not started, or ended */
    struct mesh_cut_one set[MESH_CUTS_MOST];
    size_t count;
    unsigned mask; /* in force */
    bool busy, answering;
    uint16_t generation;
    struct hold expiry_hold;
    /* ${mask} has changed, and the mesh shows it (or does not, within its time). */
    void (*on_change)(void *cookie);
    void *cookie;
};

void mesh_cut_init(struct mesh_cut *c, struct agent *agent, const struct mesh_driver *driver,
                   struct mesh_run *const *run);
/* ARM. ERROR_PEER: it is none that a mesh takes. */
bool mesh_cut_take(struct mesh_cut *c, const json_t *arm, struct error *err) WARN_UNUSED;
/* Ends all cuts, without an answer: the conductor is gone. */
void mesh_cut_end(struct mesh_cut *c);
/* Before the mesh is closed. */
void mesh_cut_stop(struct mesh_cut *c);

#endif
