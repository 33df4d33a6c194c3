#include "cli/serve_ask.h"

#include "base/units.h"
#include "lua/module.h"

#include <string.h>
#include <sys/stat.h>

#define WAIT_MOST_NS UINT64_C(86400000000000)

bool serve_ask_body(struct bytes body, json_t **ret, struct error *err)
{
    json_error_t why;
    *ret = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(*ret))
        return true;
    bool parsed = *ret != NULL;
    json_decref(*ret);
    *ret = NULL;
    return error_set(err, ERROR_INPUT, "the body is no JSON object%s%.80s", parsed ? "" : ": ",
                     parsed ? "" : why.text);
}

/* A plain path: nothing in it leads upwards, or means something to anybody. */
static bool is_path(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n < 512 && text[0] != '/' && text[0] != '-' && text[0] != '.' &&
           strstr(text, "..") == NULL &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") == n;
}

static bool read_suite(const json_t *from, const char *folder, struct serve_ask *ret,
                       struct error *err)
{
    const char *suite = json_string_value(json_object_get(from, "suite"));
    struct stat st;
    if (suite == NULL)
        return error_set(err, ERROR_INPUT, "suite is missing: a file of the suites' folder");
    if (!is_path(suite))
        return error_set(err, ERROR_INPUT,
                         "suite must be a path below the suites' folder, such as gate.lua");
    snprintf(ret->suite, sizeof(ret->suite), "%.500s%s%s", folder,
             folder[strlen(folder) - 1] == '/' ? "" : "/", suite);
    if (stat(ret->suite, &st) != 0 || !module_is_below(folder, ret->suite))
        return error_set(err, ERROR_INPUT, "there is no suite %.200s", suite);
    return true;
}

static bool keep(char to[SERVE_TEXT_MOST], const char *what, const char *text, struct error *err)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 32 || text[i] == 127)
            return error_set(err, ERROR_INPUT, "%s holds a control character", what);
    if (n == 0 || n >= SERVE_TEXT_MOST)
        return error_set(err, ERROR_LIMIT, "%s must be 1 to %d bytes", what, SERVE_TEXT_MOST - 1);
    memcpy(to, text, n + 1);
    return true;
}

/* The type of a value is the param's to check: --set takes what stands there as a text. */
static bool read_sets(const json_t *from, struct serve_ask *ret, struct error *err)
{
    const json_t *sets = json_object_get(from, "set");
    const char *key;
    json_t *value;
    if (sets == NULL)
        return true;
    if (!json_is_object(sets) || json_object_size(sets) > SERVE_PARAMS_MOST)
        return error_set(err, ERROR_INPUT, "set must be an object of at most %d params",
                         SERVE_PARAMS_MOST);
    json_object_foreach((json_t *)(uintptr_t)sets, key, value)
    {
        char text[SERVE_TEXT_MOST + 64];
        if (json_is_string(value))
            snprintf(text, sizeof(text), "%.60s=%s", key, json_string_value(value));
        else if (json_is_integer(value))
            snprintf(text, sizeof(text), "%.60s=%" JSON_INTEGER_FORMAT, key,
                     json_integer_value(value));
        else
            return error_set(err, ERROR_INPUT, "set: %.60s must be a text or a whole number", key);
        if (!keep(ret->sets[ret->set_count++], "set", text, err))
            return false;
    }
    return true;
}

static bool read_tags(const json_t *from, struct serve_ask *ret, struct error *err)
{
    const json_t *tags = json_object_get(from, "tags");
    json_t *one;
    size_t i;
    if (tags == NULL)
        return true;
    if (json_is_string(tags))
        return keep(ret->tags[ret->tag_count++], "tags", json_string_value(tags), err);
    if (!json_is_array(tags) || json_array_size(tags) > SERVE_PARAMS_MOST)
        return error_set(err, ERROR_INPUT, "tags must be a text or a list of at most %d",
                         SERVE_PARAMS_MOST);
    json_array_foreach(tags, i, one)
    {
        if (!json_is_string(one))
            return error_set(err, ERROR_INPUT, "tags must be texts");
        if (!keep(ret->tags[ret->tag_count++], "tags", json_string_value(one), err))
            return false;
    }
    return true;
}

static bool read_mode(const json_t *from, struct serve_ask *ret, struct error *err)
{
    const json_t *mode = json_object_get(from, "mode");
    const char *named = json_string_value(mode);
    if (mode == NULL || (named != NULL && strcmp(named, "local") == 0))
        return true;
    if (named == NULL || (strcmp(named, "canary") != 0 && strcmp(named, "interpose") != 0))
        return error_set(err, ERROR_INPUT,
                         "mode is %.40s; it is local (or left out), canary or interpose",
                         named == NULL ? "no text" : named);
    snprintf(ret->mode, sizeof(ret->mode), "%s", named);
    return true;
}

bool serve_ask_read(const json_t *from, const char *folder, struct serve_ask *ret,
                    struct error *err)
{
    *ret = (struct serve_ask){0};
    return read_mode(from, ret, err) && read_suite(from, folder, ret, err) &&
           read_sets(from, ret, err) && read_tags(from, ret, err);
}

bool serve_ask_wait(const json_t *from, uint64_t *ret_ns, struct error *err)
{
    const json_t *wait = json_object_get(from, "wait");
    const char *text = json_string_value(wait);
    struct error why = {0};
    *ret_ns = 0;
    if (wait == NULL)
        return true;
    if (text == NULL || !units_parse_duration(text, ret_ns, &why) || *ret_ns > WAIT_MOST_NS)
        return error_set(err, ERROR_INPUT, "wait must be a duration such as \"30m\", at most 24h");
    return true;
}
