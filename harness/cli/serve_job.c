#include "cli/serve_job.h"

#include "base/clock.h"
#include "cli/command.h"
#include "cli/folders.h"
#include "cli/live_note.h"
#include "cli/prepare.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGV_MOST (20 + 4 * SERVE_PARAMS_MOST)
#define TOLD_MOST_BYTES 4096

static void on_child_exit(void *cookie, const struct error *why)
{
    struct serve_job *j = cookie;
    (void)why; /* its outcome says more, and its log is kept */
    j->runs = false;
    j->ended_s = clock_wall_ns() / NS_PER_S;
    memcpy(j->latest, j->run, sizeof(j->latest));
    j->run[0] = '\0';
    j->on_end(j->cookie, j->latest);
}

bool serve_job_start(struct serve_job *j, const struct serve_ask *ask, bool *ret_busy,
                     struct error *err)
{
    char journal[64], told[64], log[64];
    const char *argv[ARGV_MOST] = {"/proc/self/exe", "run", ask->suite, "--plain", "--quiet"};
    size_t n = 5;
    uint64_t unused;
    *ret_busy = j->runs || !live_may_run(err);
    if (*ret_busy)
        return j->runs ? error_set(err, ERROR_INPUT, "run %s goes on: one at a time", j->run)
                       : false;
    if (!folders_make(RUNS_FOLDER "/", err))
        return false;
    seed_of_text(NULL, j->run, &unused);
    j->halted = false;
    snprintf(journal, sizeof(journal), RUNS_FOLDER "/%s.db", j->run);
    snprintf(told, sizeof(told), RUNS_FOLDER "/%s.json", j->run);
    snprintf(log, sizeof(log), RUNS_FOLDER "/%s.log", j->run);
    const char *own[] = {"--run", j->run, "--output", journal, "--termination-log", told};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        argv[n++] = own[i];
    if (ask->mode[0] != '\0') {
        const char *place[] = {"--on", "kubernetes", "--mode", ask->mode};
        for (size_t i = 0; i < COUNT_OF(place); i++)
            argv[n++] = place[i];
    }
    for (size_t i = 0; i < ask->set_count; i++) {
        argv[n++] = "--set";
        argv[n++] = ask->sets[i];
    }
    for (size_t i = 0; i < ask->tag_count; i++) {
        argv[n++] = "--tag";
        argv[n++] = ask->tags[i];
    }
    j->runs =
        child_start(&j->child, j->loop, &(const struct child_program){.argv = argv, .log = log},
                    on_child_exit, j, err);
    if (!j->runs)
        j->run[0] = '\0';
    return j->runs;
}

void serve_job_halt(struct serve_job *j)
{
    if (!j->runs)
        return;
    j->halted = true;
    kill(j->child.pid, SIGINT);
}

static bool is_run(const char *run)
{
    return strlen(run) == 8 && strspn(run, "0123456789abcdef") == 8;
}

json_t *serve_job_told(const struct serve_job *j, const char *run)
{
    char path[64];
    json_error_t why;
    struct stat st;
    if (!is_run(run))
        return NULL;
    if (j->runs && strcmp(run, j->run) == 0)
        return json_pack("{s:s, s:s}", "run", run, "state", "running");
    snprintf(path, sizeof(path), RUNS_FOLDER "/%s.json", run);
    bool good = stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= TOLD_MOST_BYTES;
    json_t *told = good ? json_load_file(path, 0, &why) : NULL;
    if (json_is_object(told) && json_is_integer(json_object_get(told, "exit"))) {
        json_object_set_new(told, "run", json_string(run));
        json_object_set_new(told, "state", json_string("done"));
        return told;
    }
    json_decref(told);
    if (strcmp(run, j->latest) != 0)
        return NULL;
    /* A run takes the signal by itself from before its first process on; one that died of it had
     * done nothing yet. */
    if (j->halted)
        return json_pack("{s:s, s:s, s:s, s:i, s:s}", "run", run, "state", "done", "verdict",
                         "ABORTED", "exit", EXIT_ABORTED, "first", "halted before it began");
    /* It ended without a word of its own: killed, or never begun. */
    return json_pack("{s:s, s:s, s:s, s:i, s:s}", "run", run, "state", "done", "verdict", "BROKEN",
                     "exit", EXIT_BUG, "first", "the run ended without an outcome; its log tells");
}

uint16_t serve_job_status(int exit_code)
{
    switch (exit_code) {
    case EXIT_PASS:
        return 200;
    case EXIT_FAIL:
        return 409;
    case EXIT_INCONCLUSIVE:
        return 425;
    case EXIT_ABORTED:
        return 410;
    case EXIT_SURROUNDINGS:
    case EXIT_USAGE:
    case EXIT_JOURNAL:
        return 424;
    default:
        return 500;
    }
}
