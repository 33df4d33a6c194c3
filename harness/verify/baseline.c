#include "verify/baseline.h"

#include <string.h>

bool baseline_name(const char *against, char *to, size_t size)
{
    static const char open[] = "run \"";
    size_t len = sizeof(open) - 1;
    if (against == NULL || strncmp(against, open, len) != 0)
        return false;
    const char *close = strchr(against + len, '"');
    size_t name = close == NULL ? 0 : (size_t)(close - against) - len;
    if (name == 0 || close[1] != '\0' || name >= size)
        return false;
    memcpy(to, against + len, name);
    to[name] = '\0';
    return true;
}

const struct baseline *baseline_find(const struct baselines *b, const char *name)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->at[i].name == NULL || strcmp(b->at[i].name, name) == 0)
            return &b->at[i];
    return NULL;
}
