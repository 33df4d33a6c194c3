#include "journal/look.h"

#include <stdio.h>

const char *look_name(char *to, size_t size, const char *phase, uint32_t look, bool resumed)
{
    char again[24] = "";
    if (look == 1)
        snprintf(again, sizeof(again), " (again)");
    else if (look > 1)
        snprintf(again, sizeof(again), " (again, %u)", look);
    snprintf(to, size, "%s%s%s", phase, again, resumed ? " (resumed)" : "");
    return to;
}
