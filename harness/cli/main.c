#include "base/log.h"
#include "cli/arguments.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Dispatches: `meshproof COMMAND ...`. All else is in the commands' own files. */

static int print_help(void (*of)(const struct command *command, struct text *to),
                      const struct command *command)
{
    struct text t;
    text_init(&t, (size_t)64 * 1024);
    of(command, &t);
    fputs(text_get(&t), stdout);
    text_release(&t);
    return EXIT_PASS;
}

static void help_of_all(const struct command *command, struct text *to)
{
    (void)command;
    commands_help(to);
}

static void list_of_all(const struct command *command, struct text *to)
{
    (void)command;
    commands_list(to);
}

static int unknown(const char *name)
{
    size_t count;
    const struct command *const *all = commands(&count);
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < count && n < COUNT_OF(names); i++) {
        if (!all[i]->internal)
            names[n++] = all[i]->name;
    }
    const char *nearest = text_nearest(name, names, n);
    fprintf(stderr, "meshproof: there is no command \"%.40s\"%s%s%s: meshproof --help lists them\n",
            name, nearest != NULL ? " (did you mean \"" : "", nearest != NULL ? nearest : "",
            nearest != NULL ? "\"?)" : "");
    return EXIT_USAGE;
}

/* -C DIR: before any other path is looked at. */
static bool go_there(const struct arguments *args, struct error *err)
{
    const char *path = args->command->internal ? NULL : arguments_get(args, "directory");
    if (path == NULL || chdir(path) == 0)
        return true;
    return error_set(err, ERROR_USAGE, "-C %.200s: %s", path, strerror(errno));
}

/* Agents are driven by their conductor alone. */
static bool read_config(struct arguments *args, struct config *config, struct error *err)
{
    char nearest[4200];
    const char *path = arguments_get(args, "config");
    if (args->command->internal || (path == NULL && !config_find(nearest, sizeof(nearest))))
        return true;
    args->config = config;
    return config_read(path != NULL ? path : nearest, config, err);
}

static int dispatch(const struct command *command, int argc, char **argv)
{
    struct arguments args;
    struct config config = {0};
    struct error err = {0};
    int code;
    if (!arguments_parse(&args, command, argc, argv, &err) || !go_there(&args, &err) ||
        !read_config(&args, &config, &err)) {
        code = command_fail(&err);
    } else if (arguments_has(&args, "help")) {
        code = print_help(command_help, command);
    } else if (arguments_given(&args, "version")) { /* MESHPROOF_VERSION is anybody's */
        puts("meshproof " MESHPROOF_VERSION);
        code = EXIT_PASS;
    } else {
        if (config.prometheus != NULL) /* what the environment has stands above it */
            setenv(CONFIG_PROMETHEUS, config.prometheus, 0);
        log_set_level(arguments_has(&args, "verbose") ? LOG_INFO : LOG_WARN);
        code = command->run(&args);
    }
    arguments_release(&args);
    config_release(&config);
    return code;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        bool all = argc > 2 && strcmp(argv[2], "all") == 0;
        print_help(all ? list_of_all : help_of_all, NULL);
        return argc < 2 ? EXIT_USAGE : EXIT_PASS;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("meshproof " MESHPROOF_VERSION);
        return EXIT_PASS;
    }
    const struct command *command = command_find(argv[1]);
    return command == NULL ? unknown(argv[1]) : dispatch(command, argc - 1, argv + 1);
}
