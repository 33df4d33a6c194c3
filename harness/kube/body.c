#include "kube/body.h"

const char *body_text(const json_t *map, const char *key)
{
    const char *found = json_string_value(json_object_get(map, key));
    return found != NULL ? found : "";
}

const json_t *body_meta(const json_t *object)
{
    return json_object_get(object, "metadata");
}

const char *body_meta_text(const json_t *object, const char *key)
{
    return body_text(body_meta(object), key);
}
