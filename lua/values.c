#include "lua/values.h"

#include "lua/node.h"

#include <stdlib.h>

#define DEPTH_MOST 8

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **values_keys(lua_State *L, int index, size_t *ret_count, size_t most)
{
    size_t count = 0, capacity = 16;
    const char **keys = check_alloc(capacity * sizeof(*keys));
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING || count >= most)
            continue;
        if (count == capacity) {
            capacity *= 2;
            keys = check_realloc(keys, capacity * sizeof(*keys));
        }
        keys[count++] = lua_tostring(L, -1);
    }
    qsort(keys, count, sizeof(*keys), by_text);
    *ret_count = count;
    return keys;
}

size_t values_positions(lua_State *L, int index)
{
    lua_Integer most = 0;
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        if (lua_isinteger(L, -1) && lua_tointeger(L, -1) > most)
            most = lua_tointeger(L, -1);
    }
    return (size_t)most;
}

static json_t *fail(struct values *v, const char *why)
{
    if (v->why[0] == '\0')
        snprintf(v->why, sizeof(v->why), "%s", why);
    return NULL;
}

static json_t *convert(struct values *v, int index, unsigned depth);

static json_t *number(struct values *v, int index)
{
    json_t *to;
    if (lua_isinteger(v->L, index))
        to = json_integer(lua_tointeger(v->L, index));
    else
        to = json_real(lua_tonumber(v->L, index));
    return to != NULL ? to : fail(v, "is no finite number");
}

static json_t *string(struct values *v, int index)
{
    size_t len;
    const char *text = lua_tolstring(v->L, index, &len);
    if (len > 65536)
        return fail(v, "is a text of more than 64 KiB");
    if (strlen(text) != len)
        return fail(v, "holds a zero byte");
    if (len / 64 > v->left) /* one text may be named often: its bytes count each time */
        return fail(v, "is one value too many: a suite has at most 200 000, and 12 MiB of text");
    v->left -= len / 64;
    json_t *to = json_stringn(text, len);
    return to != NULL ? to : fail(v, "is not UTF-8");
}

static bool good(const struct values *v)
{
    return v->why[0] == '\0' && !v->broken;
}

static json_t *list(struct values *v, int index, size_t count, unsigned depth)
{
    json_t *to = json_array();
    for (size_t i = 1; i <= count && good(v); i++) {
        lua_rawgeti(v->L, index, (lua_Integer)i);
        json_t *item = lua_isnil(v->L, -1) ? NULL : convert(v, lua_gettop(v->L), depth + 1);
        lua_pop(v->L, 1);
        if (item != NULL)
            json_array_append_new(to, item);
    }
    if (good(v) && json_array_size(to) > 0)
        return to;
    json_decref(to);
    return NULL;
}

static json_t *object(struct values *v, int index, unsigned depth)
{
    size_t count;
    const char **keys = values_keys(v->L, index, &count, v->left);
    json_t *to = json_object();
    for (size_t i = 0; i < count && good(v); i++) {
        lua_pushstring(v->L, keys[i]);
        lua_rawget(v->L, index);
        json_t *item = convert(v, lua_gettop(v->L), depth + 1);
        lua_pop(v->L, 1);
        if (item != NULL && json_object_set_new(to, keys[i], item) != 0)
            fail(v, "has a key that is not UTF-8");
    }
    free(keys);
    if (good(v) && json_object_size(to) > 0)
        return to;
    json_decref(to);
    return NULL;
}

static json_t *table(struct values *v, int index, unsigned depth)
{
    bool texts = false, positions = false;
    lua_pushnil(v->L);
    while (lua_next(v->L, index) != 0) {
        lua_pop(v->L, 1);
        if (lua_type(v->L, -1) == LUA_TSTRING)
            texts = true;
        else if (lua_isinteger(v->L, -1) && lua_tointeger(v->L, -1) > 0)
            positions = true;
        else
            return lua_pop(v->L, 1), fail(v, "has a key that is neither a name nor a position");
    }
    if (texts && positions)
        return fail(v, "mixes names and positions");
    if (texts)
        return object(v, index, depth);
    size_t count = positions ? values_positions(v->L, index) : 0;
    return count > 10000 ? fail(v, "is a list of more than 10 000") : list(v, index, count, depth);
}

static json_t *policy_value(struct values *v, int index, const char *label, unsigned depth)
{
    node_push_table(v->L, index);
    json_t *asked = convert(v, lua_gettop(v->L), depth + 1);
    lua_pop(v->L, 1);
    if (asked == NULL && good(v))
        fail(v, "needs a field");
    return asked == NULL ? NULL : json_pack("{s:o}", label, asked);
}

static json_t *convert(struct values *v, int index, unsigned depth)
{
    if (depth > DEPTH_MOST || !lua_checkstack(v->L, 8))
        return fail(v, "is nested deeper than 8");
    if (v->left == 0)
        return fail(v, "is one value too many: a suite has at most 200 000");
    v->left--;
    switch (lua_type(v->L, index)) {
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(v->L, index));
    case LUA_TNUMBER:
        return number(v, index);
    case LUA_TSTRING:
        return string(v, index);
    case LUA_TTABLE:
        return table(v, index, depth);
    case LUA_TFUNCTION:
        return fail(v, "is a word without its table, or a function");
    default:
        break;
    }
    const struct node *n = node_at(v->L, index);
    char label[64], why[sizeof(v->why)];
    if (n == NULL)
        return fail(v, "is a value that no key takes");
    if (n->kind == NODE_NOTHING) {
        v->broken = true;
        return NULL;
    }
    node_label(n, label, sizeof(label));
    if (n->kind == NODE_VALUE && v->policy)
        return policy_value(v, index, label, depth);
    if (n->kind == NODE_VALUE)
        snprintf(why, sizeof(why), "is %s, which is not built yet", label);
    else
        snprintf(why, sizeof(why), "is %s; it must be a plain value", label);
    return fail(v, why);
}

json_t *values_to_json(struct values *v, int index)
{
    v->why[0] = '\0';
    v->broken = false;
    return convert(v, lua_absindex(v->L, index), 0);
}
