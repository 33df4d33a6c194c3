#include "engine/conductor.h"

#include "base/clock.h"
#include "base/units.h"

#include <signal.h>
#include <unistd.h>

#define PAUSE_MOST_NS (30 * 60 * NS_PER_S)

static bool on_steer_abort(void *cookie, const struct error *why, struct error *err)
{
    struct conductor *c = cookie;
    if (c->stopping != STOPPING_NOT)
        return error_set(err, ERROR_INPUT, "the run is ending already");
    conductor_stop(c, STOPPING_ABORT, why, conductor_recover_ns(c));
    return true;
}

static void on_pause_late(struct hold *h, uint64_t now_ns)
{
    struct conductor *c = (struct conductor *)((char *)h - offsetof(struct conductor, pause_hold));
    struct error why = {0};
    char span[32];
    units_print_duration(now_ns - c->paused_ns, span, sizeof(span));
    error_set(&why, ERROR_LIMIT, "it was paused for %s, and no pause is longer", span);
    conductor_stop(c, STOPPING_ABORT, &why, conductor_recover_ns(c));
}

void conductor_event(void *cookie, const char *what, json_t *take_json)
{
    struct conductor *c = cookie;
    struct error err = {0};
    if (!store_event_json(c->store, 0, what, take_json, loop_now_ns(c->loop), &err))
        conductor_stop(c, STOPPING_BROKEN, &err, 0);
}

static void tell_steered(struct conductor *c, const char *what, const char *who)
{
    conductor_event(c, what, json_pack("{ss}", "who", who));
    if (c->walk_count > 0)
        walk_tell(c->walks[0], what, "by %s", who);
}

static bool on_steer_pause(void *cookie, const char *who, struct error *err)
{
    struct conductor *c = cookie;
    uint64_t most_ns = c->options->pause_most_ns == 0 ? PAUSE_MOST_NS : c->options->pause_most_ns;
    bool any = false;
    if (c->paused)
        return error_set(err, ERROR_INPUT, "the run is paused already");
    for (size_t i = 0; i < c->walk_count; i++)
        any = any || c->walks[i]->state < WALK_RECOVERING;
    if (c->stopping != STOPPING_NOT || !any)
        return error_set(err, ERROR_INPUT, "the run is ending already");
    c->paused = true;
    c->paused_ns = loop_now_ns(c->loop);
    loop_hold_add(c->loop, &c->pause_hold, c->paused_ns + most_ns, on_pause_late);
    tell_steered(c, "pause", who);
    for (size_t i = 0; i < c->walk_count; i++)
        walk_pause(c->walks[i]);
    return true;
}

static bool on_steer_resume(void *cookie, const char *who, struct error *err)
{
    struct conductor *c = cookie;
    if (!c->paused)
        return error_set(err, ERROR_INPUT, "the run is not paused");
    c->paused = false;
    loop_hold_remove(c->loop, &c->pause_hold);
    tell_steered(c, "resume", who);
    for (size_t i = 0; i < c->walk_count; i++)
        walk_resume(c->walks[i]);
    loop_defer(c->loop, &c->step); /* a walk may have waited for it */
    return true;
}

const struct steer_acts conductor_steer_acts = {.abort = on_steer_abort,
                                                .pause = on_steer_pause,
                                                .resume = on_steer_resume,
                                                .note = conductor_event};

static void on_usr1(int signo, void *cookie)
{
    struct conductor *c = cookie;
    struct error err = {0};
    (void)signo;
    if (!(c->paused ? on_steer_resume : on_steer_pause)(c, "SIGUSR1", &err) && c->walk_count > 0)
        walk_tell(c->walks[0], "steer", "SIGUSR1: %s", err.text);
}

/* First: undo, and let the load see recovery. Second: undo at once. Third: leave; what was changed
 * in the world is the guardian's to undo, and the agents' faults end with them. */
static void on_signal(int signo, void *cookie)
{
    struct conductor *c = cookie;
    struct error why = {0};
    c->signals++;
    error_set(&why, ERROR_SYSTEM, "%s",
              signo == SIGINT   ? "interrupted"
              : signo == SIGHUP ? "the terminal is gone"
                                : "terminated");
    if (c->signals >= 3) {
        c->context.leaving = true;
        for (size_t i = 0; i < c->walk_count; i++)
            walk_kill(c->walks[i]);
        loop_stop(c->loop);
    }
    conductor_stop(c, STOPPING_ABORT, &why, c->signals == 1 ? conductor_recover_ns(c) : 0);
}

static void on_hangup(int signo, void *cookie)
{
    const struct conductor *c = cookie;
    if (c->on_terminal)
        on_signal(signo, cookie);
}

static void on_child(int signo, void *cookie)
{
    struct conductor *c = cookie;
    (void)signo;
    for (size_t i = 0; i < c->walk_count; i++)
        walk_reap(c->walks[i]);
}

/* Who was told to ignore it (nohup) does. */
static bool take_hangup(struct conductor *c, struct error *err)
{
    struct sigaction now;
    if (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
        return true;
    c->on_terminal = isatty(STDIN_FILENO) == 1 || isatty(STDERR_FILENO) == 1;
    return loop_signal(c->loop, SIGHUP, on_hangup, c, err);
}

bool conductor_take_signals(struct conductor *c, struct error *err)
{
    static const int ends[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (!loop_signal(c->loop, ends[i], on_signal, c, err))
            return false;
    return take_hangup(c, err) && loop_signal(c->loop, SIGUSR1, on_usr1, c, err) &&
           loop_signal(c->loop, SIGCHLD, on_child, c, err);
}
