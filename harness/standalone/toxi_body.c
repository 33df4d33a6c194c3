#include "standalone/toxi_body.h"

#include <strings.h>

bool toxi_body_parse(struct bytes body, json_t **ret, struct error *err)
{
    json_error_t why;
    size_t blank = 0;
    while (blank < body.len && strchr(" \t\r\n", body.at[blank]) != NULL)
        blank++;
    if (blank == body.len)
        return error_set(err, ERROR_INPUT, "EOF");
    *ret =
        json_loadb((const char *)body.at, body.len, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &why);
    if (*ret != NULL)
        return true;
    if (json_error_code(&why) == json_error_premature_end_of_input)
        return error_set(err, ERROR_INPUT, "unexpected EOF");
    return error_set(err, ERROR_INPUT, "%.120s at byte %d", why.text, why.position);
}

const json_t *toxi_body_get(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key), *value;
    const char *name;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (found == NULL && strcasecmp(name, key) == 0)
            found = value;
    }
    return json_is_null(found) ? NULL : found;
}

const char *toxi_body_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "bool";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bool mismatch(const json_t *value, const char *of, const char *key, const char *type,
                     struct error *err)
{
    char number[40] = "";
    if (json_is_real(value)) /* Go says which only where a kind of number was expected */
        snprintf(number, sizeof(number), " %.17g", json_real_value(value));
    if (strcmp(type, "string") == 0 || strcmp(type, "bool") == 0)
        number[0] = '\0';
    return error_set(err, ERROR_INPUT,
                     "json: cannot unmarshal %s%s into Go struct field %s.%s of type %s",
                     toxi_body_kind(value), number, of, key, type);
}

bool toxi_body_text(const json_t *object, const char *of, const char *key, const char **ret,
                    struct error *err)
{
    const json_t *value = toxi_body_get(object, key);
    if (value != NULL && !json_is_string(value))
        return mismatch(value, of, key, "string", err);
    if (value != NULL)
        *ret = json_string_value(value);
    return true;
}

bool toxi_body_bool(const json_t *object, const char *of, const char *key, bool *ret,
                    struct error *err)
{
    const json_t *value = toxi_body_get(object, key);
    if (value != NULL && !json_is_boolean(value))
        return mismatch(value, of, key, "bool", err);
    if (value != NULL)
        *ret = json_is_true(value);
    return true;
}

bool toxi_body_number(const json_t *object, const char *of, const char *key, double *ret,
                      struct error *err)
{
    const json_t *value = toxi_body_get(object, key);
    if (value != NULL && !json_is_number(value))
        return mismatch(value, of, key, "float32", err);
    if (value != NULL)
        *ret = json_number_value(value);
    return true;
}

bool toxi_body_integer(const json_t *object, const char *of, const char *key, json_int_t *ret,
                       struct error *err)
{
    const json_t *value = toxi_body_get(object, key);
    if (value != NULL && !json_is_integer(value))
        return mismatch(value, of, key, "int64", err);
    if (value != NULL)
        *ret = json_integer_value(value);
    return true;
}
