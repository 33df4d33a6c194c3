#include "standalone/proxy_scribe.h"

#include "base/clock.h"
#include "base/log.h"
#include "journal/frame.h"
#include "journal/store.h"
#include "plan/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MOST 256
#define COMMIT_EVERY_MS 200
#define READ_BYTES ((size_t)256 * 1024)

struct proxy_scribe {
    pid_t child;
    int status_fd; /* the child's words: "ok", then what went wrong */
    int *fds;
    unsigned workers;
};

/* The child's side of one worker. */
struct source_of {
    struct scribe *scribe;
    struct frame_reader reader;
    uint32_t proc;
    bool said_bye;
};
struct scribe {
    const struct proxy_scribe_config *config;
    struct store *store;
    struct pollfd poll[WORKERS_MOST];
    struct source_of source[WORKERS_MOST];
    json_t *counts;
};

static bool write_event(struct scribe *s, struct bytes body, struct error *err)
{
    json_t *event = json_loadb((const char *)body.at, body.len, 0, NULL);
    const char *word = json_string_value(json_object_get(event, "event"));
    char *text = json_dumps(json_object_get(event, "json"), JSON_COMPACT);
    bool ok = word == NULL || text == NULL ||
              store_event(s->store, 1, word, text,
                          (uint64_t)json_integer_value(json_object_get(event, "t")), err);
    free(text);
    json_decref(event);
    return ok;
}

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct source_of *from = cookie;
    if (frame->kind == PROXY_SCRIBE_BYE) {
        json_t *counts = json_loadb((const char *)body.at, body.len, 0, NULL);
        char name[16];
        snprintf(name, sizeof(name), "%u", from->proc);
        from->said_bye = counts != NULL;
        if (counts != NULL)
            json_object_set_new(from->scribe->counts, name, counts);
        return true;
    }
    if (frame->kind == PROXY_SCRIBE_EVENT)
        return write_event(from->scribe, body, err);
    return store_frame(from->scribe->store, from->proc, frame->seq, frame->kind, body, err);
}

static bool write_head(struct scribe *s, struct error *err)
{
    const struct proxy_scribe_config *c = s->config;
    char host[256] = "";
    json_t *argv = json_array();
    gethostname(host, sizeof(host) - 1);
    for (size_t i = 0; i < c->argc; i++) {
        json_t *word = json_string(c->argv[i]);
        json_array_append_new(argv, word == NULL ? json_string("?") : word);
    }
    json_t *run = json_pack("{ss ss sI ss so sI ss*}", "run", c->run, "seed", c->seed_text,
                            "seed_number", (json_int_t)c->seed, "version", c->version, "argv", argv,
                            "wall_ns", (json_int_t)clock_wall_ns(), "host", host);
    struct plan *plan = plan_new();
    plan->suite = "proxy";
    json_t *plan_json = plan_to_json(plan);
    char *run_text = json_dumps(run, JSON_COMPACT),
         *plan_text = json_dumps(plan_json, JSON_COMPACT);
    bool ok = run_text != NULL && plan_text != NULL && store_run(s->store, run_text, err) &&
              store_plan(s->store, plan_text, err) &&
              store_policy(s->store, "{\"edges\":[],\"findings\":[]}", err) &&
              store_phase_begin(s->store, 1, 0, "subject", "proxy", 0, clock_now_ns(), err);
    for (unsigned i = 0; ok && i < c->workers; i++)
        ok = store_proc(s->store, s->source[i].proc, "proxy", "subject", "proxy", getppid(), err);
    free(run_text);
    free(plan_text);
    json_decref(run);
    json_decref(plan_json);
    plan_free(plan);
    return ok && store_commit(s->store, err);
}

/* False: an error. At its end the descriptor is -1, which poll passes over. */
static bool read_some(struct scribe *s, unsigned i, uint8_t *room, struct error *err)
{
    ssize_t n = recv(s->poll[i].fd, room, READ_BYTES, 0);
    if (n > 0)
        return frame_reader_feed(&s->source[i].reader, (struct bytes){room, (size_t)n}, err);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    close(s->poll[i].fd);
    s->poll[i].fd = -1;
    return true;
}

static bool read_all(struct scribe *s, struct error *err)
{
    uint8_t *room = check_alloc(READ_BYTES);
    uint64_t commit_ns = clock_now_ns() + COMMIT_EVERY_MS * NS_PER_MS;
    unsigned open = s->config->workers;
    bool ok = true;
    while (ok && open > 0) {
        int ready = poll(s->poll, s->config->workers, COMMIT_EVERY_MS);
        if (ready < 0 && errno != EINTR)
            ok = error_system(err, errno, "waiting for records");
        open = 0;
        for (unsigned i = 0; ok && i < s->config->workers; i++) {
            if (ready > 0 && s->poll[i].fd >= 0 && s->poll[i].revents != 0)
                ok = read_some(s, i, room, err);
            open += s->poll[i].fd >= 0;
        }
        if (ok && clock_now_ns() >= commit_ns) {
            ok = store_commit(s->store, err);
            commit_ns = clock_now_ns() + COMMIT_EVERY_MS * NS_PER_MS;
        }
    }
    free(room);
    return ok;
}

static bool write_end(struct scribe *s, struct error *err)
{
    const char *how = "complete";
    for (unsigned i = 0; i < s->config->workers; i++)
        if (!s->source[i].said_bye)
            how = "aborted: a process of the proxy ended without its last word";
    json_t *end = json_pack("{sO}", "counts", s->counts);
    char *text = json_dumps(end, JSON_COMPACT);
    bool ok = store_phase_end(s->store, 1, strcmp(how, "complete") == 0 ? "clock" : "abort",
                              clock_now_ns(), err) &&
              store_end(s->store, how, text, clock_now_ns(), err);
    free(text);
    json_decref(end);
    return ok;
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno != EINTR)
            return;
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
}

/* Only the end of the recorders ends it: signals of the terminal are its parent's. */
NORETURN static void child_main(const struct proxy_scribe_config *config, const int *fds,
                                int status_fd)
{
    struct scribe *s = check_alloc_zero(1, sizeof(*s));
    struct error err = {0};
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    s->config = config;
    s->counts = json_object();
    for (unsigned i = 0; i < config->workers; i++) {
        s->poll[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        s->source[i].scribe = s;
        s->source[i].proc = i + 2; /* 1 is a conductor's */
        frame_reader_init(&s->source[i].reader, on_frame, &s->source[i]);
    }
    bool ok = store_open(config->path, &s->store, &err) && write_head(s, &err);
    if (ok)
        say(status_fd, "ok");
    ok = ok && read_all(s, &err) && write_end(s, &err);
    if (s->store != NULL && !store_close(s->store, ok, ok ? &err : NULL))
        ok = false;
    if (!ok)
        say(status_fd, err.text);
    for (unsigned i = 0; i < config->workers; i++)
        frame_reader_release(&s->source[i].reader);
    json_decref(s->counts);
    free(s);
    _exit(ok ? 0 : 1);
}

/* The child's first words: "ok", or why not. */
static bool wait_ready(struct proxy_scribe *s, const char *path, struct error *err)
{
    char text[256] = "";
    ssize_t n;
    do {
        n = read(s->status_fd, text, sizeof(text) - 1);
    } while (n < 0 && errno == EINTR);
    if (n == 2 && memcmp(text, "ok", 2) == 0)
        return true;
    error_set(err, ERROR_SYSTEM, "%s", n > 0 ? text : "its writer ended at once");
    error_prefix(err, "%s: ", path);
    return false;
}

static bool pairs_open(struct proxy_scribe *s, int *child_fds, struct error *err)
{
    for (unsigned i = 0; i < s->workers; i++)
        s->fds[i] = child_fds[i] = -1;
    for (unsigned i = 0; i < s->workers; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            return error_system(err, errno, "a socket for the journal");
        s->fds[i] = pair[0];
        child_fds[i] = pair[1];
        (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    }
    return true;
}

static void fds_close(int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
}

bool proxy_scribe_start(const struct proxy_scribe_config *config, struct proxy_scribe **ret,
                        struct error *err)
{
    INVARIANT(config->workers <= WORKERS_MOST);
    struct proxy_scribe *s = check_alloc_zero(1, sizeof(*s));
    int status[2] = {-1, -1}, *child_fds = check_alloc(config->workers * sizeof(int));
    s->workers = config->workers;
    s->status_fd = -1;
    s->fds = check_alloc(config->workers * sizeof(int));
    bool ok = pairs_open(s, child_fds, err);
    if (ok && pipe2(status, O_CLOEXEC) != 0)
        ok = error_system(err, errno, "a pipe for the journal");
    s->status_fd = status[0];
    s->child = ok ? fork() : -1;
    if (ok && s->child < 0)
        ok = error_system(err, errno, "starting the writer of the journal");
    if (s->child == 0) {
        fds_close(s->fds, s->workers);
        close(status[0]);
        child_main(config, child_fds, status[1]);
    }
    fds_close(child_fds, config->workers);
    free(child_fds);
    if (status[1] >= 0)
        close(status[1]);
    if (ok && wait_ready(s, config->path, err)) {
        *ret = s;
        return true;
    }
    (void)proxy_scribe_finish(s, &(struct error){0});
    return false;
}

int proxy_scribe_fd(const struct proxy_scribe *s, unsigned index)
{
    return s->fds[index];
}

void proxy_scribe_keep(struct proxy_scribe *s, unsigned index)
{
    for (unsigned i = 0; i < s->workers; i++)
        if (i != index)
            fds_close(&s->fds[i], 1);
}

bool proxy_scribe_finish(struct proxy_scribe *s, struct error *err)
{
    char text[256] = "";
    int status = 0;
    size_t len = 0;
    ssize_t n = 0;
    fds_close(s->fds, s->workers);
    do {
        n = s->status_fd < 0 ? 0 : read(s->status_fd, text + len, sizeof(text) - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && len < sizeof(text) - 1) || (n < 0 && errno == EINTR));
    if (s->status_fd >= 0)
        close(s->status_fd);
    pid_t done = 0;
    while (s->child > 0 && (done = waitpid(s->child, &status, 0)) < 0 && errno == EINTR) {
    }
    bool ok = s->child > 0 && done == s->child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    free(s->fds);
    free(s);
    return ok || error_set(err, ERROR_SYSTEM, "the journal is not whole: %s",
                           len > 0 ? text : "its writer was stopped");
}
