#include "engine/agent.h"

#include "base/clock.h"
#include "base/outlet.h"
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TICK_NS (50 * NS_PER_MS)
#define ORPHAN_DRAIN_NS (2 * NS_PER_S)
#define SILENCE_MOST_NS (15 * NS_PER_S) /* three exchanges of the clock */
#define READ_A_TURN_BYTES ((size_t)256 * 1024)
/* Half of the clock's range: what is said of a clock that nothing is known of. */
#define OFFSET_UNKNOWN_NS (INT64_MAX / 2)

/* One that dials ends when the conductor has all of its stream, or has closed: what is written to a
 * connection is not read yet. */
void agent_finish(struct agent *a)
{
    bool flushed =
        a->dial == NULL ? !recorder_pending(a->recorder) : recorder_is_empty(a->recorder);
    if (a->drained && (a->gone || flushed) && agent_dial_is_alone(a))
        loop_stop(a->loop);
}

static void start_drain(struct agent *a, uint64_t within_ns)
{
    if (a->draining)
        return;
    a->draining = true;
    a->role->drain(a, clock_now_ns() + within_ns);
}

static void on_linger_over(struct hold *h, uint64_t now_ns)
{
    struct agent *a = (struct agent *)((char *)h - offsetof(struct agent, linger_hold));
    (void)now_ns;
    start_drain(a, a->linger_ns == 0 ? 0 : ORPHAN_DRAIN_NS);
}

/* A fault without a witness is damage: off with them now. Relaying goes on for a while, so that our
 * death does not break the mesh (engine.md section 6). */
void agent_lose_conductor(struct agent *a)
{
    if (a->gone || a->away)
        return;
    loop_task_cancel(a->loop, &a->again);
    loop_watch_remove(&a->watch);
    if (a->wire != NULL)
        a->wire->close(a->wire);
    a->wire = NULL;
    a->away = agent_dial_again(a);
    a->gone = !a->away;
    if (a->role->orphan != NULL)
        a->role->orphan(a);
    if (a->gone)
        agent_orphaned(a);
}

void agent_orphaned(struct agent *a)
{
    a->gone = true;
    a->away = false;
    if (!a->draining)
        loop_hold_add(a->loop, &a->linger_hold, clock_now_ns() + a->linger_ns, on_linger_over);
    agent_finish(a);
}

static void flush_records(struct agent *a)
{
    if (!a->gone && !recorder_flush(a->recorder))
        agent_lose_conductor(a);
    agent_finish(a);
}

void agent_send(struct agent *a, uint8_t kind, json_t *take_json)
{
    char *text = json_dumps(take_json, JSON_COMPACT);
    struct error err = {0};
    json_decref(take_json);
    INVARIANT(text != NULL);
    if (!a->gone && !recorder_control(a->recorder, kind, bytes_of(text), &err))
        agent_lose_conductor(a);
    free(text);
}

void agent_ready(struct agent *a, json_t *take_addresses)
{
    agent_send(a, CONTROL_READY, json_pack("{so}", "addresses", take_addresses));
}

void agent_fail(struct agent *a, const struct error *why)
{
    char text[320];
    error_format(why, text, sizeof(text));
    record_clean_text(text, strlen(text));
    a->exit_code = 1;
    agent_send(a, CONTROL_FAILED, json_pack("{ss}", "error", text));
    start_drain(a, ORPHAN_DRAIN_NS);
}

void agent_drained(struct agent *a)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    if (a->drained)
        return;
    recorder_flush(a->recorder); /* pays for what was lost, so that the counts are the last ones */
    json_t *counts = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(
            counts, types[i].name,
            json_integer((json_int_t)recorder_count(a->recorder, (enum record_kind)types[i].kind)));
    a->drained = true;
    agent_send(a, CONTROL_BYE, json_pack("{so}", "counts", counts));
    agent_finish(a);
}

const char *agent_need_text(const json_t *value, const char *what, struct error *err)
{
    const char *text = json_string_value(value);
    if (text == NULL)
        error_set(err, ERROR_PEER, "%s is not text", what);
    return text;
}

static void emit_clock(struct agent *a, int64_t lo, int64_t hi)
{
    struct clock_identity clock;
    char host[256] = "";
    clock_identity_read(&clock);
    gethostname(host, sizeof(host) - 1);
    struct clock_record r = {.at = clock_now_ns(),
                             .offset_lo = lo,
                             .offset_hi = hi,
                             .time_ns_inode = clock.time_ns_inode};
    r.boot_id = recorder_name(a->recorder, bytes_of(clock.boot_id));
    r.host = recorder_name(a->recorder, bytes_of(host));
    recorder_emit(a->recorder, RECORD_CLOCK, &r);
}

static void on_stall(const struct stall_seen *stall, void *cookie)
{
    struct agent *a = cookie;
    struct stall_record r = {.at = stall->due_ns,
                             .fired = stall->fired_ns - stall->due_ns,
                             .run_delay = stall->run_delay_ns,
                             .turn = stall->turn_ns};
    recorder_emit(a->recorder, RECORD_STALL, &r);
}

static bool take_setup(struct agent *a, json_t *body, struct error *err)
{
    struct clock_identity clock;
    uint64_t run;
    if (a->setup != NULL)
        return error_set(err, ERROR_PEER, "SETUP came twice");
    if (!bytes_hex_to_u64(bytes_of(control_text(body, "run")), &run) || run > UINT32_MAX)
        return error_set(err, ERROR_PEER, "SETUP: \"run\" is not eight hex digits");
    a->setup = json_incref(body);
    a->run = (uint32_t)run;
    a->proc = (uint32_t)control_number(body, "proc");
    a->seed = control_number(body, "seed");
    a->draw_base = control_number(body, "draw_base");
    a->linger_ns = control_number(body, "linger_ns");
    a->service = control_text(body, "service");
    clock_identity_read(&clock);
    bool same = strcmp(clock.boot_id, control_text(body, "boot_id")) == 0 &&
                clock.time_ns_inode == control_number(body, "time_ns_inode");
    emit_clock(a, same ? 0 : -OFFSET_UNKNOWN_NS, same ? 0 : OFFSET_UNKNOWN_NS);
    loop_on_stall(a->loop, on_stall, a);
    return a->role->setup(a, body, err);
}

static void take_clock(struct agent *a, const json_t *body, uint64_t t2_ns)
{
    if (json_object_get(body, "lo") != NULL && json_object_get(body, "hi") != NULL)
        emit_clock(a, (int64_t)control_number(body, "lo"), (int64_t)control_number(body, "hi"));
    agent_send(a, CONTROL_CLOCK,
               json_pack("{sI sI sI sI}", "t1", (json_int_t)control_number(body, "t1"), "t2",
                         (json_int_t)t2_ns, "took", (json_int_t)a->reader.taken, "t3",
                         (json_int_t)clock_now_ns()));
}

static bool take_control(struct agent *a, uint8_t kind, json_t *body, struct error *err)
{
    if (kind == CONTROL_SETUP)
        return a->draining || take_setup(a, body, err);
    if (kind == CONTROL_CLOCK) {
        take_clock(a, body, clock_now_ns());
        return true;
    }
    if (kind == CONTROL_COMMITTED) {
        recorder_acknowledge(a->recorder, control_number(body, "at"));
        agent_finish(a);
        return true;
    }
    if (kind == CONTROL_DRAIN) {
        start_drain(a, control_number(body, "within_ns"));
        return true;
    }
    if (a->setup == NULL)
        return error_set(err, ERROR_PEER, "%s came before SETUP", control_name(kind));
    if (a->role->control == NULL)
        return error_set(err, ERROR_PEER, "%s is not for a %s agent", control_name(kind),
                         a->role->name);
    return a->draining || a->role->control(a, kind, body, err);
}

static bool on_frame(void *cookie, const struct frame *frame, struct bytes bytes, struct error *err)
{
    struct agent *a = cookie;
    json_t *body;
    if (frame->kind >= RECORD_NAME)
        return error_set(err, ERROR_PEER, "the conductor sent a record");
    if (!control_parse(frame->kind, bytes, FROM_CONDUCTOR, &body, err))
        return false;
    bool ok = take_control(a, frame->kind, body, err);
    json_decref(body);
    return ok;
}

static void read_in(struct agent *a)
{
    struct error err = {0};
    for (size_t taken = 0; a->wire != NULL;) {
        uint8_t bytes[16 * 1024]; /* not the loop's scratch: a message may make the role use that */
        if (taken >= READ_A_TURN_BYTES) {
            loop_again(a->loop, &a->again);
            return;
        }
        ssize_t n = a->wire->recv(a->wire, bytes, sizeof(bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            agent_lose_conductor(a);
            return;
        }
        taken += (size_t)n;
        a->heard_ns = clock_now_ns();
        if (!frame_reader_feed(&a->reader, (struct bytes){bytes, (size_t)n}, &err)) {
            agent_fail(a, &err);
            return;
        }
    }
}

static void on_event(struct watch *w, unsigned what)
{
    struct agent *a = (struct agent *)((char *)w - offsetof(struct agent, watch));
    if ((what & WATCH_WRITE) != 0)
        flush_records(a);
    if ((what & (WATCH_READ | WATCH_CLOSED)) != 0)
        read_in(a);
}

static void on_again(struct loop_task *t)
{
    struct agent *a = (struct agent *)((char *)t - offsetof(struct agent, again));
    flush_records(a);
    read_in(a);
}

/* A connection that nobody ended, as when the conductor's node is gone: it asks for the time each
 * 5 s. What is there is read first, for it may be us who did not run. */
static void mind_silence(struct agent *a, uint64_t now_ns)
{
    if (a->dial == NULL || a->wire == NULL || now_ns - a->heard_ns < SILENCE_MOST_NS)
        return;
    read_in(a);
    if (a->wire != NULL && now_ns - a->heard_ns >= SILENCE_MOST_NS && now_ns > a->heard_ns)
        agent_lose_conductor(a);
}

static void on_tick(struct hold *h, uint64_t now_ns)
{
    struct agent *a = (struct agent *)((char *)h - offsetof(struct agent, tick_hold));
    loop_hold_add(a->loop, h, now_ns + TICK_NS, on_tick);
    mind_silence(a, now_ns);
    flush_records(a);
}

static void on_terminate(int signo, void *cookie)
{
    (void)signo;
    start_drain(cookie, ORPHAN_DRAIN_NS);
    agent_dial_terminate(cookie);
}

bool agent_take_wire(struct agent *a, struct carrier *take_wire, struct error *err)
{
    a->wire = take_wire;
    frame_reader_restart(&a->reader); /* what it had of a message comes once more, whole */
    a->heard_ns = clock_now_ns();
    if (!loop_watch_add(a->loop, &a->watch, take_wire->fd, on_event, err))
        return false;
    loop_again(a->loop, &a->again); /* TLS may hold what epoll knows nothing of */
    return true;
}

/* A child of the conductor: its socket is there. */
static bool take_socket(struct agent *a, struct error *err)
{
    int fd = a->options->fd, flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return error_system(err, errno, "--fd %d", fd);
    a->recorder = recorder_new(fd, 0);
    if (!agent_take_wire(a, carrier_plain(fd), err))
        return false;
    agent_send(a, CONTROL_HELLO, hello_make(a->role->name));
    return true;
}

static bool open_parts(struct agent *a, struct error *err)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* the terminal's ^C is the conductor's */
    /* What the loop puts back when it goes: who has said BYE ends by its own exit code. */
    signal(SIGTERM, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    socket_raise_limit();
    a->again.run = on_again;
    a->service = "";
    frame_reader_init(&a->reader, on_frame, a);
    if (!loop_new(&a->loop, err) || !loop_signal(a->loop, SIGTERM, on_terminate, a, err))
        return false;
    loop_hold_add(a->loop, &a->tick_hold, clock_now_ns() + TICK_NS, on_tick);
    if (a->options->fd >= 0)
        return take_socket(a, err);
    a->recorder = recorder_new(-1, 0);
    recorder_keep(a->recorder);
    return agent_dial_open(a, err);
}

static void release(struct agent *a)
{
    if (a->loop != NULL) {
        a->role->release(a);
        loop_on_stall(a->loop, NULL, NULL);
        loop_hold_remove(a->loop, &a->tick_hold);
        loop_hold_remove(a->loop, &a->linger_hold);
        agent_dial_stop(a);
        loop_watch_remove(&a->watch);
        loop_task_cancel(a->loop, &a->again);
    }
    if (a->wire != NULL)
        a->wire->close(a->wire);
    loop_free(a->loop);
    agent_dial_free(a);
    frame_reader_release(&a->reader);
    recorder_free(a->recorder);
    json_decref(a->setup);
}

int agent_main(const struct agent_options *options)
{
    static const struct agent_role *const roles[] = {&agent_proxy, &agent_load, &agent_stub,
                                                     &agent_mesh};
    const char *role = options->role;
    struct agent a = {.options = options};
    struct error err = {0};
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (strcmp(roles[i]->name, role) == 0)
            a.role = roles[i];
    if (a.role == NULL) {
        fprintf(stderr, "meshproof agent: no role \"%s\"; it must be proxy, load, stub or mesh\n",
                role);
        return 64;
    }
    outlet_hurry(); /* whoever reads our lines may have stopped to */
    if (!open_parts(&a, &err) || !loop_run(a.loop, &err)) {
        fprintf(stderr, "meshproof agent %s: %s\n", role, err.text);
        a.exit_code = 1;
    }
    release(&a);
    return a.exit_code;
}
