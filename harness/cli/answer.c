#include "cli/people.h"
#include "cli/steered.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdlib.h>

/* meshproof answer: what a run asks of people, and an answer to it. */

#define WITHIN_NS (5 * NS_PER_S)

static const struct option answer_options[] = {
    {"as", 0, "NAME", NULL, "Choose", "who answers, for the roles and the journal (LOGNAME)", NULL,
     false},
    {"json", 0, NULL, NULL, "Results", "JSON: what the run says", NULL, false},
};

/* What the run refuses is its caller's mistake; a run that does not speak is the surroundings'. */
static bool ask(struct control_client *c, json_t *take_request, json_t **ret, struct error *err)
{
    char why[256];
    if (!control_client_send(c, take_request, err))
        return false;
    if (control_client_read(c, clock_now_ns() + WITHIN_NS, ret) != CONTROL_LINE)
        return error_set(err, ERROR_SYSTEM, "the run does not answer");
    if (!json_is_false(json_object_get(*ret, "ok")))
        return true;
    error_set(err, ERROR_USAGE, "%s", control_client_text(*ret, "error", why, sizeof(why)));
    json_decref(*ret);
    *ret = NULL;
    return false;
}

static uint64_t number_of(const json_t *row, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(row, key));
    return n < 0 ? 0 : (uint64_t)n;
}

static void print_question(const json_t *row)
{
    char text[400], role[80], takes[20], left[40];
    uint64_t age_ns = number_of(row, "age_ns"), within_ns = number_of(row, "within_ns");
    uint64_t left_ns = within_ns > age_ns ? within_ns - age_ns : 0;
    control_client_text(row, "role", role, sizeof(role));
    printf("%3llu  %s%s%s%s  [%s]   %s left\n", (unsigned long long)number_of(row, "number"),
           role[0] != '\0' ? "(" : "", role, role[0] != '\0' ? ") " : "",
           control_client_text(row, "ask", text, sizeof(text)),
           control_client_text(row, "takes", takes, sizeof(takes)),
           units_print_duration(left_ns / NS_PER_S * NS_PER_S, left, sizeof(left)));
}

static void print_list(const char *run, const json_t *reply, uint64_t number)
{
    const json_t *row;
    size_t i;
    uint64_t open = number_of(reply, "open"), shown = 0;
    json_array_foreach(json_object_get(reply, "questions"), i, row)
    {
        if (number != 0 && number_of(row, "number") != number)
            continue;
        print_question(row);
        shown++;
    }
    if (shown == 0 && number == 0)
        printf("run %s asks nothing now\n", run);
    else if (shown == 0)
        printf("run %s: question %llu is not open\n", run, (unsigned long long)number);
    else if (number == 0 && open > shown)
        printf("and %llu more\n", (unsigned long long)(open - shown));
}

static void print_answer(const char *run, const json_t *reply, const char *who)
{
    char state[20];
    unsigned long long number = (unsigned long long)number_of(reply, "number"),
                       missing = (unsigned long long)number_of(reply, "missing");
    control_client_text(reply, "state", state, sizeof(state));
    printf("run %s, question %llu: answered by %s", run, number, who);
    if (missing > 0)
        printf("; %llu more must agree\n", missing);
    else
        printf("%s\n", strcmp(state, "open") == 0      ? "; the run still waits for a yes"
                       : strcmp(state, "refused") == 0 ? "; the run ends, nothing was done"
                                                       : "");
}

/* RUN [NUMBER] [TEXT...]: digits behind RUN are a number, all the rest is one text. */
struct said {
    uint64_t number; /* 0: none given */
    char text[400];  /* "": none */
};

static bool read_words(const struct arguments *args, struct said *ret, struct error *err)
{
    size_t i = 1, used = 0;
    *ret = (struct said){0};
    if (args->position_count > 1 && bytes_to_u64(bytes_of(args->positions[1]), &ret->number)) {
        i = 2;
        if (ret->number == 0 || ret->number > 1000)
            return error_set(err, ERROR_USAGE, "a question's number is 1 to 1000");
    }
    for (; i < args->position_count; i++) {
        int n = snprintf(ret->text + used, sizeof(ret->text) - used, "%s%s", used == 0 ? "" : " ",
                         args->positions[i]);
        used += n > 0 ? (size_t)n : 0;
        if (used >= sizeof(ret->text))
            return error_set(err, ERROR_USAGE, "the answer is too long");
    }
    return true;
}

/* Without a number it is plain which question is meant only when one is open. */
static bool pick_question(const struct arguments *args, const char *run, struct control_client *c,
                          struct said *said, struct error *err)
{
    json_t *list = NULL;
    if (said->number != 0)
        return true;
    if (!ask(c, json_pack("{ss}", "verb", "questions"), &list, err))
        return false;
    uint64_t open = number_of(list, "open");
    said->number = number_of(json_array_get(json_object_get(list, "questions"), 0), "number");
    if (open > 1 && !arguments_has(args, "json"))
        print_list(run, list, 0);
    json_decref(list);
    if (open == 0)
        return error_set(err, ERROR_USAGE, "no question is open");
    return open == 1 ||
           error_set(err, ERROR_USAGE, "%llu questions are open: meshproof answer %s NUMBER ANSWER",
                     (unsigned long long)open, run);
}

static bool talk(const struct arguments *args, const struct live_note *note, struct said *said,
                 struct error *err)
{
    struct control_client c;
    json_t *reply = NULL, *request;
    const char *who = arguments_get(args, "as");
    bool answers = said->text[0] != '\0';
    who = who != NULL ? who : people_name();
    if (answers && who == NULL)
        return error_set(err, ERROR_USAGE, "who answers is not known: --as NAME");
    if (!control_client_open(note, &c, err))
        return false;
    bool ok = !answers || pick_question(args, note->run, &c, said, err);
    if (ok) {
        request = answers ? json_pack("{ss sI ss ss}", "verb", "answer", "number",
                                      (json_int_t)said->number, "answer", said->text, "who", who)
                          : json_pack("{ss}", "verb", "questions");
        ok = request != NULL ? ask(&c, request, &reply, err)
                             : error_set(err, ERROR_USAGE, "the answer is no text");
    }
    control_client_close(&c);
    if (!ok)
        return false;
    if (arguments_has(args, "json")) {
        json_dumpf(reply, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
    } else if (answers) {
        print_answer(note->run, reply, who);
    } else {
        print_list(note->run, reply, said->number);
    }
    json_decref(reply);
    return true;
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct steered picked;
    struct said said;
    struct arguments one = *args;
    const char *only = "last";
    if (args->position_count == 0) {
        error_set(&err, ERROR_USAGE, "answer needs RUN: meshproof status lists them");
        return command_fail(&err);
    }
    /* "last": the only one that goes on. */
    one.position_count = strcmp(args->positions[0], only) == 0 ? 0 : 1;
    if (!read_words(args, &said, &err))
        return command_fail(&err);
    if (!steered_pick(&one, &picked, &err)) {
        steered_release(&picked);
        return command_fail(&err);
    }
    int code = EXIT_PASS;
    if (picked.count == 0)
        code = steered_none(&one);
    else if (!talk(args, &picked.notes[0], &said, &err))
        code = command_fail(&err);
    steered_release(&picked);
    return code;
}

const struct command command_answer = {
    .name = "answer",
    .about = "List what a run asks of people, or answer it.",
    .positions = "RUN [NUMBER] [yes|no|TEXT]",
    .options = answer_options,
    .option_count = COUNT_OF(answer_options),
    .exits = "0 listed, or answered  4 no such run goes on  64 the run takes no such answer",
    .example = "meshproof answer 7c1e4a90 3 yes --as alice",
    .run = run,
};
