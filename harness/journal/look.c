#include "journal/look.h"

#include <stdio.h>
#include <string.h>

static void add(char *to, size_t size, size_t *len, const char *text)
{
    size_t more = strnlen(text, size - 1 - *len);
    memcpy(to + *len, text, more);
    *len += more;
    to[*len] = '\0';
}

const char *look_name(char *to, size_t size, const char *phase, uint32_t look, bool resumed)
{
    size_t len = 0;
    char again[24] = "";
    if (look > 1)
        snprintf(again, sizeof(again), " (again, %u)", look);
    /* Asked for again and again, for each run that a phase may have had. */
    add(to, size, &len, phase);
    add(to, size, &len, look == 1 ? " (again)" : again);
    add(to, size, &len, resumed ? " (resumed)" : "");
    return to;
}
