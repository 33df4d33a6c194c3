#include "kube/manifest.h"

#include "kube/gvr.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* Whether a text needs no quotes: what a YAML 1.1 reader could take for something else has them. */
static bool plain(const char *text)
{
    static const char *const words[] = {"y",   "n",    "yes",   "no",   "on",
                                        "off", "true", "false", "null", "~"};
    size_t length = strlen(text);
    if (length == 0 || length > 200 || text[length - 1] == ' ' || text[length - 1] == ':')
        return false;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    /* An option. */
    if (strncmp(text, "--", 2) == 0 && isalpha((unsigned char)text[2]))
        return plain(text + 2);
    /* A number, a date, 1e5, 0x1f, .5, 1_000, "=", "<<". */
    if (strchr("0123456789+-.=<", text[0]) != NULL)
        return false;
    if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:$()") !=
        length)
        return false;
    return strstr(text, ": ") == NULL && strchr(":$(", text[0]) == NULL;
}

static void print_text(const char *value, struct text *to)
{
    if (plain(value)) {
        text_add(to, "%s", value);
        return;
    }
    json_t *one = json_string(value);
    /* A JSON text is a YAML text (YAML 1.2, 7.3.1). */
    char *quoted = json_dumps(one, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    text_add(to, "%s", quoted);
    free(quoted);
    json_decref(one);
}

static void print_scalar(const json_t *value, struct text *to)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        print_text(json_string_value(value), to);
        return;
    case JSON_INTEGER:
    case JSON_REAL: {
        char *number = json_dumps(value, JSON_ENCODE_ANY);
        text_add(to, "%s", number);
        free(number);
        return;
    }
    case JSON_TRUE:
        text_add(to, "true");
        return;
    case JSON_FALSE:
        text_add(to, "false");
        return;
    case JSON_NULL:
        text_add(to, "null");
        return;
    case JSON_OBJECT:
        text_add(to, "{}");
        return;
    case JSON_ARRAY:
        text_add(to, "[]");
        return;
    }
    UNREACHABLE();
}

static bool nested(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

static void print_node(const json_t *value, unsigned indent, bool first_in_line, struct text *to);

static void print_pair(const char *key, const json_t *value, unsigned indent, struct text *to)
{
    print_text(key, to);
    text_add(to, ":");
    if (!nested(value)) {
        text_add(to, " ");
        print_scalar(value, to);
        text_add(to, "\n");
        return;
    }
    text_add(to, "\n");
    /* Items of a list stand below their key, as kubectl prints them. */
    print_node(value, json_is_array(value) ? indent : indent + 2, false, to);
}

/* ${first_in_line}: after a "- ", where the indent is written already. */
static void print_node(const json_t *value, unsigned indent, bool first_in_line, struct text *to)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            if (!first_in_line)
                text_add(to, "%*s", (int)indent, "");
            first_in_line = false;
            print_pair(key, item, indent, to);
        }
        return;
    }
    json_array_foreach(value, i, item)
    {
        if (!first_in_line)
            text_add(to, "%*s", (int)indent, "");
        first_in_line = false;
        text_add(to, "- ");
        if (nested(item)) {
            print_node(item, indent + 2, true, to);
        } else {
            print_scalar(item, to);
            text_add(to, "\n");
        }
    }
}

void manifest_print(const json_t *object, struct text *to)
{
    json_t *copy = json_deep_copy(object);
    json_object_del(json_object_get(copy, "metadata"), "ownerReferences");
    print_node(copy, 0, false, to);
    json_decref(copy);
}

/* The resources of ${objects}, each once, as kubectl takes them: "configmaps,pods". */
static void print_resources(const json_t *objects, struct text *to)
{
    const json_t *object;
    size_t i;
    bool seen[GVR_COUNT] = {0}, any = false;
    json_array_foreach(objects, i, object)
    {
        const char *version = json_string_value(json_object_get(object, "apiVersion"));
        const char *kind = json_string_value(json_object_get(object, "kind"));
        const struct gvr *g = version != NULL && kind != NULL ? gvr_of(version, kind) : NULL;
        if (g == NULL || seen[g->id])
            continue;
        seen[g->id] = true;
        text_add(to, "%s%s%s%s", any ? "," : "", g->resource, *g->group == '\0' ? "" : ".",
                 g->group);
        any = true;
    }
}

void manifest_print_all(const json_t *objects, const char *run, struct text *to)
{
    const json_t *object, *first = json_array_get(objects, 0);
    const json_t *meta = json_object_get(first, "metadata");
    const char *namespace = json_string_value(json_object_get(meta, "namespace"));
    size_t i;
    text_add(to, "# remove: kubectl delete ");
    print_resources(objects, to);
    text_add(to, " -n %s -l meshproof.io/run=%s\n", namespace != NULL ? namespace : "default", run);
    json_array_foreach(objects, i, object)
    {
        text_add(to, "---\n");
        manifest_print(object, to);
    }
}

void manifest_hash(const json_t *objects, char to[65])
{
    uint8_t digest[32];
    unsigned len = 0;
    char *text = json_dumps(objects, JSON_COMPACT | JSON_SORT_KEYS);
    INVARIANT(text != NULL);
    INVARIANT(EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL) == 1 &&
              len == sizeof(digest));
    free(text);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(to + 2 * i, 3, "%02x", digest[i]);
}
