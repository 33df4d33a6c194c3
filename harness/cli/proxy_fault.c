#include "cli/proxy_fault.h"

#include "base/bytes.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>

const char proxy_fault_grammar[] =
    "Faults:\n"
    "  A word and its keys, spaces between: 'abort status=503 share=30% match.path=/api/v1'.\n"
    "  A value ends at a space; commas make a list (match.method=GET,POST); \"...\" keeps both, "
    "and\n"
    "  is always a text. headers.NAME=, match.header.NAME= and match.query.NAME= fill tables.\n"
    "  `meshproof faults` lists the words, `meshproof faults abort` the keys of one.\n";

/* ${at} is where we are in ${text}. */
struct cursor {
    const char *text, *at;
};

static bool fail(const struct cursor *c, struct error *err, const char *wanted)
{
    int len = (int)strcspn(c->at, " ");
    if (*c->at == '\0')
        return error_set(err, ERROR_USAGE, "column %zu: %s, found the end",
                         (size_t)(c->at - c->text) + 1, wanted);
    return error_set(err, ERROR_USAGE, "column %zu: %s, found \"%.*s\"",
                     (size_t)(c->at - c->text) + 1, wanted, len < 40 ? len : 40, c->at);
}

static size_t name_len(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || (n > 0 && strchr("_-.", at[n]) != NULL && at[n] != 0))
        n++;
    return n;
}

static bool quoted(struct cursor *c, json_t **ret, struct error *err)
{
    struct text value;
    const char *from = c->at++;
    text_init(&value, PROXY_FAULT_MOST_BYTES);
    while (*c->at != '\0' && *c->at != '"') {
        if (*c->at == '\\' && (c->at[1] == '"' || c->at[1] == '\\'))
            c->at++;
        text_add(&value, "%c", *c->at++);
    }
    bool ok = *c->at == '"';
    *ret = ok ? json_string(text_get(&value)) : NULL;
    text_release(&value);
    if (!ok) {
        c->at = from;
        return fail(c, err, "expected a closing \"");
    }
    c->at++;
    if (*c->at != '\0' && *c->at != ' ')
        return fail(c, err, "expected a space after \"");
    return *ret != NULL || error_set(err, ERROR_USAGE, "column %zu: the text is not UTF-8",
                                     (size_t)(from - c->text) + 1);
}

static json_t *bare_one(const char *at, size_t len, bool is_text)
{
    uint64_t number;
    if (!is_text && bytes_to_u64((struct bytes){(const uint8_t *)at, len}, &number) &&
        number <= INT64_MAX)
        return json_integer((json_int_t)number);
    return json_stringn(at, len);
}

static bool bare(struct cursor *c, bool is_text, json_t **ret, struct error *err)
{
    const struct cursor from = *c;
    size_t len = strcspn(c->at, " ");
    const char *end = c->at + len;
    if (len == 0)
        return fail(c, err, "expected a value");
    if (memchr(c->at, ',', len) == NULL) {
        *ret = bare_one(c->at, len, is_text);
    } else {
        *ret = json_array();
        for (;;) {
            size_t part = strcspn(c->at, ", ");
            if (part == 0)
                return fail(c, err, "expected a value");
            if (json_array_append_new(*ret, bare_one(c->at, part, is_text)) != 0)
                break;
            c->at += part;
            if (c->at == end)
                return true;
            c->at++;
        }
        json_decref(*ret);
        *ret = NULL;
    }
    c->at = end;
    return *ret != NULL || fail(&from, err, "expected UTF-8");
}

/* Puts the value where its key says: "match.header.x-tier" is in two tables. */
static bool place(const struct cursor *c, json_t *fault, const char *key, json_t *take_value,
                  struct error *err)
{
    char name[24];
    json_t *into = fault;
    const char *dot;
    for (int depth = 0; depth < 2 && (dot = strchr(key, '.')) != NULL; depth++) {
        bool deeper = depth == 0 || strcmp(name, "match") == 0;
        if (!deeper)
            break;
        snprintf(name, sizeof(name), "%.*s", (int)(dot - key), key);
        json_t *table = json_object_get(into, name);
        if (table == NULL) {
            table = json_object();
            json_object_set_new(into, name, table);
        }
        if (!json_is_object(table)) {
            json_decref(take_value);
            return error_set(err, ERROR_USAGE, "column %zu: %s is a value already",
                             (size_t)(c->at - c->text) + 1, name);
        }
        into = table;
        key = dot + 1;
    }
    if (*key == '\0' || json_object_get(into, key) != NULL) {
        json_decref(take_value);
        return error_set(err, ERROR_USAGE, "column %zu: %s %s", (size_t)(c->at - c->text) + 1,
                         *key == '\0' ? "the key" : key,
                         *key == '\0' ? "ends with a dot" : "is given twice");
    }
    json_object_set_new(into, key, take_value);
    return true;
}

static bool is_map_key(const char *key)
{
    return strncmp(key, "match.header.", 13) == 0 || strncmp(key, "match.query.", 12) == 0 ||
           (strchr(key, '.') != NULL && strncmp(key, "match.", 6) != 0);
}

static bool pair(struct cursor *c, json_t *fault, struct error *err)
{
    const struct cursor from = *c;
    char key[128];
    json_t *value = NULL;
    size_t len = name_len(c->at);
    if (len == 0 || len >= sizeof(key) || c->at[len] != '=')
        return fail(c, err, "expected key=value");
    snprintf(key, sizeof(key), "%.*s", (int)len, c->at);
    c->at += len + 1;
    bool ok = *c->at == '"' ? quoted(c, &value, err) : bare(c, is_map_key(key), &value, err);
    if (!ok) {
        json_decref(value);
        return false;
    }
    return place(&from, fault, key, value, err);
}

bool proxy_fault_parse(const char *text, json_t **ret, struct error *err)
{
    struct cursor c = {.text = text, .at = text + strspn(text, " ")};
    if (strlen(text) > PROXY_FAULT_MOST_BYTES)
        return error_set(err, ERROR_LIMIT, "is longer than the %d bytes allowed",
                         PROXY_FAULT_MOST_BYTES);
    size_t len = strcspn(c.at, " =");
    if (len == 0 || c.at[len] == '=')
        return fail(&c, err, "expected the word of a fault, such as abort");
    json_t *fault = json_object();
    json_t *word = json_stringn(c.at, len);
    bool ok = word != NULL || fail(&c, err, "expected the word of a fault, such as abort");
    json_object_set_new(fault, "word", word);
    for (c.at += len; ok;) {
        c.at += strspn(c.at, " ");
        if (*c.at == '\0')
            break;
        ok = pair(&c, fault, err);
    }
    if (ok)
        *ret = fault;
    else
        json_decref(fault);
    return ok;
}
