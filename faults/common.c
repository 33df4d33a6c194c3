#include "base/text.h"
#include "base/units.h"
#include "faults/fault.h"

#include <ctype.h>
#include <string.h>

static const char *const per_words[] = {"request", "connection", NULL};
static const char *const existing_words[] = {"keep", "drain", "reset", NULL};

const struct param fault_common_params[] = {
    PARAM(struct fault_common, on, UNIT_PLACE, .required = true, .help = "where"),
    PARAM(struct fault_common, mode, UNIT_TEXT, .fallback = "all",
          .help = "all | one | a count | a share of the endpoints"),
    {.name = "match",
     .unit = UNIT_MAP,
     .offset = offsetof(struct fault_common, match_json),
     .help = "which requests"},
    {.name = "share",
     .unit = UNIT_SHARE_PPM,
     .offset = offsetof(struct fault_common, share_ppm),
     .fallback = "100%",
     .help = "of matched requests or connections, drawn by seed"},
    PARAM(struct fault_common, per, UNIT_WORD, .fallback = "request", .words = per_words,
          .help = "what share, first and times count"),
    PARAM(struct fault_common, first, UNIT_COUNT, .least = 1, .most = UINT32_MAX,
          .help = "only the first N attempts of each request"),
    PARAM(struct fault_common, times, UNIT_COUNT, .least = 1, .help = "stop after N firings"),
    PARAM(struct fault_common, streak, UNIT_COUNT, .least = 1, .most = UINT32_MAX,
          .help = "withhold a firing that would make the endpoint's run of failures so long"),
    {.name = "ttl",
     .unit = UNIT_TIME_NS,
     .offset = offsetof(struct fault_common, ttl_ns),
     .help = "dead-man limit"},
    PARAM(struct fault_common, to_end_of, UNIT_TEXT,
          .help = "name of a later phase: lives until that ends"),
    PARAM(struct fault_common, existing, UNIT_WORD, .words = existing_words,
          .help = "kept-alive connections at start; default: by fault"),
    PARAM(struct fault_common, name, UNIT_TEXT, .help = "name in reports; default word and place"),
    PARAM(struct fault_common, note, UNIT_TEXT, .help = "free text in reports"),
};
const size_t fault_common_param_count = COUNT_OF(fault_common_params);

/* A world fault acts on a whole endpoint: these choose among requests. */
static bool is_for_requests(const char *key)
{
    static const char *const keys[] = {"share", "per", "first", "times", "match", "streak"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys that the word takes, sorted, NULL-terminated. */
static const char **all_keys(const struct fault_type *type, struct arena *arena, size_t *ret_count)
{
    const char **names =
        ARENA_ARRAY(arena, const char *, type->param_count + fault_common_param_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < type->param_count; i++)
        names[count++] = type->params[i].name;
    for (size_t i = 0; i < fault_common_param_count; i++) {
        if (type->stream != NULL || !is_for_requests(fault_common_params[i].name))
            names[count++] = fault_common_params[i].name;
    }
    qsort(names, count, sizeof(*names), by_name);
    *ret_count = count;
    return names;
}

static bool unknown_key(const struct fault_type *type, const char *key, struct arena *arena,
                        struct error *err)
{
    size_t count;
    const char **names = all_keys(type, arena, &count);
    const char *near = text_nearest(key, names, count);
    struct text list;
    text_init(&list, sizeof(err->text));
    for (size_t i = 0; i < count; i++)
        text_add(&list, " %s", names[i]);
    error_set(err, ERROR_INPUT, "fault.%s has no key \"%.30s\"%s%s%s; it has%s", type->name, key,
              near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
              near != NULL ? "\"?)" : "", text_get(&list));
    text_release(&list);
    return false;
}

static bool unknown_word(const char *word, struct error *err)
{
    size_t count;
    const struct fault_type *const *types = fault_types(&count);
    struct text list;
    text_init(&list, sizeof(err->text));
    for (size_t i = 0; i < count; i++)
        text_add(&list, " %s", types[i]->name);
    error_set(err, ERROR_INPUT, "there is no fault.%.30s; there is%s", word, text_get(&list));
    text_release(&list);
    return false;
}

/* What a header of an answer may be: RFC 9110 5.1 token, and no line end in the value. */
static bool is_header(const char *name, const char *value)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    if (*name == '\0')
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && strchr(marks, *p) == NULL)
            return false;
    }
    return strpbrk(value, "\r\n") == NULL;
}

static bool map_value(const struct param *row, const json_t *value, void *params,
                      struct arena *arena, struct error *err)
{
    const char *name;
    json_t *each;
    if (!json_is_object(value))
        return error_set(err, ERROR_INPUT, "must be a table of names and texts");
    json_object_foreach((json_t *)(uintptr_t)value, name, each)
    {
        if (row->plain && (json_is_string(each) || json_is_integer(each)))
            continue;
        if (row->plain)
            return error_set(err, ERROR_INPUT,
                             "has \"%.40s\", whose value is neither a text nor a count", name);
        if (!json_is_string(each) || !is_header(name, json_string_value(each)))
            return error_set(err, ERROR_INPUT,
                             "has \"%.40s\", which is no header with a text of one line", name);
    }
    char *text = json_dumps(value, JSON_COMPACT);
    bool ok = param_parse(row, text, params, arena, err);
    free(text);
    return ok;
}

static bool is_listed(const struct param *row, const char *text)
{
    if (row->words == NULL)
        return is_header(text, "");
    for (size_t i = 0; row->words[i] != NULL; i++)
        if (strcmp(row->words[i], text) == 0)
            return true;
    return false;
}

static bool not_listed(const struct param *row, struct error *err)
{
    char list[120] = "";
    if (row->words == NULL)
        return error_set(err, ERROR_INPUT, "must be names of headers, such as {\"x-a\", \"x-b\"}");
    for (size_t i = 0; row->words[i] != NULL; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", row->words[i]);
    }
    return error_set(err, ERROR_INPUT, "must be a list of: %s", list);
}

/* A list of header names, or of the row's words, kept as JSON; one text is a list of one. */
static bool list_value(const struct param *row, const json_t *value, void *params,
                       struct arena *arena, struct error *err)
{
    json_t *list = json_array();
    bool ok = true;
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < count && ok; i++) {
        json_t *each = json_is_array(value) ? json_array_get(value, i) : (json_t *)(uintptr_t)value;
        ok = json_is_string(each) && is_listed(row, json_string_value(each));
        if (!ok)
            not_listed(row, err);
        json_array_append(list, each);
    }
    char *text = ok ? json_dumps(list, JSON_COMPACT) : NULL;
    ok = ok && param_parse(row, text, params, arena, err);
    free(text);
    json_decref(list);
    return ok;
}

/* A bare number where a quantity belongs: the unit's own sentence, with the number as it was
 * written. */
static bool bare_number(const struct param *row, const json_t *value, void *params,
                        struct arena *arena, struct error *err)
{
    struct error why = {0};
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    bool is_text = row->unit == UNIT_TEXT || row->unit == UNIT_PLACE;
    const char *rest = NULL;
    if (!is_text && !param_parse(row, text, params, arena, &why))
        rest = strstr(why.text, "\"; ");
    if (is_text)
        rest = "\"; it must be a text";
    error_set(err, ERROR_INPUT, "is %.40s%s", text,
              rest != NULL ? rest + 1 : "; it must have a unit");
    free(text);
    return false;
}

static bool param_value(const struct param *row, const json_t *value, void *params,
                        struct arena *arena, struct error *err)
{
    char number[24];
    bool counts = row->unit == UNIT_COUNT || strcmp(row->name, "mode") == 0;
    if (row->unit == UNIT_MAP)
        return map_value(row, value, params, arena, err);
    if (row->list)
        return list_value(row, value, params, arena, err);
    if (counts && json_is_integer(value) && json_integer_value(value) >= 0) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        return param_parse(row, number, params, arena, err);
    }
    if (json_is_string(value) && row->unit != UNIT_COUNT)
        return param_parse(row, json_string_value(value), params, arena, err);
    if (json_is_number(value))
        return bare_number(row, value, params, arena, err);
    if (json_is_string(value))
        return error_set(err, ERROR_INPUT, "is \"%.40s\"; it must be a count such as 3",
                         json_string_value(value));
    return error_set(err, ERROR_INPUT, "must be one value, not a table");
}

static bool check_mode(const struct fault_type *type, const struct fault_common *common,
                       struct error *err)
{
    const char *mode = common->mode;
    uint64_t value;
    bool known = strcmp(mode, "all") == 0 || strcmp(mode, "one") == 0 ||
                 (bytes_to_u64(bytes_of(mode), &value) && value > 0) ||
                 units_parse_share(mode, &value, &(struct error){0});
    if (!known)
        return error_set(err, ERROR_INPUT,
                         "fault.%s: mode is \"%.30s\"; it must be \"all\", \"one\", a count or a "
                         "share such as \"30%%\"",
                         type->name, mode);
    const char *slash = common->on != NULL ? strrchr(common->on, '/') : NULL;
    if (strcmp(mode, "all") != 0 && slash != NULL && isdigit((unsigned char)slash[1]))
        return error_set(err, ERROR_INPUT,
                         "fault.%s: mode is for a service, and on = \"%.60s\" is one endpoint",
                         type->name, common->on);
    return true;
}

static bool one_key(const char *key, const json_t *value, struct arena *arena,
                    struct fault_use *ret, struct error *err)
{
    const struct fault_type *type = ret->type;
    const struct param *row = param_find(type->params, type->param_count, key);
    void *into = ret->params;
    if (row == NULL) {
        row = param_find(fault_common_params, fault_common_param_count, key);
        into = &ret->common;
    }
    if (row == NULL)
        return unknown_key(type, key, arena, err);
    if (into == &ret->common && type->stream == NULL && is_for_requests(key))
        return error_set(
            err, ERROR_INPUT,
            "fault.%s takes no %s: it acts on a whole endpoint or edge, not on requests",
            type->name, key);
    if (strcmp(key, "match") == 0) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        ret->common.match_json = arena_strdup(arena, text);
        free(text);
        return match_from_json(value, arena, &ret->match, err);
    }
    struct error why = {0};
    if (!param_value(row, value, into, arena, &why))
        return error_set(err, why.kind, "fault.%s: %s %s", type->name, key, why.text);
    return true;
}

/* What no single key shows. */
static bool check_whole(const json_t *keys, struct fault_use *ret, struct error *err)
{
    const struct fault_type *type = ret->type;
    for (size_t i = 0; i < type->param_count; i++) {
        if (type->params[i].required && json_object_get(keys, type->params[i].name) == NULL)
            return error_set(err, ERROR_INPUT, "fault.%s needs %s", type->name,
                             type->params[i].name);
    }
    if (type->check != NULL && !type->check(ret->params, err))
        return false;
    uint32_t responses = 0;
    for (int moment = 0; moment < MOMENT_COUNT; moment++)
        responses |= MOMENT_BIT(moment, SIDE_RESPONSE);
    if (ret->match.status_least != 0 && type->stream != NULL && type->stream->moments != NULL &&
        (type->stream->moments(ret->params) & responses) == 0)
        return error_set(err, ERROR_INPUT,
                         "fault.%s: match.status is for faults that act on the response",
                         type->name);
    if (ret->common.existing == PARAM_UNSET)
        ret->common.existing =
            type->existing_for != NULL ? type->existing_for(ret->params) : type->existing;
    return check_mode(type, &ret->common, err);
}

static bool fault_use_fill(const char *word, const json_t *keys, struct arena *arena,
                           struct fault_use *ret, struct error *err)
{
    const char *key;
    json_t *value;
    ret->type = fault_type_find(word);
    if (ret->type == NULL)
        return unknown_word(word, err);
    ret->params = arena_take(arena, ret->type->params_bytes + 1);
    param_defaults(ret->type->params, ret->type->param_count, ret->params, arena);
    param_defaults(fault_common_params, fault_common_param_count, &ret->common, arena);
    json_object_foreach((json_t *)(uintptr_t)keys, key, value)
    {
        if (!one_key(key, value, arena, ret, err))
            return false;
    }
    return check_whole(keys, ret, err);
}

bool fault_use_from_json(const char *word, const json_t *keys, struct source source,
                         struct arena *arena, struct fault_use *ret, struct error *err)
{
    struct error why = {0};
    *ret = (struct fault_use){.source = source};
    if (fault_use_fill(word, keys, arena, ret, &why)) {
        ret->stream = ret->type->stream;
        return true;
    }
    return error_at(err, source, why.kind, "%s", why.text);
}

bool fault_use_in_proxy(struct fault_use *use)
{
    use->stream = use->type->in_proxy;
    return use->stream != NULL;
}
