#include "cli/run_find.h"
#include "cli/steered.h"

#include "base/clock.h"

#include <poll.h>

#define LOOK_MS 50 /* for a run that has not begun */

/* meshproof wait: until a run has ended, has reached a phase, or has a fault in force. */

static const struct option wait_options[] = {
    {"for", 0, "WHAT", "end", "Choose",
     "end, phase=NAME or armed=FAULT (its name, or \"kill payments/2\")", NULL, false},
    {"timeout", 0, "TIME", NULL, "Choose", "no longer than this: exit 4", NULL, false},
    {"json", 0, NULL, NULL, "Results", "JSON: the state of the run then", NULL, false},
};

struct waiting {
    const char *phase, *armed; /* NULL: not for that */
    json_t *last;
};

/* "storm" is "storm (resumed)" too, and "storm (again)". */
static bool is_phase(const char *name, const char *wanted)
{
    size_t len = strlen(wanted);
    return strncmp(name, wanted, len) == 0 &&
           (name[len] == '\0' || strncmp(name + len, " (", 2) == 0);
}

static bool has_phase(const json_t *state, const char *wanted)
{
    const json_t *phases = json_object_get(state, "phases"), *one;
    size_t i;
    json_array_foreach(phases, i, one)
    {
        if (json_is_string(one) && is_phase(json_string_value(one), wanted))
            return true;
    }
    return false;
}

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL ? "" : text;
}

/* By its name, its word, or either of its words with its place. */
static bool has_fault(const json_t *state, const char *wanted)
{
    const json_t *faults = json_object_get(state, "faults"), *one;
    size_t i;
    json_array_foreach(faults, i, one)
    {
        char by_word[200], by_text[300];
        snprintf(by_word, sizeof(by_word), "%s %s", text_of(one, "word"), text_of(one, "on"));
        snprintf(by_text, sizeof(by_text), "%s on %s", text_of(one, "text"), text_of(one, "on"));
        if (strcmp(text_of(one, "name"), wanted) == 0 ||
            strcmp(text_of(one, "word"), wanted) == 0 || strcmp(by_word, wanted) == 0 ||
            strcmp(by_text, wanted) == 0)
            return true;
    }
    return false;
}

static bool on_state(void *cookie, const json_t *state)
{
    struct waiting *w = cookie;
    json_decref(w->last);
    w->last = json_deep_copy(state);
    return (w->phase != NULL && has_phase(state, w->phase)) ||
           (w->armed != NULL && has_fault(state, w->armed));
}

/* A run that was named beforehand may not have begun yet: with a deadline it is waited for. */
static bool pick(const struct arguments *args, uint64_t until_ns, struct steered *ret,
                 struct error *err)
{
    char path[600];
    for (;;) {
        struct error none = {0};
        if (!steered_pick(args, ret, err))
            return false;
        bool ended =
            args->position_count > 0 && run_find(args->positions[0], path, sizeof(path), &none);
        if (ret->count > 0 || ended || args->position_count == 0 || until_ns == CONTROL_FOR_EVER ||
            clock_now_ns() >= until_ns)
            return true;
        steered_release(ret);
        poll(NULL, 0, LOOK_MS);
    }
}

static bool read_for(const struct arguments *args, struct waiting *w, struct error *err)
{
    const char *what = arguments_get(args, "for");
    if (strcmp(what, "end") == 0)
        return true;
    if (strncmp(what, "phase=", 6) == 0 && what[6] != '\0')
        w->phase = what + 6;
    else if (strncmp(what, "armed=", 6) == 0 && what[6] != '\0')
        w->armed = what + 6;
    else
        return error_set(err, ERROR_USAGE,
                         "--for is \"%.60s\"; it must be end, phase=NAME or armed=FAULT", what);
    return true;
}

/* One that ended before we asked: as `verify` judges it. */
static int ended_before(const struct arguments *args, const struct waiting *w)
{
    struct opened o;
    struct judge_options options = {0};
    struct error err = {0};
    char path[600];
    const char *run = args->positions[0];
    if (!run_find(run, path, sizeof(path), &err))
        return command_fail(&err);
    if (w->phase != NULL || w->armed != NULL) {
        error_set(&err, ERROR_SYSTEM, "run \"%.40s\" has ended", run);
        return command_fail(&err);
    }
    int code = run_open_judged(run, &options, NULL, &o);
    if (code == EXIT_PASS)
        code = report_exit(&o.report);
    run_close(&o);
    return code;
}

static int tell(const struct arguments *args, struct waiting *w, enum steered_end end, int exits,
                const char *run)
{
    struct error err = {0};
    bool event = w->phase != NULL || w->armed != NULL;
    if (arguments_has(args, "json") && w->last != NULL) {
        json_object_del(w->last, "ok");
        json_dumpf(w->last, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
    }
    if (end == STEERED_ENOUGH || (end == STEERED_DONE && !event))
        return end == STEERED_DONE ? exits : EXIT_PASS;
    if (end == STEERED_LATE)
        error_set(&err, ERROR_SYSTEM, "run %s: no %s within %s", run, arguments_get(args, "for"),
                  arguments_get(args, "timeout"));
    else if (end == STEERED_DONE)
        error_set(&err, ERROR_SYSTEM, "run %s ended (exit %d) without %s", run, exits,
                  arguments_get(args, "for"));
    else
        error_set(&err, ERROR_PEER, "run %s died: meshproof recover", run);
    return command_fail(&err);
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct waiting w = {NULL};
    struct steered picked;
    struct control_client c;
    uint64_t within_ns = 0;
    int exits = -1;
    if (!read_for(args, &w, &err) || !arguments_duration(args, "timeout", &within_ns, &err))
        return command_fail(&err);
    uint64_t until_ns = within_ns == 0 ? CONTROL_FOR_EVER : clock_now_ns() + within_ns;
    if (!pick(args, until_ns, &picked, &err)) {
        steered_release(&picked);
        return command_fail(&err);
    }
    bool open = picked.count > 0 && control_client_open(picked.notes, &c, &err);
    if (open && !steered_watch(&c, &err)) {
        control_client_close(&c);
        open = false;
    }
    int code;
    if (!open && args->position_count == 0)
        code = steered_none(args);
    else if (!open)
        code = ended_before(args, &w);
    else {
        enum steered_end end = steered_follow(&c, until_ns, on_state, &w, &exits);
        code = tell(args, &w, end, exits, picked.notes->run);
        control_client_close(&c);
    }
    json_decref(w.last);
    steered_release(&picked);
    return code;
}

const struct command command_wait = {
    .name = "wait",
    .about = "Wait for a run: for its end, a phase, or a fault in force.",
    .positions = "[RUN]",
    .options = wait_options,
    .option_count = COUNT_OF(wait_options),
    .exits = "end: as the run did; else 0 reached  4 not in time, or it ended before  64 usage",
    .example = "meshproof wait 7c1e4a90 --for 'armed=kill payments/2' --timeout 2m",
    .run = run,
};
