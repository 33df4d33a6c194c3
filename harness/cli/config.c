#include "cli/config.h"

#include "cli/small_file.h"
#include "policy/yaml.h"

#include <unistd.h>

#define ARENA_MOST_BYTES ((size_t)64 << 20)
#define ALL "all"

bool config_find(char *to, size_t size)
{
    char folder[4096], path[4200], found[4200] = "";
    bool here = true;
    if (getcwd(folder, sizeof(folder)) == NULL)
        return false;
    for (;;) {
        snprintf(path, sizeof(path), "%s/" CONFIG_NAME, folder);
        if (found[0] == '\0' && access(path, F_OK) == 0)
            snprintf(found, sizeof(found), "%s", path);
        else if (found[0] == '\0')
            here = false;
        snprintf(path, sizeof(path), "%s/.git", folder);
        bool root = access(path, F_OK) == 0;
        char *slash = strrchr(folder, '/');
        if (root || slash == NULL || folder[0] == '\0') {
            bool taken = found[0] != '\0' && (root || here);
            return taken && snprintf(to, size, "%s", found) < (int)size;
        }
        *slash = '\0';
    }
}

static const struct option *row_of(const struct command *command, const char *name)
{
    for (size_t i = 0; i < command->option_count; i++)
        if (strcmp(command->options[i].name, name) == 0)
            return &command->options[i];
    for (size_t i = 0; i < common_option_count; i++)
        if (strcmp(common_options[i].name, name) == 0)
            return &common_options[i];
    return NULL;
}

/* Of `all`: the option of any command. */
static const struct option *find_row(const char *command, const char *name)
{
    size_t count;
    const struct command *const *all = commands(&count);
    for (size_t i = 0; i < count; i++) {
        bool meant = strcmp(command, ALL) == 0 || strcmp(command, all[i]->name) == 0;
        const struct option *row = meant && !all[i]->internal ? row_of(all[i], name) : NULL;
        if (row != NULL)
            return row;
    }
    return NULL;
}

static bool check_word(const struct option *row, const struct yaml_node *node, struct error *err)
{
    for (size_t i = 0; row->words != NULL; i++) {
        if (row->words[i] == NULL)
            return error_at(err, node->source, ERROR_INPUT,
                            "%s is \"%.40s\"; meshproof COMMAND --help lists its words", row->name,
                            node->text);
        if (strcmp(row->words[i], node->text) == 0)
            break;
    }
    return true;
}

static bool add(struct config *c, const char *command, const struct option *row,
                const struct yaml_node *node, struct error *err)
{
    const char *value = node->text;
    if (node->kind != YAML_SCALAR || value[0] == '\0')
        return error_at(err, node->source, ERROR_INPUT, "%s must be text, or a number", row->name);
    if (row->argument == NULL) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return error_at(err, node->source, ERROR_INPUT,
                            "%s is \"%.40s\"; it must be true or "
                            "false",
                            row->name, value);
        if (strcmp(value, "false") == 0)
            return true;
        value = "";
    } else if (!check_word(row, node, err)) {
        return false;
    }
    c->values[c->count++] = (struct config_value){command, row->name, value, node->source};
    return true;
}

static bool read_options(struct config *c, const char *command, const struct yaml_node *map,
                         struct error *err)
{
    if (map->kind != YAML_MAP)
        return error_at(err, map->source, ERROR_INPUT, "%.40s must be a map of options", command);
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        const struct option *row = find_row(command, pair->key);
        bool fixed = strcmp(pair->key, "help") == 0 || strcmp(pair->key, "config") == 0 ||
                     strcmp(pair->key, "directory") == 0 || strcmp(pair->key, "version") == 0;
        if (row == NULL || fixed)
            return error_at(err, pair->source, ERROR_INPUT, "%.40s has no option \"%.40s\"",
                            command, pair->key);
        bool list = pair->value->kind == YAML_SEQUENCE;
        if (list && !row->repeats)
            return error_at(err, pair->value->source, ERROR_INPUT, "%s takes one value", row->name);
        for (size_t k = 0; k < (list ? pair->value->count : 1); k++)
            if (!add(c, command, row, list ? yaml_item(pair->value, k) : pair->value, err))
                return false;
    }
    return true;
}

static bool check_top(const struct yaml_pair *pair, struct error *err)
{
    const struct command *command = command_find(pair->key);
    if (strcmp(pair->key, ALL) == 0 || (command != NULL && !command->internal))
        return true;
    return error_at(err, pair->source, ERROR_INPUT,
                    "\"%.40s\" is no command; top keys are commands, or all", pair->key);
}

/* Where probes ask that name no address of their own. */
static bool read_prometheus(struct config *c, const struct yaml_node *value, struct error *err)
{
    if (value->kind != YAML_SCALAR || strncmp(value->text, "http://", 7) != 0)
        return error_at(err, value->source, ERROR_INPUT,
                        "prometheus must be an address such as http://prometheus:9090");
    c->prometheus = value->text;
    return true;
}

static bool read_people(struct config *c, const char *role, const struct yaml_node *value,
                        struct role *ret, struct error *err)
{
    if (value->kind != YAML_SEQUENCE || value->count == 0)
        return error_at(err, value->source, ERROR_INPUT,
                        "roles: %.40s must be a list of names such as [alice, bob]", role);
    const char **people = ARENA_ARRAY(&c->arena, const char *, value->count);
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_node *item = yaml_item(value, i);
        if (item->kind != YAML_SCALAR || !human_name_is_good(item->text))
            return error_at(err, item->source, ERROR_INPUT,
                            "roles: %.40s holds no name: a name has 1 to %d letters, digits and "
                            ".-_@+",
                            role, HUMAN_NAME_MOST);
        people[i] = item->text;
    }
    *ret = (struct role){role, people, value->count};
    return true;
}

static bool read_roles(struct config *c, const struct yaml_node *value, struct error *err)
{
    if (value->kind != YAML_MAP)
        return error_at(err, value->source, ERROR_INPUT,
                        "roles must be a map of roles to lists of names");
    struct role *roles = ARENA_ARRAY(&c->arena, struct role, value->count + 1);
    for (size_t i = 0; i < value->count; i++) {
        const struct yaml_pair *pair = &value->pairs[i];
        if (!human_name_is_good(pair->key))
            return error_at(err, pair->source, ERROR_INPUT,
                            "roles: \"%.40s\" is no role: letters, digits and .-_@+", pair->key);
        if (!read_people(c, pair->key, pair->value, &roles[i], err))
            return false;
    }
    c->roles = (struct roles){roles, value->count};
    return true;
}

static bool read_top(struct config *c, const struct yaml_node *top, struct error *err)
{
    if (top->kind != YAML_MAP)
        return error_at(err, top->source, ERROR_INPUT, "the file must be a map of commands");
    c->values = ARENA_ARRAY(&c->arena, struct config_value, top->weight + 1);
    for (size_t i = 0; i < top->count; i++) {
        if (strcmp(top->pairs[i].key, "prometheus") == 0) {
            if (!read_prometheus(c, top->pairs[i].value, err))
                return false;
            continue;
        }
        if (strcmp(top->pairs[i].key, "roles") == 0) {
            if (!read_roles(c, top->pairs[i].value, err))
                return false;
            continue;
        }
        if (!check_top(&top->pairs[i], err) ||
            !read_options(c, top->pairs[i].key, top->pairs[i].value, err))
            return false;
    }
    return true;
}

bool config_parse(struct bytes yaml, const char *name, struct config *ret, struct error *err)
{
    const struct yaml_node **documents = NULL;
    size_t count = 0, nodes = YAML_MAX_NODES;
    *ret = (struct config){0};
    arena_init(&ret->arena, ARENA_MOST_BYTES);
    ret->path = arena_strdup(&ret->arena, name);
    if (!yaml_parse(yaml, ret->path, &nodes, &ret->arena, &documents, &count, err))
        return false;
    if (count > 1)
        return error_at(err, documents[1]->source, ERROR_INPUT, "it must be one document, not %zu",
                        count);
    return count == 0 || read_top(ret, documents[0], err);
}

bool config_read(const char *path, struct config *ret, struct error *err)
{
    struct buffer b;
    *ret = (struct config){0};
    bool ok = small_file_read(path, &b, err) && config_parse(buffer_view(&b), path, ret, err);
    buffer_release(&b);
    return ok;
}

void config_release(struct config *c)
{
    arena_release(&c->arena);
}

const struct config_value *config_find_value(const struct config *c, const char *command,
                                             const char *option, size_t n)
{
    const char *const sections[] = {command, ALL};
    for (size_t s = 0; c != NULL && s < COUNT_OF(sections); s++) {
        size_t seen = 0;
        for (size_t i = 0; i < c->count; i++) {
            const struct config_value *v = &c->values[i];
            if (strcmp(v->command, sections[s]) == 0 && strcmp(v->option, option) == 0 &&
                seen++ == n)
                return v;
        }
        if (seen > 0)
            return NULL;
    }
    return NULL;
}

const char *config_get(const struct config *c, const char *command, const char *option, size_t n)
{
    const struct config_value *v = config_find_value(c, command, option, n);
    return v == NULL ? NULL : v->value;
}
