#include "world/undo_lab.h"

#include "base/clock.h"

#include <unistd.h>

#define DIES_WITHIN_NS (2 * NS_PER_S)

/* The lab's processes are the run's own children, and go when it goes. */

json_t *undo_lab_note(const char *what, const char *place, const struct process *run)
{
    return json_pack("{ss ss so}", "what", what, "place", place, "run", process_note(run));
}

static bool still_there(const json_t *note, bool *ret, struct error *err)
{
    struct process run;
    bool gone;
    if (!process_from_note(json_object_get(note, "run"), &run, &gone, err))
        return false;
    *ret = !gone;
    return true;
}

static bool revert(const json_t *note, enum undo_result *ret_result, struct error *err)
{
    struct process run;
    bool gone;
    struct error unended = {0};
    if (!process_from_note(json_object_get(note, "run"), &run, &gone, err))
        return false;
    /* Who dies closes its sockets first: the guardian hears of the end before it is one. */
    if (!gone && run.pid != getpid())
        gone = process_wait_end(&run, DIES_WITHIN_NS, &unended);
    *ret_result = UNDO_GONE;
    return gone || error_set(err, ERROR_SYSTEM, "only its run can start it again, and has not");
}

static void print(const json_t *note, char *to, size_t size)
{
    const char *what = json_string_value(json_object_get(note, "what")),
               *place = json_string_value(json_object_get(note, "place"));
    snprintf(to, size, "%.40s of %.100s", what == NULL ? "?" : what, place == NULL ? "?" : place);
}

const struct undo_type undo_lab = {
    .name = "lab",
    .back = "up",
    .revert = revert,
    .still_there = still_there,
    .print = print,
};
