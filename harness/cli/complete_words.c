#include "cli/complete_words.h"

#include "cli/command.h"
#include "cli/run_find.h"
#include "lua/suite.h"
#include "mesh/mesh.h"
#include "plan/words.h"
#include "verify/claim.h"

#include <dirent.h>
#include <string.h>

#define RUNS_MOST 200

struct completion {
    const char *const *words;
    size_t count;
    const char *written; /* the last word */
    const struct command *command;
    struct text *to;
};

static void offer(const struct completion *c, const char *word)
{
    if (strncmp(word, c->written, strlen(c->written)) != 0)
        return;
    /* A name with a line end in it, or hostile to the shell's terminal, is not offered. */
    for (const char *at = word; *at != '\0'; at++)
        if ((unsigned char)*at < 32 || *at == 127)
            return;
    text_add(c->to, "%s\n", word);
}

static void offer_commands(const struct completion *c)
{
    size_t count;
    const struct command *const *all = commands(&count);
    for (size_t i = 0; i < count; i++)
        if (!all[i]->internal)
            offer(c, all[i]->name);
    offer(c, "--help");
    offer(c, "--version");
}

static const struct option *option_at(const struct completion *c, size_t i)
{
    return i < c->command->option_count ? &c->command->options[i]
                                        : &common_options[i - c->command->option_count];
}

static size_t option_count(const struct completion *c)
{
    return c->command->option_count + common_option_count;
}

static void offer_options(const struct completion *c)
{
    char name[80];
    for (size_t i = 0; i < option_count(c); i++) {
        snprintf(name, sizeof(name), "--%s", option_at(c, i)->name);
        offer(c, name);
    }
}

/* The option that ${word} is, when its value stands in the next word. */
static const struct option *awaits_value(const struct completion *c, const char *word)
{
    for (size_t i = 0; i < option_count(c); i++) {
        const struct option *row = option_at(c, i);
        bool is = (strncmp(word, "--", 2) == 0 && strcmp(word + 2, row->name) == 0) ||
                  (row->letter != 0 && word[0] == '-' && word[1] == row->letter && word[2] == '\0');
        if (is)
            return row->argument != NULL && row->argument[0] != '[' ? row : NULL;
    }
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static void offer_params(const struct completion *c, const json_t *params)
{
    size_t i;
    json_t *row;
    char word[200];
    json_array_foreach(params, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        snprintf(word, sizeof(word), "%s=", name == NULL ? "" : name);
        if (name != NULL)
            offer(c, word);
    }
}

static void offer_scenario(const struct completion *c, const struct scenario *s, const char *option)
{
    char word[300];
    if (strcmp(option, "scenario") == 0)
        offer(c, s->name);
    if (strcmp(option, "tag") == 0 || strcmp(option, "skip-tag") == 0)
        for (size_t i = 0; i < s->tag_count; i++)
            offer(c, s->tags[i]);
    if (strcmp(option, "only-phase") == 0)
        for (size_t i = 0; i < s->phase_count; i++)
            offer(c, s->phases[i].name);
    for (size_t i = 0; strcmp(option, "on") == 0 && i < s->lab.service_count; i++) {
        const struct service_plan *from = &s->lab.services[i];
        snprintf(word, sizeof(word), "client -> %s", from->name);
        offer(c, word);
        for (size_t k = 0; k < from->call_count; k++) {
            snprintf(word, sizeof(word), "%s -> %s", from->name, from->calls[k].to);
            offer(c, word);
        }
    }
}

/* From each suite on the line. */
static void offer_of_suites(const struct completion *c, const char *option)
{
    for (size_t i = 1; i + 1 < c->count; i++) {
        struct plan *plan = NULL;
        struct error errors[ERRORS_MOST];
        size_t error_count = 0;
        json_t *params = NULL;
        if (!ends_with(c->words[i], ".lua"))
            continue;
        if (suite_params(c->words[i], NULL, &params, &plan, errors, &error_count)) {
            if (strcmp(option, "set") == 0)
                offer_params(c, params);
            for (size_t k = 0; k < plan->scenario_count; k++)
                offer_scenario(c, &plan->scenarios[k], option);
        }
        json_decref(params);
        plan_free(plan);
    }
}

static void offer_runs(const struct completion *c)
{
    DIR *dir = opendir(RUNS_FOLDER);
    struct dirent *entry;
    size_t count = 0;
    offer(c, "last");
    while (dir != NULL && (entry = readdir(dir)) != NULL && count < RUNS_MOST) {
        char id[9];
        if (strlen(entry->d_name) != 11 || !ends_with(entry->d_name, ".db"))
            continue;
        snprintf(id, sizeof(id), "%.8s", entry->d_name);
        offer(c, id);
        count++;
    }
    if (dir != NULL)
        closedir(dir);
}

static void offer_claims(const struct completion *c)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; i < count; i++)
        offer(c, types[i]->id);
}

static void offer_defects(const struct completion *c)
{
    size_t count;
    const struct defect *all = defects(&count);
    for (size_t i = 0; i < count; i++)
        offer(c, all[i].name);
}

static void offer_faults(const struct completion *c)
{
    size_t count;
    const char *const *names = word_names("fault", &count);
    for (size_t i = 0; i < count; i++)
        offer(c, names[i]);
}

static void offer_value(const struct completion *c, const struct option *row)
{
    for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++)
        offer(c, row->words[i]);
    if (strcmp(row->name, "claim") == 0 || strcmp(row->name, "first-fail") == 0)
        offer_claims(c);
    else if (strcmp(row->name, "defect") == 0)
        offer_defects(c);
    else if (strcmp(row->argument, "RUN") == 0)
        offer_runs(c);
    else
        offer_of_suites(c, row->name);
    if (strstr(row->argument, "FILE") != NULL || strstr(row->argument, "PATH") != NULL ||
        strstr(row->argument, "DIR") != NULL)
        text_add(c->to, ":files\n");
}

static void offer_position(const struct completion *c)
{
    const char *shape = c->command->positions;
    if (strcmp(c->command->name, "claims") == 0)
        offer_claims(c);
    else if (strcmp(c->command->name, "defects") == 0)
        offer_defects(c);
    else if (strcmp(c->command->name, "faults") == 0)
        offer_faults(c);
    if (strstr(shape, "RUN") != NULL)
        offer_runs(c);
    if (strstr(shape, "|") != NULL) { /* "bash|zsh|fish" */
        char one[40];
        for (const char *at = shape; *at != '\0'; at += strspn(at, "|")) {
            size_t n = strcspn(at, "| ");
            snprintf(one, sizeof(one), "%.*s", (int)n, at);
            offer(c, one);
            at += n;
            if (*at != '|')
                break;
        }
    }
    for (const char *const *kind =
             (const char *const[]){"SUITE", "PATH", "FILE", "DIR", "RUN", "LEDGER", NULL};
         *kind != NULL; kind++)
        if (strstr(shape, *kind) != NULL) {
            text_add(c->to, ":files\n");
            return;
        }
}

void complete_words(const char *const *words, size_t count, struct text *to)
{
    struct completion c = {.words = words, .count = count, .written = "", .to = to};
    if (count > 0)
        c.written = words[count - 1];
    if (count <= 1) {
        offer_commands(&c);
        return;
    }
    c.command = command_find(words[0]);
    if (c.command == NULL)
        return;
    const struct option *row = awaits_value(&c, words[count - 2]);
    if (row != NULL)
        offer_value(&c, row);
    else if (c.written[0] == '-')
        offer_options(&c);
    else
        offer_position(&c);
}
