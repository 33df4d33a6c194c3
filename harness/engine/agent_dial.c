#include "engine/agent.h"

#include "base/clock.h"
#include "engine/dial.h"
#include "engine/health.h"
#include "engine/fleet.h"
#include "world/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* An agent that dials its conductor: the channel that may break and come back, the health port, and
 * the stub that a proxy starts beside itself (kubernetes.md 0 (5)). */

#define STUB_ENDS_WITHIN_NS (5 * NS_PER_S)
#define STUB_DIES_WITHIN_NS (2 * NS_PER_S)

struct agent_dial {
    struct agent *agent;
    struct dial *dial;
    struct health health;
    struct hold away_hold, stub_hold;
    pid_t stub;  /* 0: none */
    bool killed; /* it has been, by a fault, or has ended as it was told to */
    bool paused, ending;
    bool met; /* the conductor has answered once */
};

static ssize_t send_some(void *cookie, const void *from, size_t size)
{
    struct carrier *w = cookie;
    return w->send(w, from, size);
}

static uint64_t took(void *cookie)
{
    const struct agent_dial *d = cookie;
    return d->agent->reader.taken;
}

/* Between fork and exec. */
NORETURN static void become_companion(const char *role, const struct agent_options *o)
{
    char *argv[] = {"meshproof",
                    "agent",
                    (char *)(uintptr_t)role,
                    "--id",
                    (char *)(uintptr_t)o->id,
                    "--conductor",
                    (char *)(uintptr_t)o->conductor,
                    "--psk-file",
                    (char *)(uintptr_t)o->psk_file,
                    "--health",
                    "none",
                    NULL};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv("/proc/self/exe", argv);
    _exit(127);
}

static bool start_stub(struct agent_dial *d, struct error *err)
{
    pid_t pid = fork();
    if (pid == 0)
        become_companion(strcmp(d->agent->role->name, "load") == 0 ? "mesh" : "stub",
                         d->agent->options);
    if (pid < 0)
        return error_system(err, errno, "starting the stub");
    d->stub = pid;
    return true;
}

/* Without its backend an endpoint is none. */
static void on_child(int signo, void *cookie)
{
    struct agent_dial *d = cookie;
    struct agent *a = d->agent;
    struct error why = {0};
    int status;
    (void)signo;
    if (d->stub == 0 || waitpid(d->stub, &status, WNOHANG) != d->stub)
        return;
    d->stub = 0;
    loop_hold_remove(a->loop, &d->stub_hold);
    if (d->ending)
        d->killed = true;
    else if (!a->draining && !a->gone) { /* without a conductor it has its own end */
        error_set(&why, ERROR_PEER, "its stub ended (%s %d)",
                  WIFSIGNALED(status) ? "killed by signal" : "exit",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        agent_fail(a, &why);
    }
    agent_finish(a);
}

static void on_stub_late(struct hold *h, uint64_t now_ns)
{
    struct agent_dial *d =
        (struct agent_dial *)((char *)h - offsetof(struct agent_dial, stub_hold));
    (void)now_ns;
    if (d->stub != 0)
        kill(d->stub, SIGKILL);
}

bool agent_dial_is_alone(struct agent *a)
{
    struct agent_dial *d = a->dial;
    if (d == NULL || d->stub == 0)
        return true;
    if (hold_is_idle(&d->stub_hold))
        loop_hold_add(a->loop, &d->stub_hold, clock_now_ns() + STUB_ENDS_WITHIN_NS, on_stub_late);
    return false;
}

void agent_dial_terminate(struct agent *a)
{
    struct agent_dial *d = a->dial;
    if (d == NULL || d->stub == 0)
        return;
    kill(d->stub, SIGTERM);
    if (d->paused)
        kill(d->stub, SIGCONT);
}

/* It cannot be told to the conductor, so it is told here. */
static void give_up(struct agent_dial *d, const struct error *why)
{
    fprintf(stderr, "meshproof agent %s %s: %s\n", d->agent->role->name, d->agent->options->id,
            why->text);
    d->agent->exit_code = 1;
    d->agent->gone = true;
    loop_stop(d->agent->loop);
}

static void on_open(void *cookie, struct carrier *take_wire, uint64_t at, bool stub)
{
    struct agent_dial *d = cookie;
    struct agent *a = d->agent;
    struct error err = {0};
    loop_hold_remove(a->loop, &d->away_hold);
    a->away = false;
    d->met = true;
    bool ok = agent_take_wire(a, take_wire, &err);
    if (ok && !recorder_resume(a->recorder, at, send_some, take_wire))
        ok = error_set(&err, ERROR_PEER, "the conductor asks for what is not kept any more");
    if (ok && stub && d->stub == 0)
        ok = start_stub(d, &err);
    if (!ok)
        give_up(d, &err);
}

static bool kill_stub(struct agent_dial *d, struct error *err)
{
    struct process p;
    struct error unsent = {0};
    pid_t pid = d->stub;
    if (!process_read(pid, &p, err))
        return false;
    if (!process_signal(&p, SIGKILL, &unsent) && process_lives(&p)) /* else it has just ended */
        return error_set(err, unsent.kind, "%s", unsent.text);
    if (!process_wait_end(&p, STUB_DIES_WITHIN_NS, err))
        return false;
    d->stub = 0; /* so that its SIGCHLD is no news */
    d->killed = true;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return true;
}

/* False ${stop}: it goes on. */
static bool pause_stub(struct agent_dial *d, bool stop, struct error *err)
{
    struct process p;
    if (d->paused == stop || d->stub == 0)
        return true;
    if (!process_read(d->stub, &p, err) || !(stop ? process_stop(&p, err) : process_go_on(&p, err)))
        return false;
    d->paused = stop;
    return true;
}

static bool run_stub(struct agent_dial *d, struct error *err)
{
    if (d->ending && d->stub != 0 && !kill_stub(d, err)) /* it has said BYE, and is not seen dead */
        return false;
    d->ending = false;
    if (!d->killed)
        return pause_stub(d, false, err);
    d->killed = d->paused = false;
    return start_stub(d, err);
}

bool agent_dial_backend(struct agent *a, const char *wanted, struct error *err)
{
    struct agent_dial *d = a->dial;
    if (d == NULL || (d->stub == 0 && !d->killed))
        return wanted[0] == '\0' || error_set(err, ERROR_PEER, "ARM: there is no backend of ours");
    if (wanted[0] == '\0')
        return run_stub(d, err);
    if (strcmp(wanted, "dead") == 0)
        return d->stub == 0 || kill_stub(d, err);
    if (strcmp(wanted, "paused") == 0)
        return pause_stub(d, true, err);
    d->ending = strcmp(wanted, "ending") == 0;
    return d->ending ||
           error_set(err, ERROR_PEER,
                     "ARM: backend is \"%.20s\"; it must be dead, paused or ending", wanted);
}

static void on_failed(void *cookie, const struct error *why)
{
    struct agent_dial *d = cookie;
    if (!d->met)
        give_up(d, why); /* else it is away_hold that ends the waiting */
}

/* Its conductor is dead: out of the mesh's set (but for one that stays), and a plain relay for as
 * long as the linger. */
static void on_away_long(struct hold *h, uint64_t now_ns)
{
    struct agent_dial *d =
        (struct agent_dial *)((char *)h - offsetof(struct agent_dial, away_hold));
    (void)now_ns;
    dial_stop(d->dial);
    if (!d->agent->options->stays)
        health_close(&d->health);
    agent_orphaned(d->agent);
}

bool agent_dial_again(struct agent *a)
{
    struct agent_dial *d = a->dial;
    struct error err = {0};
    uint64_t until_ns =
        clock_now_ns() + (a->setup == NULL ? FLEET_FIRST_WITHIN_NS : FLEET_BACK_WITHIN_NS);
    if (d == NULL)
        return false;
    recorder_park(a->recorder);
    if (a->draining) {
        health_close(&d->health);
        return false;
    }
    /* Without a conductor nothing stands still; when it is back, its ARM says what does. */
    if (!pause_stub(d, false, &err))
        agent_fail(a, &err);
    loop_hold_add(a->loop, &d->away_hold, until_ns, on_away_long);
    dial_start(d->dial, until_ns);
    return true;
}

void agent_in_service(struct agent *a)
{
    struct error err = {0};
    if (a->dial != NULL && !a->draining && !health_open(&a->dial->health, &err))
        agent_fail(a, &err);
}

bool agent_dial_open(struct agent *a, struct error *err)
{
    static const struct dial_events events = {took, on_open, on_failed};
    const struct agent_options *o = a->options;
    struct psk psk;
    struct agent_dial *d = check_alloc_zero(1, sizeof(*d));
    a->dial = d;
    d->agent = a;
    health_init(&d->health, a->loop, o->health);
    if (!psk_read(o->psk_file, &psk, err))
        return false;
    bool ok =
        dial_new(a->loop, o->conductor, &psk, a->role->name, o->id, &events, d, &d->dial, err) &&
        loop_signal(a->loop, SIGCHLD, on_child, d, err);
    psk_wipe(&psk);
    if (ok)
        dial_start(d->dial, clock_now_ns() + FLEET_FIRST_WITHIN_NS);
    return ok;
}

void agent_dial_stop(struct agent *a)
{
    struct agent_dial *d = a->dial;
    if (d == NULL)
        return;
    loop_hold_remove(a->loop, &d->away_hold);
    loop_hold_remove(a->loop, &d->stub_hold);
    health_close(&d->health);
    if (d->dial != NULL)
        dial_stop(d->dial);
}

void agent_dial_free(struct agent *a)
{
    if (a->dial == NULL)
        return;
    dial_free(a->dial->dial);
    free(a->dial);
}
