#include "load/address_list.h"

#include <stdio.h>
#include <string.h>

size_t address_list_count(const char *list)
{
    size_t count = 1;
    for (const char *at = list; (at = strchr(at, ',')) != NULL; at++)
        count++;
    return count;
}

const char *address_list_pick(const char *list, uint64_t nth, char to[ADDRESS_BYTES])
{
    for (nth %= address_list_count(list); nth > 0; nth--)
        list = strchr(list, ',') + 1;
    snprintf(to, ADDRESS_BYTES, "%.*s", (int)strcspn(list, ","), list);
    return to;
}
