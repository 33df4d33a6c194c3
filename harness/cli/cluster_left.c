#include "cli/cluster_left.h"

#include "cli/cluster_reach.h"
#include "cli/live_note.h"
#include "cli/prepare.h"
#include "kube/halt.h"
#include "kube/recover.h"
#include "kube/teardown.h"

#include "base/clock.h"

#include <stdlib.h>

static int tell_recovered(const struct recover *r, const char *run, const char *namespace,
                          bool named)
{
    struct text how;
    int code = EXIT_PASS;
    if (r->err.kind != ERROR_NONE)
        return command_fail(&r->err);
    if (r->lives) {
        printf("run %s goes on in namespace %s: left alone (meshproof halt %s --on kubernetes)\n",
               run, namespace, run);
        return named ? EXIT_SURROUNDINGS : EXIT_PASS;
    }
    text_init(&how, (size_t)16 * 1024);
    teardown_print(&r->teardown, &how);
    puts(text_get(&how));
    if (r->unlock.count > 0)
        printf("unlocked  %zu Lease%s\n", r->unlock.count, r->unlock.count == 1 ? "" : "s");
    if (r->unseen)
        printf("this account may not list the Leases of %s: one that run %s holds may be left\n",
               namespace, run);
    if (r->unlock.err.kind != ERROR_NONE)
        puts(r->unlock.err.text);
    if (!r->list_only && (!teardown_clean(&r->teardown) || r->unlock.err.kind != ERROR_NONE))
        code = EXIT_NOT_UNDONE;
    text_release(&how);
    return code;
}

static int recover_one(const struct arguments *args, struct cluster_reach *reach, const char *run,
                       bool named)
{
    struct recover *r = check_alloc_zero(1, sizeof(*r));
    recover_init(r, reach->namespace, run);
    r->list_only = arguments_has(args, "dry-run");
    chore_do(&r->chore, reach->api);
    int code = tell_recovered(r, run, reach->namespace, named);
    recover_release(r);
    free(r);
    return code;
}

int cluster_recover(const struct arguments *args)
{
    char(*runs)[9] = check_alloc_zero(REACH_RUNS_MOST, sizeof(*runs));
    struct cluster_reach reach;
    struct error err = {0};
    const char *text = arguments_get(args, "run");
    uint64_t unused;
    size_t count = 1;
    int code = EXIT_PASS;
    if (args->position_count > 0)
        error_set(&err, ERROR_USAGE, "a ledger is of this machine: recover --on kubernetes --run");
    if (err.kind != ERROR_NONE || !cluster_reach_open(args, &reach, &err)) {
        free(runs);
        return command_fail(&err);
    }
    if (text != NULL)
        seed_of_text(text, runs[0], &unused);
    else if (!cluster_reach_runs(&reach, runs, &count, &err))
        code = command_fail(&err);
    if (err.kind == ERROR_NONE && count == 0)
        printf("nothing is left: no run has an anchor in namespace %s\n", reach.namespace);
    for (size_t i = 0; err.kind == ERROR_NONE && i < count; i++)
        code = command_worse(recover_one(args, &reach, runs[i], text != NULL), code);
    api_close(reach.api);
    free(runs);
    return code;
}

static int halt_one(const struct arguments *args, struct cluster_reach *reach, const char *run)
{
    struct halt h;
    const char *who = arguments_get(args, "as");
    char name[80];
    int code = EXIT_PASS;
    halt_init(&h, reach->namespace, run, who != NULL ? who : live_who(name, sizeof(name)));
    chore_do(&h.chore, reach->api);
    if (h.err.kind != ERROR_NONE)
        code = command_fail(&h.err);
    else if (!h.gone) {
        printf("run %s was asked to halt, and is not gone after 90 s: meshproof recover --on "
               "kubernetes -n %s --run %s\n",
               run, reach->namespace, run);
        code = EXIT_NOT_UNDONE;
    } else {
        printf("run %s  %s\n", run,
               h.found ? "halted, all is undone" : "is not there: nothing to do");
    }
    halt_release(&h);
    return code;
}

int cluster_halt(const struct arguments *args)
{
    char(*runs)[9] = check_alloc_zero(REACH_RUNS_MOST, sizeof(*runs));
    struct cluster_reach reach;
    struct error err = {0};
    bool named = args->position_count > 0;
    uint64_t unused;
    size_t count = 1;
    int code = EXIT_PASS;
    if (arguments_has(args, "unlock") || arguments_has(args, "lock"))
        error_set(&err, ERROR_USAGE,
                  "--lock and --unlock are of this machine; in a cluster a "
                  "namespace without the label " OBJECTS_ALLOW_LABEL " lets no run begin");
    if (err.kind != ERROR_NONE || !cluster_reach_open(args, &reach, &err)) {
        free(runs);
        return command_fail(&err);
    }
    if (named)
        seed_of_text(args->positions[0], runs[0], &unused);
    else if (!cluster_reach_runs(&reach, runs, &count, &err))
        code = command_fail(&err);
    if (!named && count > 1 && !arguments_has(args, "all")) {
        error_set(&err, ERROR_USAGE, "%zu runs are in namespace %s: name one, or --all", count,
                  reach.namespace);
        code = command_fail(&err);
    }
    for (size_t i = 0; err.kind == ERROR_NONE && i < count; i++)
        code = command_worse(halt_one(args, &reach, runs[i]), code);
    if (err.kind == ERROR_NONE && count == 0)
        printf("nothing goes on in namespace %s\n", reach.namespace);
    api_close(reach.api);
    free(runs);
    return code;
}
