#include "cli/arguments.h"
#include "cli/cluster.h"
#include "cli/cluster_left.h"
#include "cli/prepare.h"
#include "cli/recover.h"

#include "base/clock.h"
#include "journal/record.h"
#include "world/undo.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* meshproof recover: undoes what dead runs left of their changes to the world. */

#define LINE_MOST 512

static const struct option recover_options[] = {
#include "cli/cluster_reach.def"
    {"run", 0, "TEXT", NULL, "Choose", "only what this run left", NULL, false},
    {"dry-run", 0, NULL, NULL, "Safety", "say what would be undone, and change nothing", NULL,
     false},
};

/* What a ledger says is not trusted with a terminal. */
static void say(const char *line)
{
    char clean[LINE_MOST];
    snprintf(clean, sizeof(clean), "%s", line);
    record_clean_text(clean, strlen(clean));
    puts(clean);
}

static void on_line(void *cookie, const struct undo_line *line)
{
    char text[LINE_MOST];
    (void)cookie;
    snprintf(text, sizeof(text), "%-8s  %-30s   %s", line->word, line->what, line->how);
    say(text);
}

static void print_head(const struct undo_owner *owner)
{
    char when[16] = "?", text[LINE_MOST];
    time_t at = (time_t)(owner->died_wall_ns / NS_PER_S);
    struct tm tm;
    if (gmtime_r(&at, &tm) != NULL)
        strftime(when, sizeof(when), "%H:%M:%S", &tm);
    snprintf(text, sizeof(text), "ledger %.40s (its run died %s)   %zu change%s outstanding",
             owner->run, when, owner->outstanding, owner->outstanding == 1 ? "" : "s");
    say(text);
}

static int recover_ledger(const struct arguments *args, const char *path,
                          const struct undo_owner *owner)
{
    struct error err = {0};
    unsigned not_back = 0;
    char text[LINE_MOST];
    print_head(owner);
    if (arguments_has(args, "dry-run"))
        return undo_list(path, on_line, NULL, &err) ? EXIT_PASS : command_fail(&err);
    if (!undo_recover(path, on_line, NULL, &not_back, &err))
        return command_fail(&err);
    if (not_back == 0)
        return EXIT_PASS;
    snprintf(text, sizeof(text), "%u not confirmed: look at %.400s, which stays", not_back, path);
    say(text);
    return EXIT_NOT_UNDONE;
}

/* One that was named, or (${found}) one of the folder: then that of a run that goes on is left
 * alone without an error. */
static int look_at(const struct arguments *args, const char *path, bool found, size_t *looked_at)
{
    struct undo_owner owner;
    struct error err = {0};
    char text[LINE_MOST];
    if (!undo_peek(path, &owner, &err))
        return found && err.sys == ENOENT ? EXIT_PASS : command_fail(&err);
    ++*looked_at;
    if (!found || !owner.lives)
        return recover_ledger(args, path, &owner);
    snprintf(text, sizeof(text), "ledger %.40s: its run goes on (process %lld): left alone",
             owner.run, (long long)owner.pid);
    say(text);
    return EXIT_PASS;
}

static int is_ledger(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name), tail = strlen(LEDGER_TAIL);
    return len > tail && strcmp(entry->d_name + len - tail, LEDGER_TAIL) == 0;
}

static int look_at_folder(const struct arguments *args, const char *run, size_t *looked_at)
{
    struct dirent **names = NULL;
    int code = EXIT_PASS, count = scandir(LEDGER_FOLDER, &names, is_ledger, alphasort);
    char path[600], wanted[300];
    struct error err = {0};
    if (count < 0 && errno != ENOENT) {
        error_system(&err, errno, "reading %s", LEDGER_FOLDER);
        return command_fail(&err);
    }
    snprintf(wanted, sizeof(wanted), "%s%s", run == NULL ? "" : run, LEDGER_TAIL);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), LEDGER_FOLDER "/%s", names[i]->d_name);
        if (run == NULL || strcmp(names[i]->d_name, wanted) == 0)
            code = command_worse(look_at(args, path, true, looked_at), code);
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return code;
}

static int run(const struct arguments *args)
{
    const char *text = arguments_get(args, "run");
    char id[9];
    uint64_t unused;
    size_t looked_at = 0;
    int code = EXIT_PASS;
    struct error err = {0};
    if (cluster_asked(args))
        return cluster_recover(args);
    if (text != NULL && args->position_count > 0) {
        error_set(&err, ERROR_USAGE, "recover takes ledgers or --run, not both");
        return command_fail(&err);
    }
    if (text != NULL)
        seed_of_text(text, id, &unused);
    for (size_t i = 0; i < args->position_count; i++)
        code = command_worse(look_at(args, args->positions[i], false, &looked_at), code);
    if (args->position_count == 0)
        code = look_at_folder(args, text == NULL ? NULL : id, &looked_at);
    if (code == EXIT_PASS && looked_at == 0)
        puts("nothing is left: no run has a ledger in " LEDGER_FOLDER);
    return code;
}

const struct command command_recover = {
    .name = "recover",
    .about = "Undo what dead runs left of their changes to the world.",
    .positions = "[LEDGER...]",
    .options = recover_options,
    .option_count = COUNT_OF(recover_options),
    .exits = "0 all is back  4 surroundings  5 something is not back  64 usage",
    .example = "meshproof recover\n          meshproof recover --on kubernetes -n meshproof --run "
               "\"$GITHUB_RUN_ID\"",
    .run = run,
};
