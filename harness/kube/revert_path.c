#include "kube/revert_inside.h"

#define DEPTH_MOST 20
#define KEY_MOST 320 /* an annotation's: 253 + 1 + 63 */

/* The next key of a JSON pointer (RFC 6901), unescaped; false at its end, or past KEY_MOST. */
static bool next_key(const char **at, char *to)
{
    size_t n = 0;
    if (**at != '/')
        return false;
    for (++*at; **at != '\0' && **at != '/'; ++*at) {
        char c = **at;
        if (c == '~' && ((*at)[1] == '0' || (*at)[1] == '1'))
            c = *++*at == '0' ? '~' : '/';
        if (n + 1 == KEY_MOST)
            return false;
        to[n++] = c;
    }
    to[n] = '\0';
    return n > 0;
}

json_t *revert_value(const json_t *object, const char *path)
{
    char key[KEY_MOST];
    const json_t *at = object;
    while (at != NULL && *path != '\0')
        at = next_key(&path, key) ? json_object_get(at, key) : NULL;
    return (json_t *)(uintptr_t)at;
}

bool revert_path_check(const char *path, struct error *err)
{
    char key[KEY_MOST];
    const char *at = path;
    size_t depth = 0;
    if (strncmp(path, "/spec/", 6) != 0 && strncmp(path, "/metadata/annotations/", 22) != 0)
        return error_set(err, ERROR_INPUT,
                         "%.120s is not below /spec or /metadata/annotations: it is not edited",
                         path);
    while (*at != '\0')
        if (!next_key(&at, key) || ++depth > DEPTH_MOST)
            return error_set(err, ERROR_INPUT, "%.120s is no path of keys", path);
    return true;
}

/* The merge patch (RFC 7396) that makes ${to} of ${from}: keys that ${to} lacks are null. Either
 * may be NULL: not there. */
static json_t *merge_patch(const json_t *from, const json_t *to)
{
    const char *key;
    json_t *value, *out;
    if (to == NULL)
        return json_null();
    if (!json_is_object(to) || !json_is_object(from))
        return json_deep_copy(to);
    out = json_object();
    json_object_foreach((json_t *)(uintptr_t)from, key, value) if (json_object_get(to, key) == NULL)
        json_object_set_new(out, key, json_null());
    json_object_foreach((json_t *)(uintptr_t)to, key, value)
    {
        const json_t *was = json_object_get(from, key);
        if (was == NULL || !json_equal(was, value))
            json_object_set_new(out, key, merge_patch(was, value));
    }
    return out;
}

json_t *revert_patch(const char *path, const json_t *from, const json_t *to, const char *version)
{
    char key[KEY_MOST];
    json_t *root = json_pack("{s:{s:s}}", "metadata", "resourceVersion", version), *at = root;
    while (next_key(&path, key)) {
        json_t *below = json_object_get(at, key);
        if (*path == '\0') {
            json_object_set_new(at, key, merge_patch(from, to));
        } else if (below == NULL) {
            below = json_object();
            json_object_set_new(at, key, below);
        }
        at = below;
    }
    return root;
}
