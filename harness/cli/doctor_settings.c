#include "cli/doctor.h"

#include <stdlib.h>

extern char **environ;

#define PREFIX "MESHPROOF_"
#define VALUES_MOST 64

/* Variables that are no option's (scenario-language.md 6, and those of the drivers and the tests).
 */
static const char *const others[] = {
    "MESHPROOF_PROMETHEUS", "MESHPROOF_POD",   "MESHPROOF_POD_IP",       "MESHPROOF_POD_UID",
    "MESHPROOF_JOB",        "MESHPROOF_ENVOY", "MESHPROOF_ISTIO_CONFIG", "MESHPROOF_JOB_UID",
};

/* An address may hold a password, which is nobody's business. */
static void print_value(const char *value)
{
    const char *scheme = strstr(value, "://"), *at = scheme == NULL ? NULL : strchr(scheme, '@');
    if (at != NULL && strcspn(scheme + 3, "/") > (size_t)(at - scheme - 3))
        printf("%.*s://...%s", (int)(scheme - value), value, at);
    else
        printf("%s", value[0] == '\0' ? "yes" : value);
}

static void print_row(const char *command, const char *option, const char *value, const char *from)
{
    printf("%-9s %-18s ", command, option);
    print_value(value);
    printf("   %s\n", from);
}

static void print_file_values(const struct config *config, const char *command, const char *option)
{
    const struct config_value *v;
    for (size_t n = 0;
         n < VALUES_MOST && (v = config_find_value(config, command, option, n)) != NULL; n++) {
        char from[300];
        source_format(v->source, true, from, sizeof(from));
        print_row(command, option, v->value, from);
    }
}

static void look_at_option(const struct arguments *args, const char *command,
                           const struct option *row)
{
    char name[80];
    const char *value = getenv(arguments_variable(row, name, sizeof(name)));
    if (value != NULL)
        print_row(command, row->name, value, name);
    else if (config_find_value(args->config, command, row->name, 0) != NULL)
        print_file_values(args->config, command, row->name);
    else if (row->fallback != NULL)
        print_row(command, row->name, row->fallback, "default");
}

static bool is_option(const char *variable, size_t len)
{
    size_t count;
    const struct command *const *all = commands(&count);
    char name[80];
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < all[i]->option_count; k++)
            if (strlen(arguments_variable(&all[i]->options[k], name, sizeof(name))) == len &&
                memcmp(name, variable, len) == 0)
                return true;
    for (size_t k = 0; k < common_option_count; k++)
        if (strlen(arguments_variable(&common_options[k], name, sizeof(name))) == len &&
            memcmp(name, variable, len) == 0)
            return true;
    for (size_t k = 0; k < COUNT_OF(others); k++)
        if (strlen(others[k]) == len && memcmp(others[k], variable, len) == 0)
            return true;
    return false;
}

static void look_at_environment(struct doctor *d)
{
    for (char **e = environ; *e != NULL; e++) {
        size_t len = strcspn(*e, "=");
        if (strncmp(*e, PREFIX, strlen(PREFIX)) == 0 && !is_option(*e, len))
            doctor_row(d, false, "environment", "%.*s is the name of no option: nobody reads it",
                       (int)len, *e);
    }
}

void doctor_settings(struct doctor *d, const struct arguments *args)
{
    size_t count;
    const struct command *const *all = commands(&count);
    printf("file      %s\n", args->config == NULL ? "none: no " CONFIG_NAME " from here upwards"
                                                  : args->config->path);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; !all[i]->internal && k < all[i]->option_count; k++)
            look_at_option(args, all[i]->name, &all[i]->options[k]);
    for (size_t k = 0; k < common_option_count; k++)
        look_at_option(args, "all", &common_options[k]);
    const char *prometheus = getenv(CONFIG_PROMETHEUS); /* the file's, where it has no other */
    bool of_file = prometheus != NULL && args->config != NULL && args->config->prometheus != NULL &&
                   strcmp(prometheus, args->config->prometheus) == 0;
    if (prometheus != NULL)
        print_row("probes", "prometheus", prometheus,
                  of_file ? args->config->path : CONFIG_PROMETHEUS);
    for (size_t i = 0; args->config != NULL && i < args->config->roles.count; i++) {
        const struct role *r = &args->config->roles.at[i];
        printf("%-9s %-18s %zu %s   %s\n", "roles", r->name, r->count,
               r->count == 1 ? "person" : "people", args->config->path);
    }
    look_at_environment(d);
}
