#include "base/text.h"
#include "faults/fault.h"

#include <string.h>

/* `match = {...}` of a step (scenario-language.md 1.4), from its JSON form. */

static bool wants(struct error *err, const char *key, const json_t *value, const char *what)
{
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    error_set(err, ERROR_INPUT, "match: %s is %.60s; it must be %s", key, shown, what);
    free(shown);
    return false;
}

/* A text, or a list of them: or. */
static bool texts(const char *key, const json_t *value, struct arena *arena,
                  const char *const **ret, size_t *ret_count, struct error *err)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    const char **list = ARENA_ARRAY(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(one))
            return wants(err, key, one, "a text, or a list of texts");
        list[i] = arena_strdup(arena, json_string_value(one));
    }
    *ret = list;
    *ret_count = count;
    return true;
}

static bool pairs(const char *key, const json_t *value, struct arena *arena,
                  const struct match_pair **ret, size_t *ret_count, struct error *err)
{
    if (!json_is_object(value))
        return wants(err, key, value, "a table of names and globs");
    struct match_pair *pair = ARENA_ARRAY(arena, struct match_pair, json_object_size(value) + 1);
    size_t count = 0;
    const char *name;
    json_t *glob;
    json_object_foreach((json_t *)(uintptr_t)value, name, glob)
    {
        if (!json_is_string(glob))
            return wants(err, key, glob, "a table of names and globs, one glob a name");
        pair[count++] = (struct match_pair){arena_strdup(arena, name),
                                            arena_strdup(arena, json_string_value(glob))};
    }
    *ret = pair;
    *ret_count = count;
    return true;
}

static bool attempt_number(struct bytes text, uint32_t *ret)
{
    uint64_t n;
    if (!bytes_to_u64(text, &n) || n == 0 || n >= UINT32_MAX)
        return false;
    *ret = (uint32_t)n;
    return true;
}

/* 1, "2..", "1..3". */
static bool attempts(const json_t *value, struct match *ret, struct error *err)
{
    static const char what[] = "a number from 1, or a span such as \"2..\" or \"1..3\"";
    char number[24];
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        text = number;
    }
    if (text == NULL)
        return wants(err, "attempt", value, what);
    const char *dots = strstr(text, "..");
    size_t len = dots != NULL ? (size_t)(dots - text) : strlen(text);
    if (!attempt_number((struct bytes){(const uint8_t *)text, len}, &ret->attempt_least))
        return wants(err, "attempt", value, what);
    if (dots == NULL)
        ret->attempt_most = ret->attempt_least;
    else if (dots[2] == '\0')
        ret->attempt_most = UINT32_MAX;
    else if (!attempt_number(bytes_of(dots + 2), &ret->attempt_most) ||
             ret->attempt_most < ret->attempt_least)
        return wants(err, "attempt", value, what);
    return true;
}

/* 503, "5xx". */
static bool status(const json_t *value, struct match *ret, struct error *err)
{
    const char *text = json_string_value(value);
    json_int_t code = json_integer_value(value);
    if (json_is_integer(value) && code >= 100 && code <= 599) {
        ret->status_least = ret->status_most = (uint16_t)code;
        return true;
    }
    if (text != NULL && text[0] >= '1' && text[0] <= '5' && strcmp(text + 1, "xx") == 0) {
        ret->status_least = (uint16_t)((text[0] - '0') * 100);
        ret->status_most = (uint16_t)(ret->status_least + 99);
        return true;
    }
    return wants(err, "status", value, "a code such as 503, or a class such as \"5xx\"");
}

/* "http2", or a list. */
static bool protocols(const json_t *value, struct match *ret, struct error *err)
{
    static const struct {
        const char *word;
        uint8_t bit;
    } words[] = {
        {"http1", MATCH_HTTP1}, {"http2", MATCH_HTTP2}, {"grpc", MATCH_GRPC}, {"tcp", MATCH_TCP}};
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        const char *text = json_string_value(one);
        uint8_t bit = 0;
        for (size_t k = 0; k < COUNT_OF(words) && text != NULL; k++)
            bit = strcmp(text, words[k].word) == 0 ? words[k].bit : bit;
        if (bit == 0)
            return wants(err, "protocol", one, "http1, http2, grpc or tcp");
        ret->protocols |= bit;
    }
    return count > 0 || wants(err, "protocol", value, "http1, http2, grpc or tcp");
}

static bool match_key(const char *key, const json_t *value, struct arena *arena, struct match *ret,
                      struct error *err)
{
    static const char *const keys[] = {"attempt", "authority", "from",     "grpc",  "header",
                                       "method",  "path",      "protocol", "query", "status",
                                       "tag",     "without",   NULL};
    const struct {
        const char *key;
        const char *const **list;
        size_t *count;
    } lists[] = {
        {"method", &ret->methods, &ret->method_count},
        {"path", &ret->paths, &ret->path_count},
        {"authority", &ret->authorities, &ret->authority_count},
        {"without", &ret->without, &ret->without_count},
        {"tag", &ret->tags, &ret->tag_count},
        {"from", &ret->froms, &ret->from_count},
        {"grpc", &ret->grpcs, &ret->grpc_count},
    };
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (strcmp(key, lists[i].key) == 0)
            return texts(key, value, arena, lists[i].list, lists[i].count, err);
    }
    if (strcmp(key, "header") == 0)
        return pairs(key, value, arena, &ret->headers, &ret->header_count, err);
    if (strcmp(key, "query") == 0)
        return pairs(key, value, arena, &ret->queries, &ret->query_count, err);
    if (strcmp(key, "attempt") == 0)
        return attempts(value, ret, err);
    if (strcmp(key, "status") == 0)
        return status(value, ret, err);
    if (strcmp(key, "protocol") == 0)
        return protocols(value, ret, err);
    const char *near = text_nearest(key, keys, COUNT_OF(keys) - 1);
    return error_set(err, ERROR_INPUT,
                     "match has no key \"%.40s\"%s%s%s; it has attempt authority from grpc header "
                     "method path protocol query status tag without",
                     key, near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?)" : "");
}

bool match_from_json(const json_t *from, struct arena *arena, struct match *ret, struct error *err)
{
    const char *key;
    json_t *value;
    *ret = (struct match){0};
    if (!json_is_object(from))
        return error_set(err, ERROR_INPUT, "match must be a table such as { path = \"/api/*\" }");
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        if (!match_key(key, value, arena, ret, err))
            return false;
    }
    return true;
}
