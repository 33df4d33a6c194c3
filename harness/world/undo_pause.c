#include "world/undo_pause.h"

json_t *undo_pause_note(const char *place, const struct process *p)
{
    return json_pack("{ss so}", "place", place, "process", process_note(p));
}

static bool still_there(const json_t *note, bool *ret, struct error *err)
{
    struct process p;
    bool gone;
    if (!process_from_note(json_object_get(note, "process"), &p, &gone, err))
        return false;
    *ret = !gone && process_state(&p) == 'T';
    return true;
}

/* Promised but not yet stopped: SIGCONT is sent all the same, for a SIGSTOP may be on its way. */
static bool revert(const json_t *note, enum undo_result *ret_result, struct error *err)
{
    struct process p;
    bool gone;
    if (!process_from_note(json_object_get(note, "process"), &p, &gone, err))
        return false;
    char before = gone ? 0 : process_state(&p);
    *ret_result = gone ? UNDO_GONE : before == 't' ? UNDO_DIVERGED : UNDO_DONE;
    if (*ret_result != UNDO_DONE)
        return true;
    if (!process_go_on(&p, err) && process_lives(&p))
        return false;
    if (before != 'T')
        *ret_result = UNDO_GONE;
    return true;
}

static void print(const json_t *note, char *to, size_t size)
{
    const char *place = json_string_value(json_object_get(note, "place"));
    snprintf(to, size, "process %.100s stopped", place == NULL ? "?" : place);
}

const struct undo_type undo_pause = {
    .name = "pause",
    .back = "running",
    .revert = revert,
    .still_there = still_there,
    .print = print,
};
