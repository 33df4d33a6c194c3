#ifndef MESH_RUN_H
#define MESH_RUN_H

#include "mesh/mesh.h"

/* What every driver's own run begins with. */
struct mesh_run {
    const struct mesh_driver *driver;
};

#define DRIVER(name) extern const struct mesh_driver mesh_driver_##name;
#include "mesh/drivers.def"
#undef DRIVER

#endif
