#include "cli/against.h"

#include "cli/run_find.h"

struct named {
    struct source source;
    char name[300];
};

static void add_names(const struct step *steps, size_t count, struct named *to, size_t *ret_count)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        char name[300];
        add_names(s->steps, s->step_count, to, ret_count);
        if (s->kind != STEP_EXPECT || strcmp(s->word, "tail") != 0 ||
            !baseline_name(json_string_value(json_object_get(s->keys, "against")), name,
                           sizeof(name)))
            continue;
        bool known = *ret_count == AGAINST_MOST;
        for (size_t k = 0; k < *ret_count; k++)
            known = known || strcmp(to[k].name, name) == 0;
        if (known)
            continue;
        to[*ret_count].source = s->source;
        snprintf(to[(*ret_count)++].name, sizeof(to->name), "%s", name);
    }
}

static size_t names_of(const struct plan *plan, struct named to[AGAINST_MOST])
{
    size_t count = 0;
    for (size_t i = 0; plan != NULL && i < plan->scenario_count; i++) {
        const struct scenario *s = &plan->scenarios[i];
        add_names(s->steps, s->step_count, to, &count);
        for (size_t k = 0; k < s->phase_count; k++)
            add_names(s->phases[k].steps, s->phases[k].step_count, to, &count);
    }
    return count;
}

static bool open_one(const char *name, struct journal **ret, struct error *err)
{
    char path[600];
    return run_find(name, path, sizeof(path), err) && journal_open(path, ret, err);
}

bool against_open(struct against *a, const struct plan *plan, const char *given, struct error *err)
{
    struct named names[AGAINST_MOST];
    size_t count = names_of(plan, names);
    a->count = 0;
    if (given != NULL && count == 0)
        return error_set(err, ERROR_USAGE,
                         "--against: no expectation of this run is against a run: "
                         "expect.tail { against = 'run \"NAME\"' }");
    if (given != NULL) {
        a->journals[0] = NULL;
        if (!open_one(given, &a->journals[0], err))
            return false;
        a->rows[0] = (struct baseline){.journal = a->journals[0]};
        a->count = 1;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        struct error wrong = {0};
        a->journals[i] = NULL;
        snprintf(a->names[i], sizeof(a->names[i]), "%s", names[i].name);
        a->why[i][0] = '\0';
        if (!open_one(names[i].name, &a->journals[i], &wrong))
            error_format(&wrong, a->why[i], sizeof(a->why[i]));
        a->rows[i] = (struct baseline){a->names[i], a->journals[i],
                                       a->journals[i] == NULL ? a->why[i] : NULL};
        a->count++;
    }
    return true;
}

void against_release(struct against *a)
{
    for (size_t i = 0; i < a->count; i++)
        journal_free(a->journals[i]);
    a->count = 0;
}

void against_say(const struct plan *plan)
{
    struct named names[AGAINST_MOST];
    size_t count = names_of(plan, names);
    for (size_t i = 0; i < count; i++) {
        char path[600], line[600];
        struct error err = {0};
        if (run_find(names[i].name, path, sizeof(path), &err))
            continue;
        error_prefix(&err, "expect.tail will be inconclusive: ");
        err.source = names[i].source;
        error_format(&err, line, sizeof(line));
        fprintf(stderr, "meshproof: %s\n", line);
    }
}
