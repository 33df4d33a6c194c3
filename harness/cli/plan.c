#include "cli/cluster.h"
#include "cli/needs.h"
#include "cli/plan_params.h"
#include "cli/plan_ports.h"
#include "cli/prepare.h"

#include <stdlib.h>

/* meshproof plan: the dry run. Nothing is touched. */

static const char *const forms[] = {"text", "json", "lua", NULL};
static const struct option plan_rows[] = {
#include "cli/plan_options.def"
    {"on", 0, "PLACE", "local", "Where",
     "local, or kubernetes: may the run, and would the cluster take its objects", cluster_places,
     false},
#include "cli/cluster_options.def"
    {"as", 0, "FORM", "text", "Results", "text, json (run takes it) or lua (a suite to copy from)",
     forms, false},
    {"params", 0, NULL, NULL, "Results", "only what --set can change, with what it is now", NULL,
     false},
    {"ports", 0, NULL, NULL, "Results",
     "choose the lab's ports and print them; --as json keeps them for run", NULL, false},
};

static int print(const struct arguments *args, const char *suite, const struct prepared *p)
{
    const char *form = arguments_get(args, "as");
    char hash[65];
    struct text t;
    text_init(&t, (size_t)64 * 1024 * 1024);
    if (strcmp(form, "json") == 0) {
        json_t *j = plan_to_json(p->plan);
        char *line = json_dumps(j, JSON_INDENT(1));
        puts(line);
        free(line);
        json_decref(j);
    } else if (strcmp(form, "lua") == 0) {
        plan_print_lua(p->plan, &t);
        fputs(text_get(&t), stdout);
    } else {
        plan_print_text(p->plan, &t);
        if (arguments_has(args, "ports"))
            plan_ports_print(p, suite, &t);
        fputs(text_get(&t), stdout);
        plan_hash(p->plan, hash);
        printf("plan hash %.8s   seed %s   nothing was changed\n", hash, p->seed_text);
    }
    text_release(&t);
    return EXIT_PASS;
}

/* --on kubernetes: may it, would all objects be taken? Asked with dryRun=All; nothing is written.
 */
static int ask_cluster(const struct arguments *args, struct prepared *p)
{
    struct cluster *c = check_alloc_zero(1, sizeof(*c));
    struct error err = {0};
    int code = cluster_plan(c, args, p, 0, &err) ? cluster_ask(c) : command_fail(&err);
    cluster_release(c);
    free(c);
    return code;
}

static int plan_one(const struct arguments *args, const char *suite)
{
    struct prepared p;
    struct error err = {0};
    if (arguments_has(args, "params"))
        return plan_params_print(args, suite, strcmp(arguments_get(args, "as"), "json") == 0);
    int code = prepare(args, suite, &p);
    if (code == EXIT_PASS)
        needs_look(&p, args);
    if (code == EXIT_PASS && arguments_has(args, "ports") && !plan_ports_fix(&p, &err))
        code = command_fail(&err);
    if (code == EXIT_PASS)
        code = print(args, suite, &p);
    if (code == EXIT_PASS && cluster_asked(args))
        code = ask_cluster(args, &p);
    prepared_release(&p);
    return code;
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    int code = EXIT_PASS;
    if (args->position_count == 0) {
        error_set(&err, ERROR_USAGE, "plan needs a suite: meshproof plan suites/seed/payments.lua");
        return command_fail(&err);
    }
    if (cluster_check(args) != EXIT_PASS)
        return EXIT_USAGE;
    for (size_t i = 0; i < args->position_count; i++)
        code = command_worse(plan_one(args, args->positions[i]), code);
    return code;
}

const struct command command_plan = {
    .name = "plan",
    .about = "Say what a run would do, and how long it takes; nothing is touched.",
    .positions = "SUITE...",
    .options = plan_rows,
    .option_count = COUNT_OF(plan_rows),
    .exits = "0 planned  4 surroundings  64 usage or bad input",
    .example = "meshproof plan suites/seed/payments.lua --seed 5eed0001",
    .run = run,
};
