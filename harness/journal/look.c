#include "journal/look.h"

#include <stdio.h>
#include <string.h>

const char *look_name(char *to, size_t size, const char *phase, uint32_t look, bool resumed)
{
    char again[24] = "";
    if (look == 0 && !resumed) { /* asked for often, and nearly always so */
        size_t len = strnlen(phase, size - 1);
        memcpy(to, phase, len);
        to[len] = '\0';
        return to;
    }
    if (look == 1)
        snprintf(again, sizeof(again), " (again)");
    else if (look > 1)
        snprintf(again, sizeof(again), " (again, %u)", look);
    snprintf(to, size, "%s%s%s", phase, again, resumed ? " (resumed)" : "");
    return to;
}
