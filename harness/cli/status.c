#include "cli/cluster.h"
#include "cli/cluster_status.h"
#include "cli/steered.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdlib.h>

/* meshproof status: the runs that go on here, or in a cluster. */

static const struct option status_options[] = {
#include "cli/cluster_reach.def"
    {"all", 0, NULL, NULL, "Choose", "every run that goes on here (the same as no RUN)", NULL,
     false},
    {"json", 0, NULL, NULL, "Results", "JSON: a list of runs", NULL, false},
};

/* What the run says of itself; without an answer, what its note says. */
static json_t *ask(const struct live_note *note)
{
    struct control_client c;
    struct error err = {0};
    json_t *answer = NULL;
    if (control_client_open(note, &c, &err)) {
        if (!control_client_ask(&c, json_pack("{ss}", "verb", "status"), &answer, &err))
            answer = NULL;
        control_client_close(&c);
    }
    if (answer == NULL)
        answer = json_pack("{ss ss ss ss ss sI}", "run", note->run, "suite", note->suite, "journal",
                           note->journal, "state", "silent", "error", err.text, "started_wall_ns",
                           (json_int_t)note->started_wall_ns);
    INVARIANT(answer != NULL);
    json_object_del(answer, "ok");
    return answer;
}

static void print(const json_t *state)
{
    char run[16], word[24], phase[140], suite[512], why[256], age[32];
    uint64_t now_ns = clock_wall_ns(),
             began_ns = (uint64_t)json_integer_value(json_object_get(state, "started_wall_ns"));
    const json_t *faults = json_object_get(state, "faults"), *fault;
    size_t i;
    uint64_t since_ns = now_ns > began_ns ? now_ns - began_ns : 0;
    control_client_text(state, "phase", phase, sizeof(phase));
    control_client_text(state, "why", why, sizeof(why));
    printf("%s  %-8s  %s  %s", control_client_text(state, "run", run, sizeof(run)),
           control_client_text(state, "state", word, sizeof(word)),
           units_print_duration(since_ns / NS_PER_S * NS_PER_S, age, sizeof(age)),
           control_client_text(state, "suite", suite, sizeof(suite)));
    if (phase[0] != '\0')
        printf("  phase \"%s\" for %lld s", phase,
               (long long)json_integer_value(json_object_get(state, "phase_ms")) / 1000);
    printf("%s%s\n", why[0] == '\0' ? "" : "  ", why);
    json_array_foreach(faults, i, fault)
    {
        char text[140], on[100];
        printf("          in force: %s on %s\n",
               control_client_text(fault, "text", text, sizeof(text)),
               control_client_text(fault, "on", on, sizeof(on)));
    }
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct steered picked = {NULL};
    bool named = args->position_count > 0;
    if (cluster_asked(args))
        return cluster_status(args);
    bool ok = named ? steered_pick(args, &picked, &err)
                    : live_note_list(&picked.notes, &picked.count, &err);
    if (!ok)
        return command_fail(&err);
    if (named && picked.count == 0) {
        steered_release(&picked);
        return steered_none(args);
    }
    json_t *list = json_array();
    for (size_t i = 0; i < picked.count; i++)
        json_array_append_new(list, ask(&picked.notes[i]));
    if (arguments_has(args, "json")) {
        json_dumpf(list, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
    } else {
        for (size_t i = 0; i < picked.count; i++)
            print(json_array_get(list, i));
        if (picked.count == 0)
            puts("no run goes on here");
        if (!live_may_run(&err))
            printf("%s\n", err.text);
    }
    json_decref(list);
    steered_release(&picked);
    return EXIT_PASS;
}

const struct command command_status = {
    .name = "status",
    .about =
        "Show the runs that go on, here or in a cluster: where they are, and what is in force.",
    .positions = "[RUN]",
    .options = status_options,
    .option_count = COUNT_OF(status_options),
    .exits = "0 shown  4 no such run  64 usage",
    .example = "meshproof status --json",
    .run = run,
};
