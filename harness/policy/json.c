#include "policy/edge.h"
#include "policy/yaml.h"

#include <stdlib.h>

/* The saved form of an edge_policy. Hostile JSON is an input error: a journal may come from
 * anywhere. */

#define JSON_VERSION 1
#define TEXT_MAX ((size_t)4096)

static const char *const budget_words[] = {
    [BUDGET_NONE] = "none", [BUDGET_ENVOY] = "envoy", [BUDGET_LINKERD] = "linkerd"};

/* A path that a suite asks for may be any bytes: JSON gets '?' for those that are no UTF-8. */
static json_t *text_json(const char *text)
{
    json_t *to = json_string(text);
    if (to != NULL)
        return to;
    char *copy = check_strdup(text);
    yaml_clean_text(copy);
    to = json_string(copy);
    free(copy);
    return to;
}

static json_t *source_to_json(struct source source)
{
    return json_pack("{s:o,s:i,s:i}", "file", text_json(source.file), "line", (int)source.line,
                     "column", (int)source.column);
}

static json_t *value_to_json(const struct value *v)
{
    if (!v->set)
        return json_null();
    json_t *to = json_pack("{s:I}", "number", (json_int_t)v->number);
    if (v->origin != NULL)
        json_object_set_new(to, "origin", text_json(v->origin));
    if (v->source.file != NULL)
        json_object_set_new(to, "source", source_to_json(v->source));
    return to;
}

static void set_flag(json_t *to, const char *group, const char *name, bool flag)
{
    json_object_set_new(json_object_get(to, group), name, json_boolean(flag));
}

static void set_lists(json_t *retry, const struct retry_rule *rule)
{
    size_t count = 0;
    const struct edge_word *words = edge_retry_words(&count);
    json_t *on = json_array(), *codes = json_array();
    for (size_t i = 0; i < count; i++) {
        if ((rule->on & words[i].bit) != 0)
            json_array_append_new(on, json_string(words[i].name));
    }
    for (uint32_t s = 100; s <= 599; s++) {
        if (status_set_has(&rule->codes, s))
            json_array_append_new(codes, json_integer((json_int_t)s));
    }
    json_object_set_new(retry, "on", on);
    json_object_set_new(retry, "codes", codes);
}

static json_t *others_to_json(const struct edge_policy *edge)
{
    json_t *list = json_array();
    for (size_t i = 0; i < edge->other_count; i++) {
        const struct other_value *o = &edge->others[i];
        json_t *one = json_pack("{s:o,s:o,s:s}", "name", text_json(o->name), "shown",
                                text_json(o->shown), "is", o->ignored ? "ignored" : "overridden");
        if (o->origin != NULL)
            json_object_set_new(one, "origin", text_json(o->origin));
        if (o->source.file != NULL)
            json_object_set_new(one, "source", source_to_json(o->source));
        if (o->why != NULL)
            json_object_set_new(one, "why", text_json(o->why));
        json_array_append_new(list, one);
    }
    return list;
}

json_t *edge_policy_to_json(const struct edge_policy *edge)
{
    char target[48];
    size_t count = 0;
    const struct edge_value *rows = edge_values(&count);
    target_print(edge->target, target, sizeof(target));
    json_t *to = json_pack(
        "{s:i,s:o,s:o,s:o,s:o,s:s,s:s,s:I,s:{},s:{},s:{},s:{},s:{},s:{},s:{}}", "v", JSON_VERSION,
        "from", text_json(edge->from), "to", text_json(edge->to), "path", text_json(edge->path),
        "route", text_json(edge->route), "target", target, "flavour",
        edge_flavour_name(edge->flavour), "endpoints", (json_int_t)edge->endpoints, "retry",
        "outlier", "accrual", "pool", "budget", "rate", "mtls");
    INVARIANT(to != NULL);
    for (size_t i = 0; i < count; i++) {
        json_t *group = rows[i].group[0] == '\0' ? to : json_object_get(to, rows[i].group);
        const struct value *v = edge_value_get(edge, &rows[i]);
        json_t *value = value_to_json(v);
        if (rows[i].unit == EDGE_WORD && v->set && v->number < rows[i].word_count)
            json_object_set_new(value, "word", json_string(rows[i].words[v->number]));
        json_object_set_new(group, rows[i].name, value);
    }
    set_lists(json_object_get(to, "retry"), &edge->retry);
    set_flag(to, "retry", "other_host", edge->retry.other_host);
    set_flag(to, "outlier", "present", edge->outlier.present);
    set_flag(to, "outlier", "split_local_errors", edge->outlier.split_local_errors);
    set_flag(to, "accrual", "present", edge->accrual.present);
    set_flag(to, "retry", "by_budget", edge->retry.by_budget);
    set_flag(to, "rate", "present", edge->rate.present);
    json_object_set_new(json_object_get(to, "budget"), "kind",
                        json_string(budget_words[edge->budget.kind]));
    if (edge->mtls.identity != NULL)
        json_object_set_new(json_object_get(to, "mtls"), "identity",
                            text_json(edge->mtls.identity));
    if (edge->other_count > 0)
        json_object_set_new(to, "others", others_to_json(edge));
    return to;
}

static bool bad(struct error *err, const char *name, const char *wanted)
{
    return error_set(err, ERROR_INPUT, "policy record: \"%s\" must be %s", name, wanted);
}

static bool read_text(const json_t *from, const char *name, struct arena *arena, const char **ret,
                      struct error *err)
{
    const json_t *j = json_object_get(from, name);
    if (!json_is_string(j) || json_string_length(j) > TEXT_MAX)
        return bad(err, name, "text of at most 4096 bytes");
    *ret = arena_strdup(arena, json_string_value(j));
    return true;
}

static bool read_number(const json_t *from, const char *name, uint64_t most, uint64_t *ret,
                        struct error *err)
{
    const json_t *j = json_object_get(from, name);
    if (!json_is_integer(j) || json_integer_value(j) < 0 || (uint64_t)json_integer_value(j) > most)
        return bad(err, name, "a whole number in its range");
    *ret = (uint64_t)json_integer_value(j);
    return true;
}

static bool read_flag(const json_t *from, const char *group, const char *name, bool *ret,
                      struct error *err)
{
    const json_t *j = json_object_get(json_object_get(from, group), name);
    if (!json_is_boolean(j))
        return bad(err, name, "true or false");
    *ret = json_is_true(j);
    return true;
}

static bool read_source(const json_t *from, struct arena *arena, struct source *ret,
                        struct error *err)
{
    const json_t *j = json_object_get(from, "source");
    uint64_t line = 0, column = 0;
    if (j == NULL)
        return true;
    if (!read_text(j, "file", arena, &ret->file, err) ||
        !read_number(j, "line", INT32_MAX, &line, err) ||
        !read_number(j, "column", INT32_MAX, &column, err))
        return false;
    ret->line = (uint32_t)line;
    ret->column = (uint32_t)column;
    return true;
}

static bool read_value(const json_t *group, const char *name, struct arena *arena,
                       struct value *ret, struct error *err)
{
    const json_t *j = json_object_get(group, name);
    *ret = (struct value){0};
    if (j == NULL || json_is_null(j)) /* absent: a journal older than the value */
        return true;
    if (!json_is_object(j))
        return bad(err, name, "null or an object with a number");
    ret->set = true;
    if (!read_number(j, "number", INT64_MAX, &ret->number, err) ||
        !read_source(j, arena, &ret->source, err))
        return false;
    return json_object_get(j, "origin") == NULL || read_text(j, "origin", arena, &ret->origin, err);
}

/* What journals of before do not have. */
static bool read_later(const json_t *from, struct arena *arena, struct edge_policy *ret,
                       struct error *err)
{
    const json_t *kind = json_object_get(json_object_get(from, "budget"), "kind");
    const json_t *mtls = json_object_get(from, "mtls");
    for (size_t i = 0; kind != NULL && i <= COUNT_OF(budget_words); i++) {
        if (i == COUNT_OF(budget_words))
            return bad(err, "kind", "none, envoy or linkerd");
        if (json_is_string(kind) && strcmp(json_string_value(kind), budget_words[i]) == 0) {
            ret->budget.kind = (enum budget_kind)i;
            break;
        }
    }
    if (json_object_get(from, "rate") != NULL &&
        (!read_flag(from, "rate", "present", &ret->rate.present, err) ||
         !read_flag(from, "retry", "by_budget", &ret->retry.by_budget, err)))
        return false;
    return json_object_get(mtls, "identity") == NULL ||
           read_text(mtls, "identity", arena, &ret->mtls.identity, err);
}

static bool read_lists(const json_t *retry, struct retry_rule *rule, struct error *err)
{
    size_t count = 0, i;
    const struct edge_word *words = edge_retry_words(&count);
    const json_t *on = json_object_get(retry, "on"), *codes = json_object_get(retry, "codes");
    if (!json_is_array(on))
        return bad(err, "on", "a list");
    if (!json_is_array(codes))
        return bad(err, "codes", "a list");
    for (i = 0; i < json_array_size(on); i++) {
        const char *word = json_string_value(json_array_get(on, i));
        size_t w = 0;
        while (w < count && (word == NULL || strcmp(words[w].name, word) != 0))
            w++;
        if (w == count)
            return bad(err, "on", "a list of retry conditions");
        rule->on |= words[w].bit;
    }
    for (i = 0; i < json_array_size(codes); i++) {
        json_int_t code = json_integer_value(json_array_get(codes, i));
        if (code < 100 || code > 599)
            return bad(err, "codes", "a list of HTTP status codes");
        status_set_add(&rule->codes, (uint32_t)code);
    }
    return true;
}

static bool read_head(const json_t *from, struct arena *arena, struct edge_policy *ret,
                      struct error *err)
{
    const char *target = NULL, *flavour = NULL;
    uint64_t version = 0, endpoints = 0;
    if (!json_is_object(from))
        return error_set(err, ERROR_INPUT, "policy record: must be an object");
    if (!read_number(from, "v", JSON_VERSION, &version, err) || version != JSON_VERSION)
        return bad(err, "v", "1");
    if (!read_text(from, "from", arena, &ret->from, err) ||
        !read_text(from, "to", arena, &ret->to, err) ||
        !read_text(from, "path", arena, &ret->path, err) ||
        !read_text(from, "route", arena, &ret->route, err) ||
        !read_text(from, "target", arena, &target, err) ||
        !read_text(from, "flavour", arena, &flavour, err) ||
        !read_number(from, "endpoints", UINT32_MAX, &endpoints, err))
        return false;
    ret->endpoints = (uint32_t)endpoints;
    if (!target_parse(target, &ret->target, NULL))
        return bad(err, "target", "a target such as istio@1.31");
    return edge_flavour_find(flavour, &ret->flavour) || bad(err, "flavour", "envoy, linkerd or l4");
}

bool edge_policy_from_json(const json_t *from, struct arena *arena, struct edge_policy *ret,
                           struct error *err)
{
    size_t count = 0;
    const struct edge_value *rows = edge_values(&count);
    *ret = (struct edge_policy){0};
    if (!read_head(from, arena, ret, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *group =
            rows[i].group[0] == '\0' ? from : json_object_get(from, rows[i].group);
        struct value *to = (struct value *)(void *)((char *)ret + rows[i].offset);
        if (group != NULL && !json_is_object(group))
            return bad(err, rows[i].group, "an object");
        if (!read_value(group, rows[i].name, arena, to, err))
            return false;
        if (rows[i].unit == EDGE_WORD && to->set && to->number >= rows[i].word_count)
            return bad(err, rows[i].name, "the number of a word");
    }
    return read_lists(json_object_get(from, "retry"), &ret->retry, err) &&
           read_flag(from, "retry", "other_host", &ret->retry.other_host, err) &&
           read_flag(from, "outlier", "present", &ret->outlier.present, err) &&
           read_flag(from, "outlier", "split_local_errors", &ret->outlier.split_local_errors,
                     err) &&
           read_flag(from, "accrual", "present", &ret->accrual.present, err) &&
           read_later(from, arena, ret, err);
}
