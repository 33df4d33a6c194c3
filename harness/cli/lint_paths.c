#include "cli/lint_paths.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PATHS_MOST ((size_t)10000)
#define DEPTH_MOST 16

struct names {
    const char **rows;
    size_t count;
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The entries that are not hidden, sorted. */
static bool list(const char *path, struct arena *arena, struct names *ret, struct error *err)
{
    size_t capacity = 0, n = strlen(path);
    DIR *dir = opendir(path);
    bool ok = true;
    if (dir == NULL)
        return error_set(err, ERROR_INPUT, "reading %.120s: %s", path, strerror(errno));
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (struct dirent *e = readdir(dir); e != NULL && ok; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        if (ret->count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            ret->rows = check_realloc(ret->rows, capacity * sizeof(*ret->rows));
        }
        ret->rows[ret->count++] = arena_printf(arena, "%.*s/%s", (int)n, path, e->d_name);
        ok = ret->count <= PATHS_MOST ||
             error_set(err, ERROR_LIMIT, "%.120s has more than %zu entries", path, PATHS_MOST);
    }
    closedir(dir);
    if (ok && ret->count > 0)
        qsort(ret->rows, ret->count, sizeof(*ret->rows), compare);
    return ok;
}

static bool add(const char **rows, size_t *count, const char *path, struct error *err)
{
    if (*count == PATHS_MOST)
        return error_set(err, ERROR_LIMIT, "there are more than %zu paths", PATHS_MOST);
    rows[(*count)++] = path;
    return true;
}

static bool add_suites(const char *folder, unsigned depth, struct arena *arena,
                       struct lint_paths *ret, bool *ret_yaml, struct error *err)
{
    struct names names = {0};
    bool ok = depth < DEPTH_MOST ||
              error_set(err, ERROR_LIMIT, "%.120s is deeper than %d folders", folder, DEPTH_MOST);
    ok = ok && list(folder, arena, &names, err);
    for (size_t i = 0; i < names.count && ok; i++) {
        const char *path = names.rows[i], *own = strrchr(path, '/') + 1;
        if (ends_with(own, ".lua"))
            ok = add(ret->suites, &ret->suite_count, path, err);
        else if (ends_with(own, ".yaml") || ends_with(own, ".yml"))
            *ret_yaml = *ret_yaml || depth == 0;
        else if (is_folder(path) && strcmp(own, "lib") != 0 && strcmp(own, "hooks") != 0)
            ok = add_suites(path, depth + 1, arena, ret, ret_yaml, err);
    }
    free(names.rows);
    return ok;
}

bool lint_paths_collect(const char *const *paths, size_t count, struct arena *arena,
                        struct lint_paths *ret, struct error *err)
{
    *ret = (struct lint_paths){.policies = ARENA_ARRAY(arena, const char *, PATHS_MOST),
                               .suites = ARENA_ARRAY(arena, const char *, PATHS_MOST)};
    for (size_t i = 0; i < count; i++) {
        size_t suites = ret->suite_count;
        bool yaml = false, folder = is_folder(paths[i]);
        if (ends_with(paths[i], ".lua") && !folder) {
            if (!add(ret->suites, &ret->suite_count, paths[i], err))
                return false;
            continue;
        }
        if (folder && !add_suites(paths[i], 0, arena, ret, &yaml, err))
            return false;
        /* A folder of suites alone is none of policies; an empty one is said by the reader. */
        if ((!folder || yaml || ret->suite_count == suites) &&
            !add(ret->policies, &ret->policy_count, paths[i], err))
            return false;
    }
    return true;
}
