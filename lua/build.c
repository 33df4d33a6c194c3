#include "lua/build.h"

#include <stdlib.h>

#define SPLICE_DEPTH_MOST 16
#define POSITIONS_MOST 10000
#define NAME_MOST 200

bool build_spend(struct build *b, size_t amount)
{
    if (b->values.left >= amount) {
        b->values.left -= amount;
        return true;
    }
    if (!b->spent)
        errors_add(b->errors, (struct source){b->plan->suite, 0, 0}, ERROR_LIMIT,
                   "a suite makes at most %d values", VALUES_MOST);
    b->spent = true;
    b->values.left = 0;
    return false;
}

void *build_append(struct build *b, void *list_field, size_t *count, size_t bytes)
{
    uint8_t *old = *(uint8_t **)list_field;
    bool full = *count == 0 || (*count >= 4 && (*count & (*count - 1)) == 0);
    if (full) {
        uint8_t *grown = arena_take(&b->plan->arena, (*count == 0 ? 4 : *count * 2) * bytes);
        if (*count > 0)
            memcpy(grown, old, *count * bytes);
        *(uint8_t **)list_field = old = grown;
    }
    return old + (*count)++ * bytes;
}

const char *build_name(struct build *b, int index, const char *label, struct source source)
{
    const char *name = node_name(b->L, index);
    if (name == NULL || strlen(name) > NAME_MOST || name[0] == '\0') {
        errors_add(b->errors, source, ERROR_INPUT, "%s: a name has 1 to %d bytes", label,
                   NAME_MOST);
        return "?";
    }
    json_t *utf8 = json_string(name);
    if (utf8 == NULL)
        errors_add(b->errors, source, ERROR_INPUT, "%s: its name is not UTF-8", label);
    json_decref(utf8);
    return utf8 == NULL ? "?" : arena_strdup(&b->plan->arena, name);
}

struct splice {
    const char *label;
    struct source source;
    build_each each;
    void *cookie;
};

static void bad_position(struct build *b, const struct splice *s, size_t position, const char *what)
{
    errors_add(b->errors, s->source, ERROR_INPUT,
               "%s: position %zu is %s; it must be a step or a list of steps", s->label, position,
               what);
}

static void splice(struct build *b, int index, const struct splice *s, unsigned depth);

static void splice_one(struct build *b, const struct splice *s, size_t position, unsigned depth)
{
    int at = lua_gettop(b->L);
    const struct node *n = node_at(b->L, at);
    size_t names;
    if (lua_isnil(b->L, at) || (n != NULL && n->kind == NODE_NOTHING))
        return;
    if (n != NULL) {
        s->each(b, at, n, s->cookie);
        return;
    }
    if (lua_type(b->L, at) == LUA_TFUNCTION) {
        bad_position(b, s, position, "a word without its table, or a function");
        return;
    }
    if (lua_type(b->L, at) != LUA_TTABLE) {
        char what[64];
        snprintf(what, sizeof(what), "a %s", luaL_typename(b->L, at));
        bad_position(b, s, position, what);
        return;
    }
    free(values_keys(b->L, at, &names, 1));
    if (names > 0)
        bad_position(b, s, position, "a table with named keys");
    else
        splice(b, at, s, depth + 1);
}

static void splice(struct build *b, int index, const struct splice *s, unsigned depth)
{
    size_t count = values_positions(b->L, index);
    if (depth > SPLICE_DEPTH_MOST || count > POSITIONS_MOST || !lua_checkstack(b->L, 8)) {
        errors_add(b->errors, s->source, ERROR_LIMIT,
                   "%s: a list of more than %d steps, or nested deeper than %d", s->label,
                   POSITIONS_MOST, SPLICE_DEPTH_MOST);
        return;
    }
    for (size_t i = 1; i <= count && build_spend(b, 1); i++) {
        lua_rawgeti(b->L, index, (lua_Integer)i);
        splice_one(b, s, i, depth);
        lua_pop(b->L, 1);
    }
}

void build_positions(struct build *b, int index, const char *label, struct source source,
                     build_each each, void *cookie)
{
    struct splice s = {label, source, each, cookie};
    splice(b, lua_absindex(b->L, index), &s, 0);
}

/* One named key: a node for build_field, or a value for ${keys}. */
static void one_key(struct build *b, const char *key, const struct row *row, const char *label,
                    struct source source, void *to, json_t *keys, bool *broken)
{
    int at = lua_gettop(b->L);
    if (row != NULL && (row->kind == ROW_SUB || row->kind == ROW_LIST)) {
        build_field(b, at, row, label, source, to);
        json_object_set_new(keys, key, json_true());
        return;
    }
    json_t *value = values_to_json(&b->values, at);
    if (value != NULL && json_object_set_new(keys, key, value) == 0)
        return;
    if (b->values.broken || b->values.why[0] != '\0')
        *broken = true;
    if (b->values.why[0] != '\0')
        errors_add(b->errors, source, ERROR_INPUT, "%s: %s %s", label, key, b->values.why);
}

json_t *build_keys(struct build *b, int index, const struct row_table *table, const char *label,
                   void *to, bool *ret_broken)
{
    const struct node *n = node_at(b->L, index);
    size_t count;
    bool broken = false;
    json_t *keys = json_object();
    INVARIANT(keys != NULL && json_array_append_new(b->plan->owned, keys) == 0);
    node_push_table(b->L, index);
    int at = lua_gettop(b->L);
    const char **names = values_keys(b->L, at, &count, 1000);
    for (size_t i = 0; i < count && build_spend(b, 1) && lua_checkstack(b->L, 8); i++) {
        const struct row *row = table == NULL ? NULL : row_find(table, label, names[i]);
        lua_pushstring(b->L, names[i]);
        lua_rawget(b->L, at);
        one_key(b, names[i], row, label, n->source, to, keys, &broken);
        lua_pop(b->L, 1);
    }
    free(names);
    lua_pop(b->L, 1);
    if (ret_broken != NULL)
        *ret_broken = broken;
    if (table == NULL)
        return keys;
    struct error scratch[1] = {{0}};
    struct errors unsaid = {scratch, 0, 1};
    if (broken) { /* the rest waits until this is mended: "needs add" would be noise */
        json_t *none = json_object();
        INVARIANT(none != NULL && json_array_append_new(b->plan->owned, none) == 0);
        row_parse(table, label, none, to, n->source, &b->plan->arena, b->plan->owned, &unsaid);
        return none;
    }
    row_parse(table, label, keys, to, n->source, &b->plan->arena, b->plan->owned, b->errors);
    return keys;
}
