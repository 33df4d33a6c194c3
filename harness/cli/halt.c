#include "cli/cluster.h"
#include "cli/cluster_left.h"
#include "cli/recover.h"
#include "cli/steered.h"

#include "base/clock.h"
#include "world/undo.h"

#include <dirent.h>
#include <stdlib.h>

/* meshproof halt: stops runs, and waits until all that they changed is back. */

static const struct option halt_options[] = {
#include "cli/cluster_reach.def"
    {"all", 0, NULL, NULL, "Choose", "every run that goes on here", NULL, false},
    {"lock", 0, "REASON", NULL, "Safety", "and let none begin until --unlock", NULL, false},
    {"unlock", 0, NULL, NULL, "Safety", "let runs begin again; stops nothing", NULL, false},
    {"as", 0, "NAME", NULL, "Choose", "who asks, for the journal (LOGNAME)", NULL, false},
    {"json", 0, NULL, NULL, "Results", "JSON: the last state of each run, and what is outstanding",
     NULL, false},
};

#define ANSWER_S 5

struct halting {
    struct live_note *note;
    struct control_client client;
    bool open, watched;
    bool refused; /* it goes on */
    bool ended;   /* its last word came as the answer */
    int exits;    /* then */
    json_t *last;
};

static bool keep_last(void *cookie, const json_t *state)
{
    struct halting *h = cookie;
    json_decref(h->last);
    h->last = json_deep_copy(state);
    return false;
}

static long long number(const json_t *state, const char *key)
{
    return (long long)json_integer_value(json_object_get(state, key));
}

static void print_end(const struct halting *h, int exits)
{
    long long off = number(h->last, "faults_off"), undone = number(h->last, "undone"),
              not_back = number(h->last, "not_back"), ms = number(h->last, "off_ms");
    printf("%lld fault%s off in %s%lld ms", off, off == 1 ? "" : "s", ms == 0 ? "under " : "",
           ms == 0 ? 1 : ms);
    if (undone + not_back > 0)
        printf(", %lld change%s undone, %s", undone, undone == 1 ? "" : "s",
               not_back == 0 ? "read back" : "NOT ALL READ BACK");
    printf("   exit %d\n", exits);
}

/* It was refused: for it is ending already, or for what was asked. */
static bool goes_on(struct halting *h)
{
    struct error err = {0};
    json_t *state = NULL;
    char word[20];
    if (!control_client_ask(&h->client, json_pack("{ss}", "verb", "status"), &state, &err))
        return false; /* its last word came meanwhile, or it is gone: the watch tells */
    control_client_text(state, "state", word, sizeof(word));
    json_decref(state);
    return strcmp(word, "starting") == 0 || strcmp(word, "running") == 0 ||
           strcmp(word, "paused") == 0;
}

/* What the run answered to being asked to end. */
static void take_answer(struct halting *h, enum control_read read, json_t *take_answer)
{
    const json_t *code = json_object_get(take_answer, "exit");
    struct error err = {0};
    char why[256];
    if (read == CONTROL_LINE && json_is_integer(code)) { /* it was judging: that is its last word */
        h->ended = true;
        h->exits = (int)json_integer_value(code);
        h->last = take_answer;
        return;
    }
    if (read == CONTROL_LINE && json_is_false(json_object_get(take_answer, "ok"))) {
        control_client_text(take_answer, "error", why, sizeof(why));
        h->refused = goes_on(h);
        fprintf(stderr, "meshproof: run %s: %s\n", h->note->run, why);
    }
    if (read == CONTROL_LATE)
        fprintf(stderr, "meshproof: run %s: no answer in %d s\n", h->note->run, ANSWER_S);
    json_decref(take_answer);
    h->watched = read == CONTROL_LINE && !h->refused && steered_watch(&h->client, &err);
}

/* All are asked first: none runs on while another is waited for. */
static void ask(const struct arguments *args, struct halting *h)
{
    struct error err = {0};
    json_t *answer = NULL;
    char name[80];
    const char *who = arguments_get(args, "as"), *why = arguments_get(args, "lock");
    h->open = control_client_open(h->note, &h->client, &err);
    if (!h->open)
        return;
    json_t *asked = json_pack("{ss ss ss*}", "verb", "abort", "who",
                              who != NULL ? who : live_who(name, sizeof(name)), "why", why);
    if (asked == NULL || !control_client_send(&h->client, asked, &err)) {
        fprintf(stderr, "meshproof: run %s: %s\n", h->note->run,
                asked == NULL ? "the name or the reason is no text" : err.text);
        return;
    }
    enum control_read read =
        control_client_read(&h->client, clock_now_ns() + (uint64_t)ANSWER_S * NS_PER_S, &answer);
    take_answer(h, read, read == CONTROL_LINE ? answer : NULL);
}

static int wait_end(const struct arguments *args, struct halting *h)
{
    bool json = arguments_has(args, "json");
    int exits = -1;
    enum steered_end end = STEERED_DIED;
    if (!json) {
        printf("%s  %s   stopping ... ", h->note->run, h->note->suite);
        fflush(stdout);
    }
    if (h->ended) {
        end = STEERED_DONE;
        exits = h->exits;
    } else if (h->watched)
        end = steered_follow(&h->client, CONTROL_FOR_EVER, keep_last, h, &exits);
    if (end == STEERED_DONE && !json)
        print_end(h, exits);
    if (end != STEERED_DONE && !json)
        puts(h->refused ? "it goes on: it was not asked rightly"
                        : "it gives no word: it has died, or is stuck");
    if (h->last == NULL)
        h->last = json_pack("{ss ss}", "run", h->note->run, "state", "silent");
    json_object_del(h->last, "ok");
    return end == STEERED_DONE && exits != EXIT_NOT_UNDONE ? EXIT_PASS : EXIT_NOT_UNDONE;
}

static bool is_ledger(const char *name)
{
    size_t len = strlen(name), tail = strlen(LEDGER_TAIL);
    return len > tail && strcmp(name + len - tail, LEDGER_TAIL) == 0;
}

/* Changes that a ledger here still promises to undo. */
static size_t outstanding(void)
{
    DIR *folder = opendir(LEDGER_FOLDER);
    struct dirent *entry;
    size_t count = 0;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[400];
        struct undo_owner owner;
        struct error err = {0};
        snprintf(path, sizeof(path), LEDGER_FOLDER "/%s", entry->d_name);
        if (is_ledger(entry->d_name) && undo_peek(path, &owner, &err))
            count += owner.outstanding;
    }
    if (folder != NULL)
        closedir(folder);
    return count;
}

static int halt(const struct arguments *args, const struct steered *picked)
{
    struct halting *all = check_alloc_zero(picked->count + 1, sizeof(*all));
    json_t *list = json_array();
    int code = EXIT_PASS;
    for (size_t i = 0; i < picked->count; i++) {
        all[i].note = &picked->notes[i];
        ask(args, &all[i]);
    }
    for (size_t i = 0; i < picked->count; i++) {
        code = command_worse(wait_end(args, &all[i]), code);
        json_array_append_new(list, all[i].last);
        if (all[i].open)
            control_client_close(&all[i].client);
    }
    free(all);
    size_t left = outstanding();
    if (left > 0)
        code = EXIT_NOT_UNDONE;
    if (arguments_has(args, "json")) {
        json_t *json = json_pack("{so sI}", "runs", list, "outstanding", (json_int_t)left);
        json_dumpf(json, stdout, JSON_INDENT(1));
        fputc('\n', stdout);
        json_decref(json);
        return code;
    }
    json_decref(list);
    if (arguments_has(args, "all"))
        printf("%s. ", picked->count == 0 ? "nothing goes on here" : "all halted");
    printf("%zu change%s outstanding%s\n", left, left == 1 ? "" : "s",
           left == 0 ? "." : ": meshproof recover");
    return code;
}

static int unlock(const struct arguments *args)
{
    struct error err = {0};
    bool was;
    if (arguments_has(args, "lock") || arguments_has(args, "all") || args->position_count > 0)
        error_set(&err, ERROR_USAGE, "--unlock goes alone: it stops nothing");
    else if (live_unlock(&was, &err)) {
        if (arguments_has(args, "json"))
            printf("{\"unlocked\": %s}\n", was ? "true" : "false");
        else
            puts(was ? "unlocked: runs may begin again" : "no lock was there: runs may begin");
        return EXIT_PASS;
    }
    return command_fail(&err);
}

static int run(const struct arguments *args)
{
    struct error err = {0};
    struct steered picked = {NULL};
    char name[80];
    const char *reason = arguments_get(args, "lock"), *who = arguments_get(args, "as");
    if (cluster_asked(args))
        return cluster_halt(args);
    if (arguments_has(args, "unlock"))
        return unlock(args);
    if (reason != NULL &&
        !live_lock(reason, who != NULL ? who : live_who(name, sizeof(name)), &err))
        return command_fail(&err);
    int code;
    if (!steered_pick(args, &picked, &err))
        code = command_fail(&err);
    else if (picked.count == 0 && !arguments_has(args, "all") && reason == NULL)
        code = steered_none(args);
    else
        code = halt(args, &picked);
    if (reason != NULL && !arguments_has(args, "json"))
        puts("locked: no run begins here until meshproof halt --unlock");
    steered_release(&picked);
    return code;
}

const struct command command_halt = {
    .name = "halt",
    .about = "Stop runs at once, and wait until everything they changed is back.",
    .positions = "[RUN]",
    .options = halt_options,
    .option_count = COUNT_OF(halt_options),
    .exits = "0 all is undone  4 no such run  5 not everything is back  64 usage",
    .example = "meshproof halt --all --lock INC-2231",
    .run = run,
};
