#include "mesh/run.h"

static const struct mesh_driver *const drivers[] = {
#define DRIVER(name) &mesh_driver_##name,
#include "mesh/drivers.def"
#undef DRIVER
};

const struct mesh_driver *const *mesh_drivers(size_t *ret_count)
{
    *ret_count = COUNT_OF(drivers);
    return drivers;
}

const struct mesh_driver *mesh_driver_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(drivers); i++) {
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    }
    return NULL;
}
