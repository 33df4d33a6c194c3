#include "faults/process.h"

const char *const fault_what_words[] = {"endpoint", "proxy",         "waypoint",
                                        "ztunnel",  "control_plane", NULL};

void fault_process_print(const char *word, const void *params, char *to, size_t size)
{
    const struct fault_process *p = params;
    snprintf(to, size, "%s %s", word, fault_what_words[p->what]);
}
