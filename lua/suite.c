#include "lua/suite.h"

#include "lua/build.h"
#include "lua/module.h"
#include "lua/policy_value.h"
#include "lua/setting.h"

#include <stdlib.h>

/* Walking the tree runs no code of the suite; its own small needs shall not fail on a state that is
 * full. */
#define BUILD_BYTES ((size_t)32 << 20)
#define PLAN_FILE_BYTES_MOST ((size_t)16 << 20)

static int define_words(lua_State *L)
{
    node_define_words(L);
    module_define(L);
    setting_define(L);
    return 0;
}

/* The suite's value is the stack's first, before the cookie. */
static int build(lua_State *L)
{
    struct build *b = lua_touserdata(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, "suite");
    build_suite(b, lua_gettop(L));
    return 0;
}

static void build_plan(struct state *s)
{
    struct policy_values policy = {0};
    struct build b = {
        .L = s->L, .plan = s->plan, .errors = s->errors, .folder = s->folder, .policy = &policy};
    b.values.L = s->L;
    b.values.left = VALUES_MOST;
    s->script.bytes_most += BUILD_BYTES;
    lua_setfield(s->L, LUA_REGISTRYINDEX, "suite");
    if (state_protect(s, build, &b))
        setting_check_used(s);
    policy_values_release(&policy);
}

static const char *folder_of(struct plan *p, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? "" : arena_strndup(&p->arena, path, (size_t)(slash - path) + 1);
}

static void load_lua(const char *path, const struct suite_options *options, struct plan *plan,
                     struct errors *errors, json_t *listed)
{
    struct state state;
    struct settings settings = {.options = options, .listed = listed};
    if (options->set_count > SETTINGS_MOST)
        errors_add(errors, (struct source){0}, ERROR_USAGE, "--set: at most %d of them",
                   SETTINGS_MOST);
    bool open = state_open(&state, plan, errors, folder_of(plan, path));
    state.words = &settings;
    if (open && state_protect(&state, define_words, NULL) &&
        state_run_file(&state, path, plan->suite))
        build_plan(&state);
    state_close(&state);
    if (errors->count == 0 || plan->scenario_count > 0)
        plan_check_all(plan, errors);
}

static json_t *read_json(const char *path, struct plan *plan, struct errors *errors)
{
    json_error_t why;
    struct source source = {plan->suite, 0, 0};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        errors_add(errors, source, ERROR_INPUT, "cannot be read");
        return NULL;
    }
    char *text = check_alloc(PLAN_FILE_BYTES_MOST + 1);
    size_t len = fread(text, 1, PLAN_FILE_BYTES_MOST + 1, file);
    fclose(file);
    json_t *json =
        len > PLAN_FILE_BYTES_MOST ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    free(text);
    if (len > PLAN_FILE_BYTES_MOST)
        errors_add(errors, source, ERROR_LIMIT,
                   "is more than 16 MiB, the most that a plan may have");
    else if (json == NULL)
        errors_add(errors, (struct source){plan->suite, (uint32_t)(why.line > 0 ? why.line : 0), 0},
                   ERROR_INPUT, "is no JSON: %.120s", why.text);
    return json;
}

/* ${plan} keeps the name of the file for errors; on success the loaded one takes its place. */
static struct plan *load_json(const char *path, const struct suite_options *options,
                              struct plan *plan, struct errors *errors)
{
    struct error err = {0};
    struct plan *loaded = NULL;
    if (options->set_count > 0)
        errors_add(errors, (struct source){0}, ERROR_USAGE,
                   "--set is for suites; %.120s has its values already", path);
    json_t *json = read_json(path, plan, errors);
    if (json == NULL)
        return plan;
    bool good = plan_from_json(json, &loaded, &err);
    json_decref(json);
    if (!good) {
        errors_take(errors, (struct source){plan->suite, 0, 0}, &err);
        return plan;
    }
    plan_check_all(loaded, errors);
    for (size_t i = 0; i < errors->count; i++) {
        if (errors->at[i].source.file != NULL)
            errors->at[i].source.file = arena_strdup(&loaded->arena, errors->at[i].source.file);
    }
    plan_free(plan);
    return loaded;
}

static bool load(const char *path, const struct suite_options *options, struct plan **ret,
                 struct error *at, size_t *ret_error_count, json_t *listed)
{
    static const struct suite_options none = {0};
    struct errors errors = {at, 0, ERRORS_MOST};
    struct plan *plan = plan_new();
    size_t len = strlen(path);
    memset(at, 0, sizeof(*at) * ERRORS_MOST);
    plan->suite = arena_strdup(&plan->arena, path);
    if (options == NULL)
        options = &none;
    if (len > 5 && strcmp(path + len - 5, ".json") == 0)
        plan = load_json(path, options, plan, &errors);
    else
        load_lua(path, options, plan, &errors, listed);
    errors_sort(&errors);
    *ret = plan;
    *ret_error_count = errors.count;
    return errors.count == 0;
}

bool suite_load(const char *path, const struct suite_options *options, struct plan **ret,
                struct error *errors, size_t *ret_error_count)
{
    json_t *listed = json_array();
    bool good = load(path, options, ret, errors, ret_error_count, listed);
    json_decref(listed);
    return good;
}

bool suite_params(const char *path, const struct suite_options *options, json_t **ret,
                  struct plan **ret_plan, struct error *errors, size_t *ret_error_count)
{
    *ret = json_array();
    return load(path, options, ret_plan, errors, ret_error_count, *ret);
}
