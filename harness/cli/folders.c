#include "cli/folders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool folders_make(const char *path, struct error *err)
{
    char folder[4096];
    if ((size_t)snprintf(folder, sizeof(folder), "%s", path) >= sizeof(folder))
        return error_set(err, ERROR_LIMIT, "%.80s...: longer than the %zu bytes allowed", path,
                         sizeof(folder));
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            return error_system(err, errno, "%s", folder);
        *slash = '/';
    }
    return true;
}
