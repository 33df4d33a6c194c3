#include "cli/steered.h"

/* meshproof pause and meshproof resume. */

static const struct option pause_options[] = {
    {"all", 0, NULL, NULL, "Choose", "every run that goes on here", NULL, false},
    {"as", 0, "NAME", NULL, "Choose", "who asks, for the journal (LOGNAME)", NULL, false},
    {"json", 0, NULL, NULL, "Results", "JSON: a list of runs and answers", NULL, false},
};

static int ask(const struct arguments *args, const struct live_note *note, json_t *list)
{
    struct control_client c;
    struct error err = {0};
    json_t *answer = NULL;
    char name[80];
    const char *who = arguments_get(args, "as"), *verb = args->command->name;
    bool ok = control_client_open(note, &c, &err);
    if (ok) {
        ok = control_client_ask(&c,
                                json_pack("{ss ss}", "verb", verb, "who",
                                          who != NULL ? who : live_who(name, sizeof(name))),
                                &answer, &err);
        control_client_close(&c);
    }
    json_decref(answer);
    json_array_append_new(
        list, json_pack("{ss sb ss*}", "run", note->run, "ok", ok, "error", ok ? NULL : err.text));
    if (!ok) {
        error_prefix(&err, "run %s: ", note->run);
        return command_fail(&err);
    }
    if (!arguments_has(args, "json") && strcmp(verb, "pause") == 0)
        printf("%s  paused: faults are taken out, load goes on; meshproof resume %s, at the latest "
               "in 30 min\n",
               note->run, note->run);
    else if (!arguments_has(args, "json"))
        printf("%s  goes on: the same faults again, then the phase's rest\n", note->run);
    return EXIT_PASS;
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct steered picked;
    int code = EXIT_PASS;
    if (!steered_pick(args, &picked, &err)) {
        steered_release(&picked);
        return command_fail(&err);
    }
    json_t *list = json_array();
    for (size_t i = 0; i < picked.count; i++)
        code = command_worse(ask(args, &picked.notes[i], list), code);
    if (picked.count == 0 && !arguments_has(args, "all"))
        code = steered_none(args);
    if (arguments_has(args, "json")) {
        json_dumpf(list, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
    }
    json_decref(list);
    steered_release(&picked);
    return code;
}

const struct command command_pause = {
    .name = "pause",
    .about = "Take the faults of a run out for a while: its clocks stand, load goes on.",
    .positions = "[RUN]",
    .options = pause_options,
    .option_count = COUNT_OF(pause_options),
    .exits = "0 paused  4 it cannot be (ending, paused, none goes on)  64 usage",
    .example = "meshproof pause 7c1e4a90",
    .run = run,
};
const struct command command_resume = {
    .name = "resume",
    .about = "Let a paused run go on, with the same faults.",
    .positions = "[RUN]",
    .options = pause_options,
    .option_count = COUNT_OF(pause_options),
    .exits = "0 it goes on  4 it cannot (not paused, ending, none goes on)  64 usage",
    .example = "meshproof resume 7c1e4a90",
    .run = run,
};
