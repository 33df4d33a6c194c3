#include "policy/lint_exception.h"

#include "policy/yaml.h"

#include "base/text.h"

#include <stdlib.h>

static const char *const keys[] = {"rule",  "claim", "on",     "scenario",
                                   "until", "owner", "reason", "ticket"};

static unsigned days_of(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool lint_date_parse(const char *text, uint32_t *ret)
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

static bool check_keys(const struct yaml_node *entry, struct error *err)
{
    for (size_t i = 0; i < entry->count; i++) {
        size_t k = 0;
        while (k < COUNT_OF(keys) && strcmp(keys[k], entry->pairs[i].key) != 0)
            k++;
        if (k == COUNT_OF(keys))
            return error_at(err, entry->pairs[i].source, ERROR_INPUT,
                            "an exception has no key \"%.40s\"; it has rule, on, until, owner, "
                            "reason and ticket",
                            entry->pairs[i].key);
    }
    return true;
}

static bool check_rule(const struct yaml_node *entry, const char *rule, struct error *err)
{
    const char *ids[LINT_COUNT];
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    for (size_t i = 0; i < count; i++) {
        ids[i] = rules[i].id;
        if (strcmp(rules[i].id, rule) == 0)
            return true;
    }
    const char *near = text_nearest(rule, ids, count);
    return error_at(err, yaml_get(entry, "rule")->source, ERROR_INPUT, "rule is \"%.60s\"; %s%s",
                    rule, near == NULL ? "meshproof lint --rules lists them" : "did you mean ",
                    near == NULL ? "" : near);
}

static bool read_entry(const struct yaml_node *entry, struct arena *arena,
                       struct lint_exception *ret, struct error *err)
{
    static const char *const needed[] = {"on", "until", "owner", "reason", "ticket"};
    const char *values[COUNT_OF(needed)] = {0}, *rule = text_of(entry, "rule");
    if (rule == NULL)
        return error_at(err, entry->source, ERROR_INPUT, "an exception needs rule or claim");
    if (!check_rule(entry, rule, err))
        return false;
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        values[i] = text_of(entry, needed[i]);
        if (values[i] == NULL)
            return error_at(err, entry->source, ERROR_INPUT, "the exception for %.60s needs %s",
                            rule, needed[i]);
    }
    ret->source = entry->source;
    ret->source.file = arena_strdup(arena, entry->source.file == NULL ? "" : entry->source.file);
    ret->rule = arena_strdup(arena, rule);
    ret->on = arena_strdup(arena, values[0]);
    ret->owner = arena_strdup(arena, values[2]);
    ret->reason = arena_strdup(arena, values[3]);
    ret->ticket = arena_strdup(arena, values[4]);
    return lint_date_parse(values[1], &ret->until) ||
           error_at(err, yaml_get(entry, "until")->source, ERROR_INPUT,
                    "until is \"%.40s\"; it must be a day such as 2026-12-31", values[1]);
}

static bool read_list(const struct yaml_node *list, struct arena *arena,
                      struct lint_exceptions *ret, struct error *err)
{
    if (list->kind != YAML_SEQUENCE)
        return error_at(err, list->source, ERROR_INPUT, "exceptions must be a list");
    ret->rows = ARENA_ARRAY(arena, struct lint_exception, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *entry = yaml_item(list, i);
        if (entry->kind != YAML_MAP)
            return error_at(err, entry->source, ERROR_INPUT, "an exception must be a map");
        if (!check_keys(entry, err))
            return false;
        if (yaml_find(entry, "claim") != NULL && yaml_find(entry, "rule") == NULL)
            continue;
        if (!read_entry(entry, arena, &ret->rows[ret->count], err))
            return false;
        ret->count++;
    }
    return true;
}

bool lint_exceptions_read(struct bytes yaml, const char *name, struct arena *arena,
                          struct lint_exceptions *ret, struct error *err)
{
    const struct yaml_node **documents = NULL;
    size_t count = 0, nodes = YAML_MAX_NODES;
    *ret = (struct lint_exceptions){0};
    if (!yaml_parse(yaml, arena_strdup(arena, name), &nodes, arena, &documents, &count, err))
        return false;
    if (count > 1)
        return error_at(err, documents[1]->source, ERROR_INPUT,
                        "exceptions must be one document, not %zu", count);
    return count == 0 || read_list(documents[0], arena, ret, err);
}

/* The whole path, or what follows one of its slashes. */
static bool is_on(const char *file, const char *glob)
{
    for (const char *at = file;;) {
        const char *slash = strchr(at, '/');
        if (text_glob(bytes_of(at), bytes_of(glob)))
            return true;
        if (slash == NULL)
            return false;
        at = slash + 1;
    }
}

static void add(struct lint_results *to, enum lint_rule_id id, const struct lint_exception *e,
                struct arena *arena, char *text)
{
    size_t count = 0;
    yaml_clean_text(text); /* it may have been cut within a character */
    const struct lint_rule *rule = &lint_rules(&count)[id];
    to->rows[to->count++] = (struct lint_result){.finding = {.rule = rule->id,
                                                             .severity = rule->severity,
                                                             .source = e->source,
                                                             .text = arena_strdup(arena, text),
                                                             .fix = rule->fix}};
}

static void say_of(const struct lint_exception *e, size_t hits, bool expired, struct arena *arena,
                   struct lint_results *to)
{
    char text[400];
    unsigned year = e->until / 10000, month = e->until / 100 % 100, day = e->until % 100;
    if (hits == 0) {
        snprintf(text, sizeof(text),
                 "the exception for %.60s on %.100s accepts nothing (owner %.60s)", e->rule, e->on,
                 e->owner);
        add(to, LINT_EXCEPTION_UNUSED, e, arena, text);
    } else if (expired) {
        snprintf(text, sizeof(text),
                 "the exception for %.60s on %.100s ended on %04u-%02u-%02u (owner %.60s, %.40s): "
                 "%zu finding%s count%s again",
                 e->rule, e->on, year, month, day, e->owner, e->ticket, hits, hits == 1 ? "" : "s",
                 hits == 1 ? "s" : "");
        add(to, LINT_EXCEPTION_EXPIRED, e, arena, text);
    }
}

static int compare(const void *a, const void *b)
{
    const struct finding *x = &((const struct lint_result *)a)->finding,
                         *y = &((const struct lint_result *)b)->finding;
    int order = strcmp(x->source.file == NULL ? "" : x->source.file,
                       y->source.file == NULL ? "" : y->source.file);
    if (order != 0)
        return order;
    if (x->source.line != y->source.line)
        return x->source.line < y->source.line ? -1 : 1;
    if (x->source.column != y->source.column)
        return x->source.column < y->source.column ? -1 : 1;
    order = strcmp(x->rule, y->rule);
    return order != 0 ? order : strcmp(x->text, y->text);
}

void lint_exceptions_apply(const struct lint_exceptions *exceptions, uint32_t today,
                           const struct finding *findings, size_t count, struct arena *arena,
                           struct lint_results *ret)
{
    size_t *hits = ARENA_ARRAY(arena, size_t, exceptions->count + 1);
    *ret = (struct lint_results){
        .rows = ARENA_ARRAY(arena, struct lint_result, count + exceptions->count + 1)};
    for (size_t i = 0; i < count; i++) {
        struct lint_result *row = &ret->rows[ret->count++];
        const struct finding *f = &findings[i];
        row->finding = *f;
        for (size_t k = 0; k < exceptions->count; k++) {
            const struct lint_exception *e = &exceptions->rows[k];
            if (strcmp(e->rule, f->rule) != 0 || f->source.file == NULL ||
                !is_on(f->source.file, e->on))
                continue;
            hits[k]++;
            if (today <= e->until && row->accepted == NULL)
                row->accepted = e;
        }
    }
    for (size_t k = 0; k < exceptions->count; k++)
        say_of(&exceptions->rows[k], hits[k], today > exceptions->rows[k].until, arena, ret);
    if (ret->count > 0)
        qsort(ret->rows, ret->count, sizeof(*ret->rows), compare);
}
