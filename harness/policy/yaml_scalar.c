#include "policy/yaml.h"

#include "base/units.h"

#include <ctype.h>
#include <stdlib.h>

const struct yaml_pair *yaml_find(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->pairs[i].key, key) == 0)
            return &map->pairs[i];
    }
    return NULL;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    const struct yaml_pair *pair = yaml_find(map, key);
    return pair == NULL || yaml_scalar_type(pair->value) == YAML_NULL ? NULL : pair->value;
}

const char *yaml_get_text(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *n = yaml_get(map, key);
    return n != NULL && n->kind == YAML_SCALAR && yaml_scalar_type(n) == YAML_TEXT ? n->text : NULL;
}

size_t yaml_count(const struct yaml_node *sequence)
{
    return sequence == NULL || sequence->kind != YAML_SEQUENCE ? 0 : sequence->count;
}

const struct yaml_node *yaml_item(const struct yaml_node *sequence, size_t index)
{
    return index < yaml_count(sequence) ? sequence->pairs[index].value : NULL;
}

static bool among(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

/* YAML 1.1 booleans, as go-yaml v2 under sigs.k8s.io/yaml reads them. */
static const char *const words_true[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                         "on",   "On",   "ON",   "y",   "Y"};
static const char *const words_false[] = {"false", "False", "FALSE", "no", "No", "NO",
                                          "off",   "Off",   "OFF",   "n",  "N"};
static const char *const words_null[] = {"", "~", "null", "Null", "NULL"};

static bool is_int(const char *text)
{
    const char *p = text + (*text == '-' || *text == '+');
    bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    if (hex)
        p += 2;
    if (!(hex ? isxdigit((unsigned char)*p) : isdigit((unsigned char)*p)))
        return false;
    for (; *p != '\0'; p++) {
        if (*p != '_' && !(hex ? isxdigit((unsigned char)*p) : isdigit((unsigned char)*p)))
            return false;
    }
    return true;
}

static bool is_float(const char *text)
{
    char *end = NULL;
    const char *p = text + (*text == '-' || *text == '+');
    if (strcmp(p, ".inf") == 0 || strcmp(p, ".nan") == 0)
        return true;
    if (!isdigit((unsigned char)p[0]) && !(p[0] == '.' && isdigit((unsigned char)p[1])))
        return false;
    strtod(p, &end);
    return end != p && *end == '\0';
}

enum yaml_type yaml_scalar_type(const struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR || !node->plain)
        return YAML_TEXT;
    if (among(node->text, words_null, COUNT_OF(words_null)))
        return YAML_NULL;
    if (among(node->text, words_true, COUNT_OF(words_true)) ||
        among(node->text, words_false, COUNT_OF(words_false)))
        return YAML_BOOL;
    if (is_int(node->text))
        return YAML_INT;
    return is_float(node->text) ? YAML_FLOAT : YAML_TEXT;
}

static bool wrong(const struct yaml_node *node, const char *wanted, struct error *err)
{
    const char *shown = node->kind == YAML_MAP ? "a map" : "a list";
    if (node->kind != YAML_SCALAR)
        return error_at(err, node->source, ERROR_INPUT, "is %s; it must be %s", shown, wanted);
    const char *quote = node->plain ? "" : "\"";
    return error_at(err, node->source, ERROR_INPUT, "is %s%.60s%s; it must be %s", quote,
                    node->plain && node->text[0] == '\0' ? "empty" : node->text, quote, wanted);
}

bool yaml_read_text(const struct yaml_node *node, const char **ret, struct error *err)
{
    if (node->kind != YAML_SCALAR || yaml_scalar_type(node) == YAML_NULL)
        return wrong(node, "text", err);
    if (yaml_scalar_type(node) != YAML_TEXT)
        return wrong(node, "text: put it in quotes", err);
    *ret = node->text;
    return true;
}

bool yaml_read_bool(const struct yaml_node *node, bool *ret, struct error *err)
{
    if (node->kind != YAML_SCALAR || yaml_scalar_type(node) != YAML_BOOL)
        return wrong(node, "true or false, without quotes", err);
    *ret = among(node->text, words_true, COUNT_OF(words_true));
    return true;
}

bool yaml_read_count(const struct yaml_node *node, uint64_t most, uint64_t *ret, struct error *err)
{
    char wanted[80];
    uint64_t number = 0;
    snprintf(wanted, sizeof(wanted), "a whole number of 0 to %llu, without quotes",
             (unsigned long long)most);
    if (node->kind != YAML_SCALAR || yaml_scalar_type(node) != YAML_INT ||
        !bytes_to_u64(bytes_of(node->text), &number) || number > most)
        return wrong(node, wanted, err);
    *ret = number;
    return true;
}

/* Puts the mark on units' sentence. */
static bool duration(const struct yaml_node *node, const char *wanted,
                     bool (*parse)(const char *, uint64_t *, struct error *), uint64_t *ret_ns,
                     struct error *err)
{
    struct error own = {0};
    if (node->kind != YAML_SCALAR || yaml_scalar_type(node) != YAML_TEXT)
        return wrong(node, wanted, err);
    if (!parse(node->text, ret_ns, &own))
        return error_at(err, node->source, ERROR_INPUT, "%s", own.text);
    if (*ret_ns > INT64_MAX)
        return wrong(node, "a duration below 292 years", err);
    return true;
}

bool yaml_read_go_duration(const struct yaml_node *node, uint64_t *ret_ns, struct error *err)
{
    return duration(node, "a duration with its unit, such as 1.5s", units_parse_go_duration, ret_ns,
                    err);
}

bool yaml_read_gep_duration(const struct yaml_node *node, uint64_t *ret_ns, struct error *err)
{
    return duration(node, "a duration with its unit, such as 500ms (GEP-2257)",
                    units_parse_gep_duration, ret_ns, err);
}
