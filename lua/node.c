#include "lua/node.h"

#include "base/units.h"
#include "plan/words.h"

static const char is_node; /* registry key of the metatable */

struct word {
    const char *name;
    enum node_kind kind;
    const char
        *takes; /* what its first text is, in an error; NULL: none, it takes one table at once */
};

static const struct word frame_words[] = {
    {"suite", NODE_SUITE, "a name first: suite \"name\" { ... }"},
    {"phase", NODE_PHASE, "a name first: phase \"name\" { ... }"},
    {"group", NODE_GROUP, "a name first: group \"name\" { ... }"},
    {"service", NODE_SERVICE, "a name first: service \"name\" { ... }"},
    {"call", NODE_CALL, "a service first: call \"name\" { ... }"},
    {"at", NODE_AT, "a time such as at \"20s\""},
    {"during", NODE_DURING, "a span such as during \"20s..50s\""},
    {"lab", NODE_LAB, NULL},
};
static const struct word scenario_word = {"scenario", NODE_SCENARIO,
                                          "a name first: scenario \"name\" { ... }"};

/* The words behind a dot. */
struct family {
    const char *name;
    enum node_kind kind;
    const char *const *words; /* NULL: the plan's lists (words.h) */
    size_t count;
};
static const char *const load_words[] = {"closed", "open"};
static const char *const mesh_words[] = {"gateway_api", "istio", "istio_ambient", "linkerd",
                                         "none"};
static const char *const policy_words[] = {"beyond", "inside", "value"};
static const char *const scenario_words[] = {"from_policy"};
static const char *const guard_words[] = {"approval", "limits", "stop", "window"};
static const char *const probe_words[] = {"client", "grpc_health", "http", "promql", "tcp"};
static const char *const notify_words[] = {"grafana", "kubernetes_event", "slack", "webhook"};
static const struct family families[] = {
    {"fault", NODE_FAULT, NULL, 0},
    {"expect", NODE_EXPECT, NULL, 0},
    {"await", NODE_AWAIT, NULL, 0},
    {"load", NODE_LOAD, load_words, COUNT_OF(load_words)},
    {"mesh", NODE_MESH, mesh_words, COUNT_OF(mesh_words)},
    {"policy", NODE_VALUE, policy_words, COUNT_OF(policy_words)},
    {"scenario", NODE_FROM_POLICY, scenario_words, COUNT_OF(scenario_words)},
    {"guard", NODE_GUARD, guard_words, COUNT_OF(guard_words)},
    {"probe", NODE_PROBE, probe_words, COUNT_OF(probe_words)},
    {"notify", NODE_NOTIFY, notify_words, COUNT_OF(notify_words)},
    {"cert", NODE_CERT, NULL, 0},
};

const struct node *node_at(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TUSERDATA || lua_getmetatable(L, index) == 0)
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &is_node);
    bool same = lua_rawequal(L, -1, -2) != 0;
    lua_pop(L, 2);
    return same ? lua_touserdata(L, index) : NULL;
}

void node_push_table(lua_State *L, int index)
{
    lua_getiuservalue(L, index, 1);
}

const char *node_name(lua_State *L, int index)
{
    lua_getiuservalue(L, index, 2);
    const char *name = lua_tostring(L, -1);
    lua_pop(L, 1);
    return name;
}

static const char *family_name(enum node_kind kind)
{
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        if (families[i].kind == kind)
            return families[i].name;
    }
    return "word";
}

const char *node_label(const struct node *n, char *to, size_t size)
{
    for (size_t i = 0; i < COUNT_OF(frame_words); i++) {
        if (frame_words[i].kind == n->kind) {
            snprintf(to, size, "%s", frame_words[i].name);
            return to;
        }
    }
    if (n->kind == NODE_SCENARIO)
        snprintf(to, size, "scenario");
    else
        snprintf(to, size, "%s.%s", family_name(n->kind), n->word);
    return to;
}

/* Pushes a node with a copy of the table at ${table} (0: an empty one) and the text at ${name} (0:
 * none). */
static void push_node(lua_State *L, enum node_kind kind, const char *word, struct source source,
                      int table, int name)
{
    struct node *n = lua_newuserdatauv(L, sizeof(*n), 2);
    *n = (struct node){kind, word, source};
    lua_newtable(L);
    lua_pushnil(L);
    while (table != 0 && lua_next(L, table) != 0) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    if (table == 0)
        lua_pop(L, 1);
    lua_setiuservalue(L, -2, 1);
    if (name != 0) {
        lua_pushvalue(L, name);
        lua_setiuservalue(L, -2, 2);
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &is_node);
    lua_setmetatable(L, -2);
}

static void push_nothing(lua_State *L)
{
    push_node(L, NODE_NOTHING, "", (struct source){0}, 0, 0);
}

static void check_one_table(lua_State *L, int index, const char *label)
{
    if (lua_gettop(L) != index || lua_type(L, index) != LUA_TTABLE)
        state_fail(L, state_source(L), "%s takes one table", label);
}

/* The second call of a curried word: the line is that of the first, for a tail call has lost its
 * own. */
static int take_table(lua_State *L)
{
    const struct word *w = lua_touserdata(L, lua_upvalueindex(1));
    struct source *source = lua_touserdata(L, lua_upvalueindex(3));
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        state_fail(L, *source, "%s takes one table after its name", w->name);
    lua_pushvalue(L, lua_upvalueindex(2));
    push_node(L, w->kind, "", *source, 1, 2);
    return 1;
}

static bool good_window(const struct word *w, const char *text)
{
    uint64_t from, to;
    char first[40];
    const char *dots = strstr(text, "..");
    if (w->kind == NODE_AT)
        return units_parse_duration(text, &from, NULL);
    if (w->kind != NODE_DURING)
        return true;
    if (dots == NULL || (size_t)(dots - text) >= sizeof(first))
        return false;
    snprintf(first, sizeof(first), "%.*s", (int)(dots - text), text);
    return units_parse_duration(first, &from, NULL) &&
           (dots[2] == '\0' || (units_parse_duration(dots + 2, &to, NULL) && to > from));
}

static int take_nothing(lua_State *L)
{
    push_nothing(L);
    return 1;
}

static int name_first(lua_State *L, const struct word *w, int index)
{
    struct source at = state_source(L);
    if (lua_type(L, index) != LUA_TSTRING || !good_window(w, lua_tostring(L, index))) {
        state_note(L, at, "%s needs %s", w->name, w->takes);
        lua_pushcfunction(L, take_nothing);
        return 1;
    }
    lua_pushlightuserdata(L, (void *)(uintptr_t)w);
    lua_pushvalue(L, index);
    struct source *source = lua_newuserdatauv(L, sizeof(*source), 0);
    *source = at;
    lua_pushcclosure(L, take_table, 3);
    return 1;
}

static int curried(lua_State *L)
{
    return name_first(L, lua_touserdata(L, lua_upvalueindex(1)), 1);
}

static int call_scenario(lua_State *L)
{
    return name_first(L, &scenario_word, 2);
}

static int uncurried(lua_State *L)
{
    const struct word *w = lua_touserdata(L, lua_upvalueindex(1));
    check_one_table(L, 1, w->name);
    push_node(L, w->kind, "", state_source(L), 1, 0);
    return 1;
}

/* policy.value "timeout" is policy.value { field = "timeout" }. */
static void text_to_table(lua_State *L)
{
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING)
        return;
    lua_newtable(L);
    lua_insert(L, 1);
    lua_setfield(L, 1, "field");
}

/* A word of a family: fault.abort { ... }. */
static int of_family(lua_State *L)
{
    const struct family *f = lua_touserdata(L, lua_upvalueindex(1));
    const char *word = lua_touserdata(L, lua_upvalueindex(2));
    char label[64];
    snprintf(label, sizeof(label), "%s.%s", f->name, word);
    if (f->kind == NODE_VALUE)
        text_to_table(L);
    check_one_table(L, 1, label);
    push_node(L, f->kind, word, state_source(L), 1, 0);
    if (f->kind == NODE_FROM_POLICY) { /* a list: one scenario an edge, once the policy is read */
        lua_createtable(L, 1, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
    }
    return 1;
}

static void unknown_word(lua_State *L, const struct family *f, const char *const *words,
                         size_t count, const char *word)
{
    char text[sizeof(((struct error *)NULL)->text)];
    if (f->words == NULL) {
        word_unknown(f->name, word, text, sizeof(text));
        state_note(L, state_source(L), "%s", text);
        return;
    }
    int n = snprintf(text, sizeof(text), "there is no %s.%.40s; there is", f->name, word);
    for (size_t i = 0; i < count && n > 0 && (size_t)n < sizeof(text); i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", words[i]);
    state_note(L, state_source(L), "%s", text);
}

static int find_in_family(lua_State *L)
{
    const struct family *f = lua_touserdata(L, lua_upvalueindex(1));
    size_t count = f->count;
    const char *const *words = f->words != NULL ? f->words : word_names(f->name, &count);
    const char *word = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], word) != 0)
            continue;
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_pushlightuserdata(L, (void *)(uintptr_t)words[i]);
        lua_pushcclosure(L, of_family, 2);
        return 1;
    }
    unknown_word(L, f, words, count, word);
    lua_pushcfunction(L, take_nothing);
    return 1;
}

static int is_locked(lua_State *L)
{
    state_fail(L, state_source(L), "the words of the language cannot be changed");
}

static void define_family(lua_State *L, const struct family *f)
{
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushlightuserdata(L, (void *)(uintptr_t)f);
    lua_pushcclosure(L, find_in_family, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, is_locked);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    if (f->kind == NODE_FROM_POLICY) {
        lua_pushcfunction(L, call_scenario);
        lua_setfield(L, -2, "__call");
    }
    lua_setmetatable(L, -2);
    script_define(L, f->name);
}

/* `fragment { ... }`: by habit what a shared file returns. A plain table. */
static int fragment(lua_State *L)
{
    check_one_table(L, 1, "fragment");
    return 1;
}

void node_define_words(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "locked");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &is_node);
    for (size_t i = 0; i < COUNT_OF(frame_words); i++) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)&frame_words[i]);
        lua_pushcclosure(L, frame_words[i].takes != NULL ? curried : uncurried, 1);
        script_define(L, frame_words[i].name);
    }
    for (size_t i = 0; i < COUNT_OF(families); i++)
        define_family(L, &families[i]);
    lua_pushcfunction(L, fragment);
    script_define(L, "fragment");
}
