#include "kube/selector.h"

#include <stdint.h>
#include <string.h>

static bool has_all(const json_t *map, const json_t *labels)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        const json_t *is = json_object_get(labels, key);
        if (is == NULL || !json_equal(is, value))
            return false;
    }
    return true;
}

bool selector_takes_map(const json_t *map, const json_t *labels)
{
    return json_object_size(map) > 0 && has_all(map, labels);
}

static bool in(const json_t *values, const json_t *is)
{
    for (size_t i = 0; is != NULL && i < json_array_size(values); i++)
        if (json_equal(json_array_get(values, i), is))
            return true;
    return false;
}

static bool expression_takes(const json_t *e, const json_t *labels)
{
    const char *key = json_string_value(json_object_get(e, "key"));
    const char *how = json_string_value(json_object_get(e, "operator"));
    const json_t *values = json_object_get(e, "values");
    const json_t *is = key != NULL ? json_object_get(labels, key) : NULL;
    if (key == NULL || how == NULL)
        return false;
    if (strcmp(how, "In") == 0)
        return in(values, is);
    /* NotIn takes what has no such label too. */
    if (strcmp(how, "NotIn") == 0)
        return !in(values, is);
    if (strcmp(how, "Exists") == 0)
        return is != NULL;
    return strcmp(how, "DoesNotExist") == 0 && is == NULL;
}

bool selector_takes(const json_t *selector, const json_t *labels)
{
    const json_t *expressions = json_object_get(selector, "matchExpressions");
    if (!json_is_object(selector) || !has_all(json_object_get(selector, "matchLabels"), labels))
        return false;
    for (size_t i = 0; i < json_array_size(expressions); i++)
        if (!expression_takes(json_array_get(expressions, i), labels))
            return false;
    return true;
}
