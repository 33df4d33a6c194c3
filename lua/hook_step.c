#include "lua/hook_step.h"

#include "lua/hook_engine.h"
#include "lua/module.h"

#include <limits.h>
#include <stdlib.h>

static char *read_hook(struct build *b, const char *use, struct source at, const char **ret_path)
{
    char path[PATH_MAX], why[160] = "";
    size_t len;
    int n = snprintf(path, sizeof(path), "%s%s", b->folder, use);
    if (use[0] == '/' || n < 0 || (size_t)n >= sizeof(path) || !module_is_below(b->folder, path)) {
        errors_add(b->errors, at, ERROR_INPUT,
                   "fault.hook: use is \"%.80s\"; it must be a file below the suite's folder", use);
        return NULL;
    }
    *ret_path = arena_strdup(&b->plan->arena, path);
    char *text = state_read_file(b->plan, path, path, &len, why, sizeof(why));
    if (text == NULL)
        errors_add(b->errors, at, ERROR_INPUT, "fault.hook: use: %.80s %s", path, why);
    else if (len > HOOK_FILE_MOST_BYTES)
        errors_add(b->errors, at, ERROR_LIMIT,
                   "fault.hook: %.80s is longer than the 64 KiB allowed", path);
    else if (memchr(text, '\0', len) != NULL ||
             script_is_compiled((struct bytes){(uint8_t *)text, len}))
        errors_add(b->errors, at, ERROR_INPUT, "fault.hook: %.80s is no text file", path);
    else
        return text;
    free(text);
    return NULL;
}

static bool check(struct build *b, struct step *s, const char *path, const char *text)
{
    const json_t *with = json_object_get(s->keys, "with");
    char *given = with == NULL ? NULL : json_dumps(with, JSON_COMPACT);
    struct hook_source from = {path, text, given};
    struct hook_host host = {.hold_most_ns = HOOK_HOLD_MOST_NS, .service = ""};
    struct hook *hook = NULL;
    struct error err = {0};
    bool good = hook_engine_lua.open(&from, &host, &hook, &err);
    free(given);
    if (good)
        hook_engine_lua.close(hook);
    else if (err.source.file == NULL)
        error_prefix(&err, "fault.hook: ");
    return good || errors_take(b->errors, s->source, &err);
}

bool hook_step_fill(struct build *b, struct step *s)
{
    const char *use = json_string_value(json_object_get(s->keys, "use")), *path;
    if (use == NULL || json_object_get(s->keys, "text") != NULL)
        return true; /* plan_check says what use must be; a text that is given needs no file */
    char *text = read_hook(b, use, s->source, &path);
    if (text == NULL)
        return false;
    bool good = check(b, s, path, text);
    json_t *value = good ? json_string(text) : NULL;
    free(text);
    if (good && value == NULL)
        return errors_add(b->errors, s->source, ERROR_INPUT, "fault.hook: %.80s is not UTF-8",
                          path);
    if (good)
        INVARIANT(json_object_set_new((json_t *)(uintptr_t)s->keys, "text", value) == 0 &&
                  json_object_set_new((json_t *)(uintptr_t)s->keys, "use", json_string(path)) == 0);
    return good;
}
