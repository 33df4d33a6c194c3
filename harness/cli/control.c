#include "cli/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/control_peer.h"
#include "cli/control_state.h"
#include "cli/live_note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct control {
    struct live_note note;
    bool noted;
    char folder[256];   /* of the socket, when it has one of its own; "" */
    int fd, spare_fd;   /* spare: for who comes when there is none left (shed) */
    struct watch watch; /* on the listener */
    struct loop *loop;  /* NULL: not yet, or not any more */
    struct steer *steer;
    struct control_state state;
    struct control_peer *peers[CONTROL_PEERS_MOST];
    struct loop_task push;
    int exit_code;
};

/* --- the socket --- */

/* What a dead run left there: nobody listens. */
static void remove_stale(const struct sockaddr_un *at)
{
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && lstat(at->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 && errno == ECONNREFUSED)
        unlink(at->sun_path);
    if (fd >= 0)
        close(fd);
}

static bool bind_at(struct control *c, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path))
        return false;
    memcpy(at.sun_path, path, strlen(path) + 1);
    remove_stale(&at);
    mode_t was = umask(0177); /* from the first moment on */
    bool ok = bind(c->fd, (const struct sockaddr *)&at, sizeof(at)) == 0;
    umask(was);
    if (ok)
        snprintf(c->note.socket, sizeof(c->note.socket), "%s", path);
    return ok;
}

static bool bind_apart(struct control *c, struct error *err)
{
    const char *tmp = getenv("TMPDIR");
    char path[300];
    snprintf(c->folder, sizeof(c->folder), "%.200s/meshproof-XXXXXX",
             tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
    if (mkdtemp(c->folder) == NULL) {
        int sys = errno;
        error_system(err, sys, "making %s for the control socket", c->folder);
        c->folder[0] = '\0';
        return false;
    }
    snprintf(path, sizeof(path), "%s/control.sock", c->folder);
    return bind_at(c, path) || error_system(err, errno, "binding the control socket %s", path);
}

static bool absolute(const char *path, char *to, size_t size, struct error *err)
{
    char here[900] = "";
    if (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)
        return error_system(err, errno, "the working directory");
    if ((size_t)snprintf(to, size, "%s%s%s", here, path[0] == '/' ? "" : "/", path) < size)
        return true;
    return error_set(err, ERROR_LIMIT, "the journal's path has more than %zu bytes", size - 1);
}

static bool listen_here(struct control *c, struct error *err)
{
    char path[sizeof(c->note.journal) + 8];
    size_t len = strlen(c->note.journal);
    bool db = len > 3 && strcmp(c->note.journal + len - 3, ".db") == 0;
    snprintf(path, sizeof(path), "%.*s.sock", (int)(db ? len - 3 : len), c->note.journal);
    c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return error_system(err, errno, "making the control socket");
    if (!bind_at(c, path) && !bind_apart(c, err))
        return false;
    return listen(c->fd, CONTROL_PEERS_MOST) == 0 ||
           error_system(err, errno, "listening at %s", c->note.socket);
}

/* Runs that keep their journal elsewhere need nothing to be written here. */
static bool is_read_only(int sys)
{
    return sys == EROFS || sys == EACCES || sys == EPERM;
}

bool control_open(const char *run, const char *suite, const char *journal, struct control **ret,
                  struct error *err)
{
    struct control *c = check_alloc_zero(1, sizeof(*c));
    *ret = c;
    c->fd = c->spare_fd = -1;
    snprintf(c->note.run, sizeof(c->note.run), "%s", run);
    snprintf(c->note.suite, sizeof(c->note.suite), "%s", suite);
    c->note.started_wall_ns = clock_wall_ns();
    control_state_init(&c->state);
    struct error why = {0}, deaf = {0};
    if (!absolute(journal, c->note.journal, sizeof(c->note.journal), &deaf) ||
        !process_read(getpid(), &c->note.process, &deaf) || !listen_here(c, &deaf))
        log_warn("control", "this run cannot be steered: %s", deaf.text);
    /* In this order: who locks, and halts all runs that there are, misses none. */
    bool noted = live_note_write(&c->note, &why);
    if (!noted && is_read_only(why.sys))
        log_warn("control", "this run cannot be found by others: %s", why.text);
    bool ok = noted || is_read_only(why.sys) || error_set(err, why.kind, "%s", why.text);
    c->noted = noted;
    if (ok && live_may_run(err))
        return true;
    control_close(c, 0);
    *ret = NULL;
    return false;
}

/* --- its peers --- */

static json_t *status(const struct control *c)
{
    json_t *json = control_state_json(&c->state);
    json_object_set_new(json, "run", json_string(c->note.run));
    json_object_set_new(json, "suite", json_string(c->note.suite));
    json_object_set_new(json, "journal", json_string(c->note.journal));
    json_object_set_new(json, "pid", json_integer(getpid()));
    json_object_set_new(json, "started_wall_ns", json_integer((json_int_t)c->note.started_wall_ns));
    if (c->state.phase[0] != '\0' && c->loop != NULL)
        json_object_set_new(
            json, "phase_ms",
            json_integer((json_int_t)((loop_now_ns(c->loop) - c->state.phase_t0_ns) / NS_PER_MS)));
    if (strcmp(c->state.word, "done") == 0)
        json_object_set_new(json, "exit", json_integer(c->exit_code));
    return json;
}

static json_t *answer_status(void *cookie, const json_t *ask)
{
    (void)ask;
    return status(cookie);
}

static json_t *on_request(void *cookie, struct control_peer *peer, const json_t *ask)
{
    struct control *c = cookie;
    const char *verb = json_string_value(json_object_get(ask, "verb"));
    if (verb == NULL || strcmp(verb, "watch") != 0)
        return steer_ask(c->steer, ask);
    size_t watchers = 0;
    for (size_t i = 0; i < CONTROL_PEERS_MOST; i++)
        watchers += c->peers[i] != NULL && control_peer_watches(c->peers[i]);
    if (watchers >= CONTROL_WATCHERS_MOST && !control_peer_watches(peer))
        return json_pack("{sb ss}", "ok", false, "error", "as many watch as may; try again later");
    control_peer_watch(peer);
    json_t *answer = status(c);
    json_object_set_new(answer, "ok", json_true());
    return answer;
}

static void on_peer_gone(void *cookie, struct control_peer *peer)
{
    struct control *c = cookie;
    for (size_t i = 0; i < CONTROL_PEERS_MOST; i++)
        if (c->peers[i] == peer)
            c->peers[i] = NULL;
}

static bool is_ours(int fd)
{
    struct ucred who = {0};
    socklen_t len = sizeof(who);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

/* There is no descriptor for who knocks: it would be told so again at each turn. The one that was
 * kept for this lets it in, and out. */
static void shed(struct control *c)
{
    close(c->spare_fd);
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    c->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_connect(struct watch *w, unsigned what)
{
    struct control *c = (struct control *)((char *)w - offsetof(struct control, watch));
    struct error err = {0};
    (void)what;
    int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        shed(c);
        return;
    }
    if (fd < 0)
        return;
    size_t i = 0;
    while (i < CONTROL_PEERS_MOST && c->peers[i] != NULL)
        i++;
    if (i == CONTROL_PEERS_MOST || !is_ours(fd)) {
        close(fd);
        return;
    }
    static const struct control_peer_events events = {on_request, on_peer_gone};
    c->peers[i] = control_peer_new(c->loop, fd, &events, c, &err);
}

static void push_all(struct control *c)
{
    json_t *json = status(c);
    c->state.changed = false;
    for (size_t i = 0; i < CONTROL_PEERS_MOST; i++)
        if (c->peers[i] != NULL && control_peer_watches(c->peers[i]))
            control_peer_send(c->peers[i], json);
    json_decref(json);
}

static void on_push(struct loop_task *t)
{
    push_all((struct control *)((char *)t - offsetof(struct control, push)));
}

/* --- the run's side --- */

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    struct control *c = cookie;
    struct error err = {0};
    c->steer = steer;
    c->push.run = on_push;
    steer_serve(steer, "status", answer_status, c);
    if (c->fd >= 0 && loop_watch_add_level(loop, &c->watch, c->fd, on_connect, &err))
        c->loop = loop;
}

/* Those who watch still wait for the exit code. */
static void on_end(void *cookie)
{
    struct control *c = cookie;
    if (c->loop == NULL)
        return;
    c->state.changed = true;
    loop_task_cancel(c->loop, &c->push);
    push_all(c);
    for (size_t i = 0; i < CONTROL_PEERS_MOST; i++)
        if (c->peers[i] != NULL)
            control_peer_leave_loop(c->peers[i]);
    loop_watch_remove(&c->watch);
    loop_settle(c->loop);
    c->loop = NULL;
    c->steer = NULL;
}

static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    struct control *c = cookie;
    control_state_row(&c->state, from, kind, record);
    if (c->state.changed && c->loop != NULL)
        loop_defer(c->loop, &c->push);
}

struct onlooker control_onlooker(struct control *c)
{
    return (struct onlooker){
        .on_begin = on_begin, .on_end = on_end, .on_record = on_record, .cookie = c};
}

/* Who came while nobody listened is told as well, unasked. */
static void tell_late(struct control *c, const json_t *last)
{
    int fd;
    while ((fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (is_ours(fd))
            control_peer_tell(fd, last);
        close(fd);
    }
}

void control_close(struct control *c, int exit_code)
{
    if (c == NULL)
        return;
    c->state.word = "done";
    c->exit_code = exit_code;
    json_t *last = status(c);
    /* Before they are told: what they look for next is not there any more. */
    if (c->noted)
        live_note_remove(c->note.run);
    if (c->note.socket[0] != '\0')
        unlink(c->note.socket);
    for (size_t i = 0; i < CONTROL_PEERS_MOST; i++) {
        if (c->peers[i] == NULL)
            continue;
        control_peer_tell(control_peer_fd(c->peers[i]), last);
        control_peer_free(c->peers[i]);
    }
    if (c->fd >= 0) {
        tell_late(c, last);
        close(c->fd);
    }
    if (c->spare_fd >= 0)
        close(c->spare_fd);
    if (c->folder[0] != '\0')
        rmdir(c->folder);
    json_decref(last);
    control_state_release(&c->state);
    free(c);
}
