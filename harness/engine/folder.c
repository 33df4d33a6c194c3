#include "engine/folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_DESCRIPTORS 16

bool folder_new(const char *run, char **ret, struct error *err)
{
    char path[4096];
    const char *root = getenv("TMPDIR");
    if (root == NULL || root[0] == '\0')
        root = "/tmp";
    int n = snprintf(path, sizeof(path), "%s/meshproof-%.16s-XXXXXX", root, run);
    if (n < 0 || (size_t)n >= sizeof(path))
        return error_set(err, ERROR_USAGE, "TMPDIR is longer than %zu bytes", sizeof(path));
    if (mkdtemp(path) == NULL)
        return error_system(err, errno, "making the folder %.100s", path);
    *ret = check_strdup(path);
    return true;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)where;
    if (type == FTW_DP || type == FTW_DNR)
        rmdir(path);
    else
        unlink(path);
    return 0;
}

void folder_remove(const char *path)
{
    nftw(path, remove_one, FOLDER_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
