#include "faults/fault.h"

#include <string.h>

#define FAULT(name) extern const struct fault_type fault_##name;
#include "faults/faults.def"
#undef FAULT

static const struct fault_type *const types[] = {
#define FAULT(name) &fault_##name,
#include "faults/faults.def"
#undef FAULT
};

const struct fault_type *const *fault_types(size_t *ret_count)
{
    *ret_count = COUNT_OF(types);
    return types;
}

const struct fault_type *fault_type_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    }
    return NULL;
}
