#include "cli/arguments.h"

#include "base/units.h"

#include <ctype.h>
#include <stdlib.h>

#define GIVEN_MOST 256

static const struct option *row_at(const struct command *command, size_t i)
{
    if (i < command->option_count)
        return &command->options[i];
    i -= command->option_count;
    return i < common_option_count ? &common_options[i] : NULL;
}

static const struct option *by_letter(const struct command *command, char letter)
{
    const struct option *row;
    for (size_t i = 0; (row = row_at(command, i)) != NULL; i++) {
        if (row->letter == letter)
            return row;
    }
    return NULL;
}

/* The row of a long name, exact or an unambiguous beginning of it. */
static const struct option *by_name(const struct command *command, const char *name, size_t len,
                                    struct error *err)
{
    const char *names[64];
    char typed[64];
    const struct option *row, *found = NULL;
    size_t count = 0, hits = 0;
    for (size_t i = 0; (row = row_at(command, i)) != NULL; i++) {
        if (strncmp(row->name, name, len) == 0) {
            if (row->name[len] == '\0')
                return row;
            found = row;
            hits++;
        }
        if (count < COUNT_OF(names))
            names[count++] = row->name;
    }
    if (hits == 1)
        return found;
    snprintf(typed, sizeof(typed), "%.*s", (int)(len < 40 ? len : 40), name);
    const char *nearest = text_nearest(typed, names, count);
    if (hits > 1)
        error_set(err, ERROR_USAGE, "--%s could be several options of %s", typed, command->name);
    else if (nearest != NULL)
        error_set(err, ERROR_USAGE, "%s has no option --%s (did you mean --%s?)", command->name,
                  typed, nearest);
    else
        error_set(err, ERROR_USAGE, "%s has no option --%s: meshproof %s --help lists them",
                  command->name, typed, command->name);
    return NULL;
}

static bool add(struct arguments *a, const struct option *row, const char *value, struct error *err)
{
    if (row->words != NULL) {
        char list[120] = "";
        size_t i = 0;
        for (; row->words[i] != NULL && strcmp(row->words[i], value) != 0; i++)
            snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i == 0 ? "" : ", ",
                     row->words[i]);
        if (row->words[i] == NULL)
            return error_set(err, ERROR_USAGE, "--%s is \"%.40s\"; it is one of %s", row->name,
                             value, list);
    }
    if (a->given_count == GIVEN_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d options allowed", GIVEN_MOST);
    a->given[a->given_count++] = (struct given){.option = row, .value = value};
    return true;
}

/* The word after an option that may go without: an address shows that it is one; any other is meant
 * for it once a position is there, as in `show last --first-fail retries`. */
static bool is_optional_value(const struct arguments *a, const struct option *row, const char *next)
{
    if (next[0] == '-')
        return false;
    return strcmp(row->argument, "[ADDRESS]") == 0 ? strchr(next, ':') != NULL
                                                   : a->position_count > 0;
}

/* One option at argv[*at]; moves *at over its value. */
static bool take(struct arguments *a, int *at, struct error *err)
{
    const char *word = a->argv[*at], *value = NULL;
    const struct option *row;
    if (word[1] == '-') {
        size_t len = strcspn(word + 2, "=");
        row = by_name(a->command, word + 2, len, err);
        if (row == NULL)
            return false;
        if (word[2 + len] == '=')
            value = word + 2 + len + 1;
    } else {
        row = by_letter(a->command, word[1]);
        if (row == NULL)
            return error_set(err, ERROR_USAGE,
                             "%s has no option -%c: meshproof %s --help lists them",
                             a->command->name, isprint((unsigned char)word[1]) ? word[1] : '?',
                             a->command->name);
        if (word[2] != '\0')
            value = word + 2;
    }
    if (row->argument == NULL) {
        if (value != NULL)
            return error_set(err, ERROR_USAGE, "--%s takes no value", row->name);
        return add(a, row, "", err);
    }
    if (value == NULL && row->argument[0] == '[') {
        const char *next = *at + 1 < a->argc ? a->argv[*at + 1] : "-";
        return add(a, row, is_optional_value(a, row, next) ? a->argv[++*at] : "", err);
    }
    if (value == NULL) {
        if (*at + 1 >= a->argc)
            return error_set(err, ERROR_USAGE, "--%s needs a value: --%s %s", row->name, row->name,
                             row->argument);
        value = a->argv[++*at];
    }
    return add(a, row, value, err);
}

bool arguments_parse(struct arguments *a, const struct command *command, int argc, char **argv,
                     struct error *err)
{
    *a = (struct arguments){.command = command, .argc = argc, .argv = argv};
    arena_init(&a->arena, (size_t)1024 * 1024);
    a->positions = arena_take(&a->arena, sizeof(char *) * (size_t)(argc + 1));
    a->given = ARENA_ARRAY(&a->arena, struct given, GIVEN_MOST);
    bool options = true;
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!take(a, &i, err))
                return false;
        } else {
            a->positions[a->position_count++] = argv[i];
        }
    }
    return true;
}

void arguments_release(struct arguments *a)
{
    arena_release(&a->arena);
}

const char *arguments_variable(const struct option *row, char *to, size_t size)
{
    size_t n = (size_t)snprintf(to, size, "MESHPROOF_%s", row->name);
    for (size_t i = strlen("MESHPROOF_"); i < n && i + 1 < size; i++)
        to[i] = to[i] == '-' ? '_' : (char)toupper((unsigned char)to[i]);
    return to;
}

static const char *from_environment(const struct option *row)
{
    char name[80];
    return getenv(arguments_variable(row, name, sizeof(name)));
}

const char *arguments_get(const struct arguments *a, const char *name)
{
    const struct option *row;
    for (size_t i = a->given_count; i > 0; i--) {
        if (strcmp(a->given[i - 1].option->name, name) == 0)
            return a->given[i - 1].value;
    }
    for (size_t i = 0; (row = row_at(a->command, i)) != NULL; i++) {
        if (strcmp(row->name, name) == 0) {
            const char *value = from_environment(row);
            if (value == NULL)
                value = config_get(a->config, a->command->name, name, 0);
            return value != NULL ? value : row->fallback;
        }
    }
    return NULL;
}

bool arguments_given(const struct arguments *a, const char *name)
{
    for (size_t i = 0; i < a->given_count; i++)
        if (strcmp(a->given[i].option->name, name) == 0)
            return true;
    return false;
}

bool arguments_has(const struct arguments *a, const char *name)
{
    return arguments_get(a, name) != NULL;
}

size_t arguments_all(const struct arguments *a, const char *name, const char **ret, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < a->given_count; i++) {
        if (strcmp(a->given[i].option->name, name) == 0 && count < most)
            ret[count++] = a->given[i].value;
    }
    const char *first = count == 0 && most > 0 ? arguments_get(a, name) : NULL;
    if (first == NULL)
        return count;
    ret[count++] = first;
    /* More than one there can be in the file alone. */
    while (count < most && first == config_get(a->config, a->command->name, name, 0) &&
           (ret[count] = config_get(a->config, a->command->name, name, count)) != NULL)
        count++;
    return count;
}

bool arguments_duration(const struct arguments *a, const char *name, uint64_t *ret_ns,
                        struct error *err)
{
    const char *value = arguments_get(a, name);
    if (value == NULL || units_parse_duration(value, ret_ns, err))
        return true;
    err->kind = ERROR_USAGE;
    error_prefix(err, "--%s ", name);
    return false;
}

bool arguments_count(const struct arguments *a, const char *name, uint64_t *ret, struct error *err)
{
    const char *value = arguments_get(a, name);
    if (value == NULL || bytes_to_u64(bytes_of(value), ret))
        return true;
    return error_set(err, ERROR_USAGE, "--%s is \"%.40s\"; it must be a count such as 3", name,
                     value);
}
