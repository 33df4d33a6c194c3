#include "policy/exception_entry.h"

#include "policy/yaml.h"

#include <time.h>

static const char *const kinds[] = {[EXCEPTION_RULE] = "rule", [EXCEPTION_CLAIM] = "claim"};
/* One file is for both: a rule's entry may have what a claim's has. */
static const char *const keys[] = {"claim", "on",     "scenario", "until",
                                   "owner", "reason", "ticket",   "rule"};
#define CLAIM_KEYS 7 /* of them, the first */

static unsigned days_of(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

uint32_t exception_date_of(uint64_t wall_s)
{
    struct tm tm;
    time_t at = (time_t)wall_s;
    if (gmtime_r(&at, &tm) == NULL)
        return 0;
    return (uint32_t)(tm.tm_year + 1900) * 10000 + (uint32_t)(tm.tm_mon + 1) * 100 +
           (uint32_t)tm.tm_mday;
}

bool exception_date_parse(const char *text, uint32_t *ret)
{
    uint64_t year = 0, month = 0, day = 0;
    const uint8_t *at = (const uint8_t *)text;
    if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' ||
        !bytes_to_u64((struct bytes){at, 4}, &year) ||
        !bytes_to_u64((struct bytes){at + 5, 2}, &month) ||
        !bytes_to_u64((struct bytes){at + 8, 2}, &day) || month < 1 || month > 12 || day < 1 ||
        day > days_of((unsigned)year, (unsigned)month))
        return false;
    *ret = (uint32_t)(year * 10000 + month * 100 + day);
    return true;
}

static const char *text_of(const struct yaml_node *entry, const char *key)
{
    const struct yaml_node *n = yaml_get(entry, key);
    return n != NULL && n->kind == YAML_SCALAR && n->text[0] != '\0' ? n->text : NULL;
}

static bool check_keys(const struct yaml_node *entry, enum exception_kind kind, struct error *err)
{
    size_t count = kind == EXCEPTION_CLAIM ? CLAIM_KEYS : COUNT_OF(keys);
    for (size_t i = 0; i < entry->count; i++) {
        size_t k = 0;
        while (k < count && strcmp(keys[k], entry->pairs[i].key) != 0)
            k++;
        if (k == count)
            return error_at(err, entry->pairs[i].source, ERROR_INPUT,
                            "an exception%s has no key \"%.40s\"; it has %s, on,%s until, owner, "
                            "reason and ticket",
                            kind == EXCEPTION_CLAIM ? " for a claim" : "", entry->pairs[i].key,
                            kinds[kind], kind == EXCEPTION_CLAIM ? " scenario," : "");
    }
    return true;
}

static bool read_entry(const struct yaml_node *entry, enum exception_kind kind,
                       exception_knows *knows, struct arena *arena, struct exception_entry *ret,
                       struct error *err)
{
    static const char *const needed[] = {"on", "until", "owner", "reason", "ticket"};
    const char *values[COUNT_OF(needed)] = {0}, *name = text_of(entry, kinds[kind]);
    const char *scenario = text_of(entry, "scenario");
    if (name == NULL)
        return error_at(err, entry->source, ERROR_INPUT, "an exception needs rule or claim");
    if (!check_keys(entry, kind, err) || !knows(name, yaml_get(entry, kinds[kind])->source, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        values[i] = text_of(entry, needed[i]);
        if (values[i] == NULL)
            return error_at(err, entry->source, ERROR_INPUT, "the exception for %.60s needs %s",
                            name, needed[i]);
    }
    *ret = (struct exception_entry){
        .name = arena_strdup(arena, name),
        .on = arena_strdup(arena, values[0]),
        .scenario = scenario == NULL ? NULL : arena_strdup(arena, scenario),
        .owner = arena_strdup(arena, values[2]),
        .reason = arena_strdup(arena, values[3]),
        .ticket = arena_strdup(arena, values[4]),
        .source = entry->source,
    };
    return exception_date_parse(values[1], &ret->until) ||
           error_at(err, yaml_get(entry, "until")->source, ERROR_INPUT,
                    "until is \"%.40s\"; it must be a day such as 2026-12-31", values[1]);
}

/* An entry that has neither is for whoever reads first: it is wrong. */
static bool is_others(const struct yaml_node *entry, enum exception_kind kind)
{
    bool rule = yaml_find(entry, "rule") != NULL, claim = yaml_find(entry, "claim") != NULL;
    return kind == EXCEPTION_RULE ? claim && !rule : rule;
}

static bool read_list(const struct yaml_node *list, enum exception_kind kind,
                      exception_knows *knows, struct arena *arena, struct exception_entry **ret,
                      size_t *ret_count, struct error *err)
{
    if (list->kind != YAML_SEQUENCE)
        return error_at(err, list->source, ERROR_INPUT, "exceptions must be a list");
    *ret = ARENA_ARRAY(arena, struct exception_entry, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *entry = yaml_item(list, i);
        if (entry->kind != YAML_MAP)
            return error_at(err, entry->source, ERROR_INPUT, "an exception must be a map");
        if (is_others(entry, kind))
            continue;
        if (!read_entry(entry, kind, knows, arena, &(*ret)[*ret_count], err))
            return false;
        ++*ret_count;
    }
    return true;
}

bool exception_entries_read(struct bytes yaml, const char *name, enum exception_kind kind,
                            exception_knows *knows, struct arena *arena,
                            struct exception_entry **ret, size_t *ret_count, struct error *err)
{
    const struct yaml_node **documents = NULL;
    size_t count = 0, nodes = YAML_MAX_NODES;
    *ret = NULL;
    *ret_count = 0;
    if (!yaml_parse(yaml, arena_strdup(arena, name), &nodes, arena, &documents, &count, err))
        return false;
    if (count > 1)
        return error_at(err, documents[1]->source, ERROR_INPUT,
                        "exceptions must be one document, not %zu", count);
    return count == 0 || read_list(documents[0], kind, knows, arena, ret, ret_count, err);
}
