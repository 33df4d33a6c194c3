#include "base/text.h"
#include "base/units.h"
#include "lua/hook.h"

#include <stdlib.h>

/* The parameters of a hook: `with = { stall = "duration=2s" }` declares a row as type[!|=default],
 * `with = { stall = "5s" }` of the fault gives a value. */

#define ROWS_MOST 64

enum type {
    TYPE_TEXT,
    TYPE_COUNT,
    TYPE_DURATION,
    TYPE_BYTES,
    TYPE_RATIO,
    TYPE_RATE,
    TYPE_BYTERATE
};
static const struct {
    const char *name;
    enum type type;
} types[] = {
    {"text", TYPE_TEXT},   {"count", TYPE_COUNT},       {"duration", TYPE_DURATION},
    {"bytes", TYPE_BYTES}, {"ratio", TYPE_RATIO},       {"share", TYPE_RATIO},
    {"rate", TYPE_RATE},   {"byterate", TYPE_BYTERATE},
};

struct row {
    char name[64], text[256]; /* text: as it is declared, cut at the type's end */
    enum type type;
    bool required;
    const char *fallback; /* in ${text}; NULL: none */
};

NORETURN static void bad_row(lua_State *L, const struct hook *h, const char *name, const char *row)
{
    script_fail(
        L,
        "hook \"%.40s\": with.%.40s is \"%.40s\"; it must be type[!|=default], of the types "
        "text count duration bytes ratio rate byterate",
        h->name, name, row);
}

static void read_row(lua_State *L, const struct hook *h, const char *name, const char *text,
                     struct row *ret)
{
    *ret = (struct row){0};
    if (strlen(name) >= sizeof(ret->name) || strlen(text) >= sizeof(ret->text))
        bad_row(L, h, name, text);
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    snprintf(ret->text, sizeof(ret->text), "%s", text);
    size_t len = strcspn(text, "!=");
    ret->required = text[len] == '!';
    ret->fallback = text[len] == '=' ? ret->text + len + 1 : NULL;
    ret->text[len] = '\0';
    if (ret->required && text[len + 1] != '\0')
        bad_row(L, h, name, text);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].name, ret->text) == 0) {
            ret->type = types[i].type;
            return;
        }
    }
    bad_row(L, h, name, text);
}

static bool quantity(const struct row *row, const char *text, uint64_t *ret, struct error *err)
{
    switch (row->type) {
    case TYPE_DURATION:
        return units_parse_duration(text, ret, err);
    case TYPE_BYTES:
        return units_parse_size(text, ret, err);
    case TYPE_RATIO:
        return units_parse_share(text, ret, err);
    case TYPE_RATE:
        return units_parse_rate(text, ret, err);
    case TYPE_BYTERATE:
        return units_parse_byterate(text, ret, err);
    case TYPE_COUNT:
        return bytes_to_u64(bytes_of(text), ret) ||
               error_set(err, ERROR_INPUT, "is \"%.40s\"; it must be a count such as 3", text);
    case TYPE_TEXT:
        break;
    }
    UNREACHABLE();
}

static void push_value(lua_State *L, const struct row *row, const char *text)
{
    struct error err = {0};
    uint64_t value;
    if (row->type == TYPE_TEXT) {
        lua_pushstring(L, text);
        return;
    }
    if (!quantity(row, text, &value, &err))
        script_fail(L, "with.%s %s", row->name, err.text);
    if (value > INT64_MAX)
        script_fail(L, "with.%s is \"%.40s\", which is too much", row->name, text);
    if (row->type == TYPE_RATIO)
        lua_pushnumber(L, (lua_Number)value / 1e6);
    else if (row->type == TYPE_RATE)
        lua_pushnumber(L, (lua_Number)value / 3600);
    else
        lua_pushinteger(L, (lua_Integer)value);
}

/* The table of values is at 3. */
static void set_value(lua_State *L, const struct row *row, const char *given)
{
    const char *text = given != NULL ? given : row->fallback;
    if (text == NULL && row->required)
        script_fail(L, "needs with.%s, a %s", row->name, row->text);
    if (text == NULL)
        return;
    push_value(L, row, text);
    lua_setfield(L, -2, row->name);
}

/* ${given}: by name, texts; counts were made texts. */
static void check_known(lua_State *L, const struct hook *h, const struct row *rows, size_t count,
                        const char *name)
{
    const char *names[ROWS_MOST + 1] = {NULL};
    struct text list;
    for (size_t i = 0; i < count; i++) {
        names[i] = rows[i].name;
        if (strcmp(name, names[i]) == 0)
            return;
    }
    const char *near = text_nearest(name, names, count);
    char has[160] = " nothing";
    text_init(&list, sizeof(has));
    for (size_t i = 0; i < count; i++)
        text_add(&list, " %s", names[i]);
    if (count > 0)
        snprintf(has, sizeof(has), "%s", text_get(&list));
    text_release(&list);
    script_fail(L, "with has no key \"%.40s\"%s%s%s; hook \"%.40s\" declares%s", name,
                near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                near != NULL ? "\"?)" : "", h->name, has);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* The rows, sorted, as a userdata on top of the stack: an error frees it. */
static struct row *read_rows(lua_State *L, const struct hook *h, int declared, size_t *ret_count)
{
    struct row *rows = lua_newuserdatauv(L, sizeof(*rows) * ROWS_MOST, 0);
    *ret_count = 0;
    lua_pushnil(L);
    while (lua_next(L, declared) != 0) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            script_fail(L,
                        "hook \"%.40s\": with holds names and rows such as stall = \"duration=2s\"",
                        h->name);
        if (*ret_count >= ROWS_MOST)
            script_fail(L, "hook \"%.40s\": with declares more than %d rows", h->name, ROWS_MOST);
        read_row(L, h, lua_tostring(L, -2), lua_tostring(L, -1), &rows[(*ret_count)++]);
        lua_pop(L, 1);
    }
    qsort(rows, *ret_count, sizeof(*rows), by_name);
    for (size_t i = 0; i < *ret_count; i++) /* a copy was sorted: the pointers went along */
        if (rows[i].fallback != NULL)
            rows[i].fallback = rows[i].text + strlen(rows[i].text) + 1;
    return rows;
}

/* The given values as a table of texts, on top of the stack. JSON's own memory may not leak by an
 * error of Lua's, so it is gone before anything else is checked. */
static void push_given(lua_State *L, const struct hook *h)
{
    json_t *given = h->with_json != NULL ? json_loads(h->with_json, 0, NULL) : NULL;
    const char *name;
    json_t *value;
    size_t used = 0;
    json_object_foreach(given, name, value) used += strlen(name) + json_string_length(value) + 32;
    char *flat = lua_newuserdatauv(L, used + 1, 0), *at = flat;
    json_object_foreach(given, name, value)
    {
        at += snprintf(at, used - (size_t)(at - flat) + 1, "%s", name) + 1;
        if (json_is_integer(value))
            at += snprintf(at, used - (size_t)(at - flat) + 1, "%lld",
                           (long long)json_integer_value(value)) +
                  1;
        else
            at += snprintf(at, used - (size_t)(at - flat) + 1, "%s",
                           json_is_string(value) ? json_string_value(value) : "") +
                  1;
    }
    json_decref(given);
    lua_newtable(L);
    for (const char *from = flat; from < at;) {
        const char *key = from, *text = key + strlen(key) + 1;
        lua_pushstring(L, text);
        lua_setfield(L, -2, key);
        from = text + strlen(text) + 1;
    }
    lua_remove(L, -2);
}

void hook_with(lua_State *L, struct hook *h)
{
    size_t count;
    int declared = lua_gettop(L);
    push_given(L, h);
    int given = lua_gettop(L);
    const struct row *rows = read_rows(L, h, declared, &count);
    lua_pushnil(L);
    while (lua_next(L, given) != 0) {
        check_known(L, h, rows, count, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_getfield(L, given, rows[i].name);
        const char *text = lua_tostring(L, -1);
        lua_insert(L, -2); /* it stays alive below the table of values */
        set_value(L, &rows[i], text);
    }
    lua_replace(L, declared);
    lua_settop(L, declared);
}
