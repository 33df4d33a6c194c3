#include "engine/fleet_processes.h"

#include "engine/place_local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEY_FD 3
#define KEY_PATH "/proc/self/fd/3"
#define HELLO_WITHIN_NS (60 * NS_PER_S)
#define ENDS_WITHIN_NS (3 * NS_PER_S)
#define ARGUMENTS_MOST 16

struct made {
    char id[FLEET_ID_BYTES], how[64];
    pid_t pid; /* 0: it has ended */
    bool reported;
};
struct processes {
    struct fleet fleet; /* first */
    const char *program;
    struct made made[FLEET_AGENTS_MOST];
    size_t count;
};

/* The key as a file without a name. */
static bool make_key(const char *text, int *ret, struct error *err)
{
    int fd = memfd_create("meshproof-key", MFD_CLOEXEC);
    size_t len = strlen(text);
    if (fd >= 0 && write(fd, text, len) == (ssize_t)len) {
        *ret = fd;
        return true;
    }
    int sys = errno;
    if (fd >= 0)
        close(fd);
    return error_system(err, sys, "handing the agents' key on");
}

/* Between fork and exec: only what is safe there. */
NORETURN static void become(const char *program, char *const argv[], int key)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* the terminal's ^C is the conductor's */
    signal(SIGPIPE, SIG_IGN);
    if (key == KEY_FD ? fcntl(key, F_SETFD, 0) == 0 : dup2(key, KEY_FD) == KEY_FD)
        execv(program, argv);
    _exit(127);
}

static bool start_one(struct processes *p, const struct fleet_agent *agent,
                      const struct fleet_call *call, int key, struct error *err)
{
    char id[FLEET_ID_BYTES], conductor[64];
    char *argv[ARGUMENTS_MOST] = {"meshproof", "agent"};
    size_t n = 2;
    snprintf(id, sizeof(id), "%s", agent->id);
    snprintf(conductor, sizeof(conductor), "%s", call->conductor);
    argv[n++] = agent->role == FLEET_LOAD ? "load" : "proxy";
    argv[n++] = "--id";
    argv[n++] = id;
    if (agent->role == FLEET_ENDPOINT) {
        argv[n++] = "--listen";
        argv[n++] = "127.0.0.1:0";
    }
    argv[n++] = "--conductor";
    argv[n++] = conductor;
    argv[n++] = "--psk-file";
    argv[n++] = KEY_PATH;
    argv[n++] = "--health"; /* one port cannot be that of all */
    argv[n++] = "127.0.0.1:0";
    argv[n] = NULL;
    pid_t pid = fork();
    if (pid == 0)
        become(p->program, argv, key);
    if (pid < 0)
        return error_system(err, errno, "starting agent %s", id);
    struct made *m = &p->made[p->count++];
    *m = (struct made){.pid = pid};
    snprintf(m->id, sizeof(m->id), "%s", agent->id);
    return true;
}

static bool start(struct fleet *f, const struct fleet_agent *agents, size_t count,
                  const struct fleet_call *call, struct error *err)
{
    struct processes *p = (struct processes *)(void *)f;
    int key = -1;
    INVARIANT(count <= FLEET_AGENTS_MOST);
    p->count = 0;
    if (!make_key(call->psk, &key, err))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = start_one(p, &agents[i], call, key, err);
    close(key);
    return ok;
}

static bool has_ended(struct made *m)
{
    if (m->pid != 0 && place_local_ended(m->pid, m->how, sizeof(m->how)))
        m->pid = 0;
    return m->pid == 0;
}

static bool reap(struct fleet *f, char ret_id[FLEET_ID_BYTES])
{
    struct processes *p = (struct processes *)(void *)f;
    for (size_t i = 0; i < p->count; i++) {
        struct made *m = &p->made[i];
        if (m->reported || !has_ended(m))
            continue;
        m->reported = true;
        snprintf(ret_id, FLEET_ID_BYTES, "%s", m->id);
        return true;
    }
    return false;
}

static void fate(struct fleet *f, const char *id, char *to, size_t size)
{
    struct processes *p = (struct processes *)(void *)f;
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->made[i].id, id) == 0 && has_ended(&p->made[i]))
            snprintf(to, size, "%s", p->made[i].how);
}

static bool all_ended(struct processes *p)
{
    bool all = true;
    for (size_t i = 0; i < p->count; i++)
        all = has_ended(&p->made[i]) && all;
    return all;
}

static void signal_all(const struct processes *p, int signo)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->made[i].pid != 0)
            kill(p->made[i].pid, signo);
}

/* Most have said BYE and end by themselves; SIGTERM makes the others drain. */
static bool end(struct fleet *f, struct error *err)
{
    struct processes *p = (struct processes *)(void *)f;
    uint64_t until_ns = clock_now_ns() + ENDS_WITHIN_NS;
    signal_all(p, SIGTERM);
    while (!all_ended(p) && clock_now_ns() < until_ns)
        poll(NULL, 0, 5);
    signal_all(p, SIGKILL);
    until_ns = clock_now_ns() + ENDS_WITHIN_NS;
    while (!all_ended(p) && clock_now_ns() < until_ns)
        poll(NULL, 0, 5);
    bool good = true;
    for (size_t i = 0; good && i < p->count; i++)
        good = strcmp(p->made[i].how, "exit 0") == 0 ||
               error_set(err, ERROR_PEER, "agent %s ended: %s", p->made[i].id, p->made[i].how);
    p->count = 0;
    return good;
}

struct fleet *fleet_processes_new(const char *program)
{
    struct processes *p = check_alloc_zero(1, sizeof(*p));
    p->program = program;
    p->fleet = (struct fleet){.listen = "127.0.0.1:0",
                              .hello_within_ns = HELLO_WITHIN_NS,
                              .start = start,
                              .fate = fate,
                              .end = end,
                              .reap = reap};
    return &p->fleet;
}

void fleet_processes_free(struct fleet *f)
{
    free(f);
}
