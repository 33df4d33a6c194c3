#include "plan/fault_words.h"

/* A list means or. */
static void add_value(const json_t *value, struct text *to)
{
    const json_t *one, *inner;
    const char *key;
    size_t i;
    bool first = true;
    if (json_is_string(value))
        text_add_clean(to, json_string_value(value));
    else if (json_is_integer(value))
        text_add(to, "%lld", (long long)json_integer_value(value));
    json_array_foreach(value, i, one)
    {
        text_add(to, "%s", i == 0 ? "" : " or ");
        if (json_is_integer(one))
            text_add(to, "%lld", (long long)json_integer_value(one));
        else if (json_is_string(one))
            text_add_clean(to, json_string_value(one));
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, inner)
    {
        text_add(to, "%s", first ? "" : ", ");
        text_add_clean(to, key);
        text_add(to, " ");
        add_value(inner, to);
        first = false;
    }
}

void fault_words_match(const json_t *keys, struct text *to)
{
    const json_t *match = json_object_get(keys, "match"), *tag = json_object_get(match, "tag"),
                 *value;
    const char *key;
    bool first = true;
    if (json_object_size(match) == 0)
        return;
    text_add(to, " for requests");
    if (tag != NULL) {
        text_add(to, " tagged ");
        add_value(tag, to);
    }
    json_object_foreach((json_t *)(uintptr_t)match, key, value)
    {
        if (strcmp(key, "tag") == 0)
            continue;
        bool without = strcmp(key, "without") == 0;
        text_add(to, "%s%s ", first ? (without ? " " : " with ") : ", ", key);
        add_value(value, to);
        first = false;
    }
}

void fault_words_share(const json_t *keys, struct text *to)
{
    const json_t *share = json_object_get(keys, "share"), *first = json_object_get(keys, "first");
    if (json_is_string(share))
        text_add(to, ", %s", json_string_value(share));
    if (json_is_integer(first))
        text_add(to, ", first %lld", (long long)json_integer_value(first));
}
