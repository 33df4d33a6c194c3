#include "cli/explore_file.h"

#include "cli/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* The folder of ${path}, as it is on the disk. */
static bool folder_of(const char *path, char to[PATH_MAX], struct error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (len >= sizeof(folder))
        return error_set(err, ERROR_USAGE, "-o %.60s...: the path is too long", path);
    snprintf(folder, sizeof(folder), "%.*s", (int)len, path);
    if (realpath(len == 0 ? "." : folder, to) == NULL)
        return error_system(err, errno, "-o %.200s", path);
    return true;
}

/* ${path} as it is written in a file of ${folder}, both as they are on the disk. */
static char *seen_from(const char *folder, const char *path, struct arena *arena)
{
    size_t same = 0, at = 0;
    for (; folder[at] != '\0' && folder[at] == path[at]; at++)
        if (folder[at] == '/')
            same = at;
    bool below = folder[at] == '\0' && (path[at] == '/' || path[at] == '\0');
    if (below || (path[at] == '\0' && folder[at] == '/'))
        same = at;
    char *up = arena_strdup(arena, "");
    for (const char *p = folder + same; *p != '\0'; p++)
        if (*p == '/' && p[1] != '\0')
            up = arena_printf(arena, "%s../", up);
    const char *down = path + same;
    while (*down == '/')
        down++;
    return *up == '\0' && *down == '\0' ? arena_strdup(arena, ".")
                                        : arena_printf(arena, "%s%s", up, down);
}

static bool move_policy(struct plan *p, const char *path, struct error *err)
{
    char folder[PATH_MAX], real[PATH_MAX];
    struct mesh_plan *mesh = &p->scenarios[0].mesh;
    if (!folder_of(path, folder, err))
        return false;
    const char **paths = ARENA_ARRAY(&p->arena, const char *, mesh->policy_count + 1);
    for (size_t i = 0; i < mesh->policy_count; i++) {
        if (realpath(mesh->policy[i], real) == NULL)
            return error_system(err, errno, "the policy %.200s", mesh->policy[i]);
        paths[i] = seen_from(folder, real, &p->arena);
    }
    mesh->policy = paths;
    return true;
}

bool explore_file_print(const struct space *space, const struct schedule *s, const char *name,
                        struct space_asked asked, const char *head, const char *path,
                        struct text *to, struct error *err)
{
    struct plan *p = space_trial(space, s, name, asked);
    p->suite = NULL; /* its folder would be taken off the paths */
    p->scenarios[0].exceptions = NULL;
    bool ok = move_policy(p, path, err);
    if (ok) {
        text_add(to, "%s", head);
        plan_print_suite(p, to);
    }
    plan_free(p);
    return ok;
}

bool explore_file_check(const char *path, struct error *err)
{
    char folder[PATH_MAX];
    if (access(path, F_OK) == 0)
        return error_set(err, ERROR_USAGE, "%.200s is there already: nothing is written over it",
                         path);
    return folders_make(path, err) && folder_of(path, folder, err) &&
           (access(folder, W_OK) == 0 || error_system(err, errno, "-o %.200s", path));
}

bool explore_file_write(const char *path, const char *text, struct error *err)
{
    FILE *f = fopen(path, "wxe");
    if (f == NULL)
        return error_system(err, errno, "%.200s", path);
    bool ok = fputs(text, f) >= 0 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int why = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        why = errno;
    }
    return ok || error_system(err, why, "writing %.200s", path);
}
