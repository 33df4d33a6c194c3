#include "cli/steered.h"

#include "cli/command.h"
#include "cli/prepare.h"

#include <stdlib.h>

bool steered_pick(const struct arguments *args, struct steered *ret, struct error *err)
{
    const char *run = args->position_count > 0 ? args->positions[0] : NULL;
    bool none, all = arguments_has(args, "all");
    *ret = (struct steered){NULL};
    if (args->position_count > 1)
        return error_set(err, ERROR_USAGE, "%s takes one RUN, not %zu", args->command->name,
                         args->position_count);
    if (run != NULL && all)
        return error_set(err, ERROR_USAGE, "%s takes RUN or --all, not both", args->command->name);
    if (all)
        return live_note_list(&ret->notes, &ret->count, err);
    ret->notes = check_alloc_zero(1, sizeof(*ret->notes));
    if (live_note_find(run, ret->notes, &none, err))
        ret->count = 1;
    if (run != NULL && none) { /* the text that --run took */
        char id[9];
        uint64_t unused;
        seed_of_text(run, id, &unused);
        if (live_note_find(id, ret->notes, &none, err))
            ret->count = 1;
    }
    return ret->count == 1 || none;
}

void steered_release(struct steered *s)
{
    free(s->notes);
    *s = (struct steered){NULL};
}

int steered_none(const struct arguments *args)
{
    struct error err = {0};
    if (args->position_count > 0)
        error_set(&err, ERROR_SYSTEM, "no run \"%.40s\" goes on here: meshproof status",
                  args->positions[0]);
    else
        error_set(&err, ERROR_SYSTEM, "no run goes on here");
    return command_fail(&err);
}

bool steered_watch(struct control_client *c, struct error *err)
{
    return control_client_send(c, json_pack("{ss}", "verb", "watch"), err);
}

enum steered_end steered_follow(struct control_client *c, uint64_t until_ns,
                                bool (*line)(void *cookie, const json_t *state), void *cookie,
                                int *ret_exit)
{
    *ret_exit = -1;
    for (;;) {
        json_t *state;
        enum control_read got = control_client_read(c, until_ns, &state);
        if (got != CONTROL_LINE)
            return got == CONTROL_LATE ? STEERED_LATE : STEERED_DIED;
        const json_t *exits = json_object_get(state, "exit");
        bool done = json_is_integer(exits);
        if (done)
            *ret_exit = (int)json_integer_value(exits);
        bool enough = line(cookie, state);
        json_decref(state);
        if (done || enough)
            return done ? STEERED_DONE : STEERED_ENOUGH;
    }
}
