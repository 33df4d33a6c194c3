#include "mesh/defects.h"

#include "base/clock.h"

/* Longer than any run, and small enough that its multiples do not wrap. */
#define DEFECT_FOR_EVER_NS (UINT64_C(30) * 24 * 3600 * NS_PER_S)

#define DEFECT(name, flavour, claim, coupled, help, change) \
    static void apply_##name(struct model_config *m) \
    { \
        change; \
    }
#include "mesh/defects.def"
#undef DEFECT

static const struct defect rows[] = {
#define DEFECT(name, flavour, claim, coupled, help, change) \
    {#name, help, claim, coupled, FLAVOUR_##flavour},
#include "mesh/defects.def"
#undef DEFECT
};

static void (*const changes[])(struct model_config *m) = {
#define DEFECT(name, flavour, claim, coupled, help, change) apply_##name,
#include "mesh/defects.def"
#undef DEFECT
};

const struct defect *defects(size_t *ret_count)
{
    *ret_count = COUNT_OF(rows);
    return rows;
}

const struct defect *defect_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    return NULL;
}

void defect_apply(const struct defect *defect, struct model_config *m)
{
    INVARIANT(defect >= rows && defect < rows + COUNT_OF(rows));
    changes[defect - rows](m);
}
