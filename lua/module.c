#include "lua/module.h"

#include "embed/cert_lua.h"

#include <limits.h>
#include <stdlib.h>

static const char loaded; /* registry key: name -> {value}, or false while it runs */

/* Segments of letters, digits, '_', '-' and '.', none of them empty, "." or "..". */
static bool good_name(const char *name)
{
    size_t len = strlen(name), start = 0;
    if (len == 0 || len > 200)
        return false;
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = (unsigned char)name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c != '/' && c != '\0') {
            if (!letter && c != '_' && c != '-' && c != '.')
                return false;
            continue;
        }
        size_t segment = i - start;
        if (segment == 0 || name[start] == '.')
            return false;
        start = i + 1;
    }
    return true;
}

/* A link may lead out of the folder: what counts is where the file really is. */
bool module_is_below(const char *folder, const char *path)
{
    char *root = realpath(folder[0] == '\0' ? "." : folder, NULL);
    char *file = realpath(path, NULL);
    size_t len = root == NULL ? 0 : strlen(root);
    bool below =
        root != NULL &&
        (file == NULL || (strncmp(file, root, len) == 0 && (len == 1 || file[len] == '/')));
    free(root);
    free(file);
    return below;
}

/* The files that the program carries. Their lines are never named, those of their callers are. */
static void load_std(lua_State *L, const char *name, struct source at)
{
    static const struct std {
        const char *name;
        const unsigned char *text;
        const size_t *len;
    } files[] = {{"std/cert", embed_cert_lua, &embed_cert_lua_len}};
    char chunk[64];
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (strcmp(files[i].name, name) != 0)
            continue;
        snprintf(chunk, sizeof(chunk), "=%s", name);
        INVARIANT(script_load(L, (struct bytes){files[i].text, *files[i].len}, chunk) == LUA_OK);
        return;
    }
    state_fail(L, at, "require \"%.80s\": std/ has no such file", name);
}

/* The chunk of a required file, as a function on top of the stack. */
static void load_file(lua_State *L, const char *name, const char *path, struct source at)
{
    if (strncmp(name, "std/", 4) == 0) {
        load_std(L, name, at);
        return;
    }
    FILE *probe = fopen(path, "re");
    if (probe == NULL)
        state_fail(L, at, "require \"%.80s\": there is no %.100s", name, path);
    fclose(probe);
    state_load(L, path, path);
}

static int require(lua_State *L)
{
    struct state *s = state_of(L);
    struct source at = state_source(L);
    size_t len = 0;
    const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : "";
    char path[PATH_MAX];
    lua_settop(L, 1);
    int n = snprintf(path, sizeof(path), "%s%s.lua", s->folder, name);
    if (!good_name(name) || strlen(name) != len || n < 0 || (size_t)n >= sizeof(path) ||
        (strncmp(name, "std/", 4) != 0 && !module_is_below(s->folder, path)))
        state_fail(L, at, "require \"%.80s\": only names below the suite's folder, or std/", name);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded);
    lua_pushvalue(L, 1);
    int type = lua_rawget(L, 2);
    if (type == LUA_TTABLE) {
        lua_rawgeti(L, -1, 1);
        return 1;
    }
    if (type == LUA_TBOOLEAN)
        state_fail(L, at, "require \"%.80s\": it requires itself, directly or by others", name);
    lua_pushvalue(L, 1);
    lua_pushboolean(L, 0);
    lua_rawset(L, 2);
    load_file(L, name, path, at);
    lua_call(L, 0, 1);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    lua_rawset(L, 2);
    return 1;
}

void module_define(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded);
    lua_pushcfunction(L, require);
    script_define(L, "require");
}
