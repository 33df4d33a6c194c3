#include "policy/lint_exception.h"

#include "policy/yaml.h"

#include "base/text.h"

#include <stdlib.h>

static bool knows_rule(const char *name, struct source source, struct error *err)
{
    const char *ids[LINT_COUNT];
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    for (size_t i = 0; i < count; i++) {
        ids[i] = rules[i].id;
        if (strcmp(rules[i].id, name) == 0)
            return true;
    }
    const char *near = text_nearest(name, ids, count);
    return error_at(err, source, ERROR_INPUT, "rule is \"%.60s\"; %s%s", name,
                    near == NULL ? "meshproof lint --rules lists them" : "did you mean ",
                    near == NULL ? "" : near);
}

bool lint_exceptions_read(struct bytes yaml, const char *name, struct arena *arena,
                          struct lint_exceptions *ret, struct error *err)
{
    return exception_entries_read(yaml, name, EXCEPTION_RULE, knows_rule, arena, &ret->rows,
                                  &ret->count, err);
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

static void add(struct lint_results *to, enum lint_rule_id id, const struct exception_entry *e,
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

static void say_of(const struct exception_entry *e, size_t hits, bool expired, struct arena *arena,
                   struct lint_results *to)
{
    char text[400];
    unsigned year = e->until / 10000, month = e->until / 100 % 100, day = e->until % 100;
    if (hits == 0) {
        snprintf(text, sizeof(text),
                 "the exception for %.60s on %.100s accepts nothing (owner %.60s)", e->name, e->on,
                 e->owner);
        add(to, LINT_EXCEPTION_UNUSED, e, arena, text);
    } else if (expired) {
        snprintf(text, sizeof(text),
                 "the exception for %.60s on %.100s ended on %04u-%02u-%02u (owner %.60s, %.40s): "
                 "%zu finding%s count%s again",
                 e->name, e->on, year, month, day, e->owner, e->ticket, hits, hits == 1 ? "" : "s",
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
            const struct exception_entry *e = &exceptions->rows[k];
            if (strcmp(e->name, f->rule) != 0 || f->source.file == NULL ||
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
