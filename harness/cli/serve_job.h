#ifndef CLI_SERVE_JOB_H
#define CLI_SERVE_JOB_H

/* What `serve` has run: one run at a time, a child of the same program, and what became of it and
 * of those before. A run writes its outcome itself (--termination-log), as .meshproof/runs/ID.json,
 * so that GET /v1/runs/ID knows it after `serve` was started anew (/v1/verdict/latest does not). */

#include "cli/run_find.h"
#include "mesh/child.h"

#include <jansson.h>

#define SERVE_PARAMS_MOST 32
#define SERVE_TEXT_MOST 256

/* What was asked for, checked. */
struct serve_ask {
    char suite[1024]; /* a path below the suites' folder */
    char sets[SERVE_PARAMS_MOST][SERVE_TEXT_MOST], tags[SERVE_PARAMS_MOST][SERVE_TEXT_MOST];
    size_t set_count, tag_count;
    char mode[10]; /* "": where `serve` runs itself; else on the cluster: "canary", "interpose" */
};

struct serve_job {
    struct loop *loop;
    struct child child;
    bool runs, halted;      /* halted: the one that goes on, or ended last, was told to end */
    char run[9], latest[9]; /* the one that goes on, and the one that ended last; "": none */
    uint64_t ended_s;       /* wall time of ${latest} */
    void (*on_end)(void *cookie, const char *run);
    void *cookie;
};

/* False: one goes on (${ret_busy}), runs are locked (${ret_busy} too), or it cannot be started. */
bool serve_job_start(struct serve_job *j, const struct serve_ask *ask, bool *ret_busy,
                     struct error *err) WARN_UNUSED;
/* As a person's interrupt: it undoes everything, and ends. */
void serve_job_halt(struct serve_job *j);
/* {"run", "state": "running"} or what became of it: {"run", "state": "done", "verdict", "exit",
 * ...}. NULL: there is no such run. The caller's. */
json_t *serve_job_told(const struct serve_job *j, const char *run);
/* The HTTP status of an exit code: 200 pass, 409 fail, 425 inconclusive, 410 aborted, 424
 * surroundings or bad input, 500 not undone, or our bug. */
uint16_t serve_job_status(int exit_code);

#endif
