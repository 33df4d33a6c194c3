#include "standalone/proxy_fleet.h"

#include "base/clock.h"
#include "standalone/proxy_stats.h"
#include "standalone/proxy_worker.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 10000
#define STOP_NS (3 * NS_PER_S)

struct worker {
    struct watch watch; /* first */
    struct proxy_fleet *fleet;
    pid_t child;
    int fd;
    int status;
    bool ended;
};
struct proxy_fleet {
    struct worker *workers;
    unsigned count;
    struct proxy_set_remote remote;
    void (*on_end)(void *cookie, const struct error *why);
    void *cookie;
    bool draining, bad;
};

static bool wait_child(struct worker *w, int flags)
{
    pid_t done;
    if (w->child <= 0)
        return true;
    do {
        done = waitpid(w->child, &w->status, flags);
    } while (done < 0 && errno == EINTR);
    if (done == w->child)
        w->child = 0;
    return w->child == 0;
}

/* Our end is closed by it, or by us: what became of the process? */
static bool say_ended(struct worker *w, struct error *err)
{
    unsigned number = (unsigned)(w - w->fleet->workers) + 1;
    for (int tries = 0; !wait_child(w, WNOHANG) && tries < 20; tries++)
        (void)poll(NULL, 0, 50);
    if (w->child != 0)
        return error_set(err, ERROR_SYSTEM, "worker %u does not answer", number);
    if (WIFSIGNALED(w->status))
        return error_set(err, ERROR_SYSTEM, "worker %u was ended by signal %d", number,
                         WTERMSIG(w->status));
    return error_set(err, ERROR_SYSTEM, "worker %u ended with exit code %d", number,
                     WEXITSTATUS(w->status));
}

static bool ask(struct worker *w, const json_t *order, struct error *err)
{
    if (w->ended || !worker_send(w->fd, order))
        return say_ended(w, err);
    return true;
}

/* The caller's reference. */
static json_t *answer_of(struct worker *w, struct error *err)
{
    struct pollfd wait = {.fd = w->fd, .events = POLLIN};
    int ready;
    do {
        ready = w->ended ? 0 : poll(&wait, 1, ANSWER_MS);
    } while (ready < 0 && errno == EINTR);
    json_t *answer = ready == 1 ? worker_receive(w->fd) : NULL;
    if (answer == NULL)
        say_ended(w, err);
    return answer;
}

/* To all first, so that they work at the same time. ${sum}, may be NULL: of their answers' stats.
 */
static bool order_all(struct proxy_fleet *f, const json_t *order, json_t *sum, struct error *err)
{
    bool ok = true;
    unsigned asked = 0;
    while (ok && asked < f->count)
        ok = ask(&f->workers[asked++], order, err);
    for (unsigned i = 0; ok && i < asked; i++) {
        json_t *answer = answer_of(&f->workers[i], err);
        const char *why = json_string_value(json_object_get(answer, "error"));
        ok = answer != NULL;
        if (why != NULL)
            ok = error_set(err, ERROR_SYSTEM, "worker %u: %s", i + 1, why);
        if (ok && sum != NULL)
            proxy_stats_merge(sum, json_object_get(answer, "stats"));
        json_decref(answer);
    }
    return ok;
}

static void end_badly(struct proxy_fleet *f, const struct error *why)
{
    if (f->bad)
        return;
    f->bad = true;
    if (f->on_end != NULL)
        f->on_end(f->cookie, why);
}

static bool remote_apply(void *cookie, const json_t *order, struct error *err)
{
    struct error why = {0};
    struct proxy_fleet *f = cookie;
    if (order_all(f, order, NULL, &why))
        return true;
    end_badly(f, &why); /* some have the change and some have not: no state to go on with */
    return error_set(err, why.kind, "%s", why.text);
}

static json_t *remote_collect(void *cookie)
{
    struct error why = {0};
    struct proxy_fleet *f = cookie;
    json_t *order = json_pack("{sb}", "stats", 1), *sum = json_object();
    if (!order_all(f, order, sum, &why)) {
        end_badly(f, &why);
        json_decref(sum);
        sum = NULL;
    }
    json_decref(order);
    return sum;
}

const struct proxy_set_remote *proxy_fleet_remote(struct proxy_fleet *f)
{
    return &f->remote;
}

static bool start_worker(struct proxy_fleet *f, unsigned i, const struct proxy_host_config *config,
                         struct proxy_scribe *scribe, struct error *err)
{
    int pair[2];
    struct worker *w = &f->workers[i];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return error_system(err, errno, "a socket for worker %u", i + 1);
    w->child = fork();
    if (w->child == 0) {
        for (unsigned k = 0; k < i; k++)
            close(f->workers[k].fd);
        close(pair[0]);
        struct proxy_host_config own = *config;
        own.remote = NULL;
        own.recorder_fd = scribe == NULL ? -1 : proxy_scribe_fd(scribe, i);
        if (scribe != NULL)
            proxy_scribe_keep(scribe, i);
        worker_main(i + 1, pair[1], &own);
    }
    close(pair[1]);
    w->fd = pair[0];
    return w->child > 0 || error_system(err, errno, "starting worker %u", i + 1);
}

bool proxy_fleet_start(const struct proxy_host_config *config, struct proxy_scribe *scribe,
                       struct proxy_fleet **ret, struct error *err)
{
    struct proxy_fleet *f = check_alloc_zero(1, sizeof(*f));
    f->count = config->workers;
    f->workers = check_alloc_zero(f->count, sizeof(*f->workers));
    f->remote =
        (struct proxy_set_remote){.apply = remote_apply, .collect = remote_collect, .cookie = f};
    for (unsigned i = 0; i < f->count; i++) {
        f->workers[i].fleet = f;
        f->workers[i].fd = f->workers[i].watch.fd = -1;
    }
    for (unsigned i = 0; i < f->count; i++) {
        if (start_worker(f, i, config, scribe, err))
            continue;
        (void)proxy_fleet_free(f, &(struct error){0});
        return false;
    }
    *ret = f;
    return true;
}

/* Outside of order_all a worker never speaks: this is its end. */
static void on_worker(struct watch *watch, unsigned what)
{
    struct worker *w = (struct worker *)(void *)watch;
    struct proxy_fleet *f = w->fleet;
    struct error why = {0};
    unsigned left = 0;
    (void)what;
    loop_watch_remove(watch);
    w->ended = true;
    say_ended(w, &why);
    bool well = w->child == 0 && WIFEXITED(w->status) && WEXITSTATUS(w->status) == 0;
    for (unsigned i = 0; i < f->count; i++)
        left += !f->workers[i].ended;
    if (!f->draining || !well)
        end_badly(f, &why);
    else if (left == 0 && f->on_end != NULL)
        f->on_end(f->cookie, NULL);
}

bool proxy_fleet_watch(struct proxy_fleet *f, struct loop *loop,
                       void (*on_end)(void *cookie, const struct error *why), void *cookie,
                       struct error *err)
{
    f->on_end = on_end;
    f->cookie = cookie;
    for (unsigned i = 0; i < f->count; i++)
        if (!loop_watch_add_level(loop, &f->workers[i].watch, f->workers[i].fd, on_worker, err))
            return false;
    return true;
}

void proxy_fleet_drain(struct proxy_fleet *f, uint64_t within_ns)
{
    json_t *order = json_pack("{sI}", "drain", (json_int_t)within_ns);
    f->draining = true;
    for (unsigned i = 0; i < f->count; i++)
        if (!f->workers[i].ended)
            (void)worker_send(f->workers[i].fd, order); /* one that is gone is seen by its watch */
    json_decref(order);
}

bool proxy_fleet_free(struct proxy_fleet *f, struct error *err)
{
    bool ok = true;
    if (f == NULL)
        return true;
    for (unsigned i = 0; i < f->count; i++) {
        struct worker *w = &f->workers[i];
        loop_watch_remove(&w->watch);
        if (w->fd >= 0)
            close(w->fd); /* which ends it */
        w->fd = -1;
    }
    for (unsigned i = 0; i < f->count; i++) {
        struct worker *w = &f->workers[i];
        uint64_t until_ns = clock_now_ns() + STOP_NS;
        while (!wait_child(w, WNOHANG) && clock_now_ns() < until_ns)
            (void)poll(NULL, 0, 10);
        if (w->child > 0) {
            kill(w->child, SIGKILL);
            (void)wait_child(w, 0);
        }
        if (!WIFEXITED(w->status) || WEXITSTATUS(w->status) != 0)
            ok = error_set(err, ERROR_SYSTEM, "worker %u did not end well", i + 1);
    }
    free(f->workers);
    free(f);
    return ok;
}
