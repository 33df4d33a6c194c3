/* How many records a conductor takes from N agents that dial it, over loopback: the channel (TLS,
 * frames, acknowledgements), the checks and the journal, without load, proxies and mesh. Each agent
 * is a process that records tries at a given rate, as a proxy does.
 *
 *   bench_agents AGENTS RECORDS_PER_SECOND_OF_EACH SECONDS [JOURNAL]
 *
 * That the journal has what the agents counted, or says that it lost some, is the conductor's own
 * check (BYE). Exit 1: an agent was lost. */

#include "base/clock.h"
#include "engine/actor.h"
#include "engine/dial.h"
#include "engine/fleet.h"
#include "journal/recorder.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_NS (5 * NS_PER_MS)

static void die(const char *what, const struct error *err)
{
    fprintf(stderr, "bench_agents: %s: %s\n", what, err->text);
    exit(2);
}

/* ---- an agent ---- */

struct sender {
    struct loop *loop;
    struct dial *dial;
    struct recorder *recorder;
    struct carrier *wire;
    struct watch watch;
    struct frame_reader reader;
    struct hold tick;
    struct loop_task again;
    uint64_t per_second, begun_ns, emitted;
    bool on, over;
};

static void say(struct sender *s, uint8_t kind, json_t *take_json)
{
    struct error err = {0};
    char *text = json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    if (!recorder_control(s->recorder, kind, bytes_of(text), &err))
        exit(3);
    free(text);
}

static void on_tick(struct hold *h, uint64_t now_ns)
{
    struct sender *s = (struct sender *)((char *)h - offsetof(struct sender, tick));
    uint64_t due = (uint64_t)((double)(now_ns - s->begun_ns) / 1e9 * (double)s->per_second);
    for (; s->emitted < due; s->emitted++) {
        struct attempt_record r = {
            .at = now_ns, .id_lo = s->emitted, .out = 1000, .status = 200, .endpoint = 1};
        recorder_emit(s->recorder, RECORD_ATTEMPT, &r);
    }
    recorder_flush(s->recorder);
    if (s->on)
        loop_hold_add(s->loop, h, now_ns + TICK_NS, on_tick);
}

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct sender *s = cookie;
    json_t *json;
    if (!control_parse(frame->kind, body, FROM_CONDUCTOR, &json, err))
        return false;
    if (frame->kind == CONTROL_SETUP)
        say(s, CONTROL_READY, json_pack("{s[]}", "addresses"));
    if (frame->kind == CONTROL_CLOCK)
        say(s, CONTROL_CLOCK,
            json_pack("{sI sI sI sI}", "t1", (json_int_t)control_number(json, "t1"), "t2",
                      (json_int_t)clock_now_ns(), "t3", (json_int_t)clock_now_ns(), "took",
                      (json_int_t)s->reader.taken));
    if (frame->kind == CONTROL_START) {
        s->on = true;
        s->begun_ns = loop_now_ns(s->loop);
        loop_hold_add(s->loop, &s->tick, s->begun_ns, on_tick);
    }
    if (frame->kind == CONTROL_COMMITTED)
        recorder_acknowledge(s->recorder, control_number(json, "at"));
    if (frame->kind == CONTROL_DRAIN) {
        s->on = false;
        loop_hold_remove(s->loop, &s->tick);
        recorder_flush(s->recorder);
        say(s, CONTROL_BYE,
            json_pack("{s{sI sI}}", "counts", "attempt",
                      (json_int_t)recorder_count(s->recorder, RECORD_ATTEMPT), "lost",
                      (json_int_t)recorder_count(s->recorder, RECORD_LOST)));
    }
    json_decref(json);
    return true;
}

static void read_in(struct sender *s)
{
    uint8_t bytes[16 * 1024];
    struct error err = {0};
    for (;;) {
        ssize_t n = s->wire->recv(s->wire, bytes, sizeof(bytes));
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            loop_stop(s->loop);
            return;
        }
        if (!frame_reader_feed(&s->reader, (struct bytes){bytes, (size_t)n}, &err))
            exit(4);
    }
    recorder_flush(s->recorder);
}

static void on_event(struct watch *w, unsigned what)
{
    (void)what;
    read_in((struct sender *)((char *)w - offsetof(struct sender, watch)));
}

static void on_again(struct loop_task *t)
{
    read_in((struct sender *)((char *)t - offsetof(struct sender, again)));
}

static ssize_t send_some(void *cookie, const void *from, size_t size)
{
    struct carrier *w = cookie;
    return w->send(w, from, size);
}

static uint64_t took(void *cookie)
{
    (void)cookie;
    return 0;
}

static void on_open(void *cookie, struct carrier *take_wire, uint64_t at, bool stub)
{
    struct sender *s = cookie;
    struct error err = {0};
    (void)stub;
    s->wire = take_wire;
    if (!loop_watch_add(s->loop, &s->watch, take_wire->fd, on_event, &err) ||
        !recorder_resume(s->recorder, at, send_some, take_wire))
        exit(5);
    loop_again(s->loop, &s->again);
}

static void on_failed(void *cookie, const struct error *why)
{
    (void)cookie;
    die("dialling", why);
}

static int send_records(const char *conductor, const struct psk *psk, const char *id,
                        uint64_t per_second)
{
    static const struct dial_events events = {took, on_open, on_failed};
    struct error err = {0};
    struct sender s = {.per_second = per_second, .again = {.run = on_again}};
    signal(SIGPIPE, SIG_IGN);
    s.recorder = recorder_new(-1, 0);
    recorder_keep(s.recorder);
    frame_reader_init(&s.reader, on_frame, &s);
    if (!loop_new(&s.loop, &err) ||
        !dial_new(s.loop, conductor, psk, "load", id, &events, &s, &s.dial, &err))
        die("an agent", &err);
    dial_start(s.dial, clock_now_ns() + 60 * NS_PER_S);
    return loop_run(s.loop, &err) ? 0 : 1;
}

/* ---- the conductor ---- */

struct bench {
    struct loop *loop;
    struct store *store;
    struct intake *intake;
    struct actor actors[FLEET_AGENTS_MOST];
    char ids[FLEET_AGENTS_MOST][32];
    size_t count, ready, ended, lost;
    uint64_t seconds, begun_ns, over_ns, slowest_ns;
    struct hold commit, over;
    double cpu_s;
};

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void on_over(struct hold *h, uint64_t now_ns)
{
    struct bench *b = (struct bench *)((char *)h - offsetof(struct bench, over));
    b->over_ns = now_ns;
    for (size_t i = 0; i < b->count; i++)
        actor_drain(&b->actors[i], 60 * NS_PER_S);
}

static void on_hello(void *cookie, struct actor *a)
{
    struct error err = {0};
    (void)cookie;
    if (!actor_setup(a, json_object(), "7c1e4a90", 1, 0, &err))
        die("SETUP", &err);
}

static void on_ready(void *cookie, struct actor *a)
{
    struct bench *b = cookie;
    struct error err = {0};
    b->slowest_ns = a->slowest_ns > b->slowest_ns ? a->slowest_ns : b->slowest_ns;
    if (++b->ready < b->count)
        return;
    b->begun_ns = loop_now_ns(b->loop);
    b->cpu_s = cpu_s();
    for (size_t i = 0; i < b->count; i++)
        if (!actor_send(&b->actors[i], CONTROL_START,
                        json_pack("{si si si}", "phase", 1, "ordinal", 0, "seed", 1), &err))
            die("START", &err);
    loop_hold_add(b->loop, &b->over, b->begun_ns + b->seconds * NS_PER_S, on_over);
}

static void on_message(void *cookie, struct actor *a, const json_t *json)
{
    (void)cookie;
    (void)a;
    (void)json;
}

static void on_record(void *cookie, struct actor *a, uint8_t kind, struct bytes body)
{
    (void)cookie;
    (void)a;
    (void)kind;
    (void)body;
}

static void count_end(struct bench *b)
{
    if (++b->ended == b->count)
        loop_stop(b->loop);
}

static void on_ended(void *cookie, struct actor *a)
{
    (void)a;
    count_end(cookie);
}

static void on_away(void *cookie, struct actor *a)
{
    (void)cookie;
    (void)a;
}

static void on_lost(void *cookie, struct actor *a, const struct error *why)
{
    struct bench *b = cookie;
    (void)a;
    (void)why;
    b->lost++;
    count_end(b);
}

static void on_broken(void *cookie, struct actor *a, const struct error *why)
{
    (void)cookie;
    (void)a;
    die("broken", why);
}

static bool on_guest(void *cookie, const json_t *hello, struct carrier *wire, struct error *err)
{
    struct bench *b = cookie;
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->ids[i], control_text(hello, "id")) == 0)
            return actor_admit(&b->actors[i], hello, b->intake, wire, "subject", false, err);
    return error_set(err, ERROR_PEER, "nobody");
}

static void on_refused(void *cookie, const char *line)
{
    (void)cookie;
    fprintf(stderr, "bench_agents: %s\n", line);
}

static void on_commit(struct hold *h, uint64_t now_ns)
{
    struct bench *b = (struct bench *)((char *)h - offsetof(struct bench, commit));
    struct error err = {0};
    loop_hold_add(b->loop, h, now_ns + 100 * NS_PER_MS, on_commit);
    if (!store_commit(b->store, &err))
        die("commit", &err);
    for (size_t i = 0; i < b->count; i++)
        actor_commit(&b->actors[i]);
}

static void open_bench(struct bench *b, const char *journal, struct psk *psk)
{
    static const struct actor_events events = {.on_hello = on_hello,
                                               .on_ready = on_ready,
                                               .on_armed = on_message,
                                               .on_done = on_message,
                                               .on_cert_set = on_message,
                                               .on_record = on_record,
                                               .on_ended = on_ended,
                                               .on_broken = on_broken,
                                               .on_away = on_away,
                                               .on_back = on_away,
                                               .on_lost = on_lost};
    struct error err = {0};
    unlink(journal);
    struct intake_config config = {
        .listen = "127.0.0.1:0", .psk = psk, .events = {on_guest, on_refused}, .cookie = b};
    if (!psk_make("7c1e4a90", psk, &err) || !loop_new(&b->loop, &err) ||
        !store_open(journal, &b->store, &err) || !intake_open(b->loop, &config, &b->intake, &err))
        die("opening", &err);
    store_merges(b->store);
    for (size_t i = 0; i < b->count; i++) {
        snprintf(b->ids[i], sizeof(b->ids[i]), "load/%zu", i + 1);
        if (!actor_expect(&b->actors[i], b->loop, b->store, "load", "", b->ids[i], (uint32_t)i + 2,
                          0, &events, b, &err))
            die("expecting", &err);
    }
    loop_hold_add(b->loop, &b->commit, loop_now_ns(b->loop), on_commit);
}

static int print(const struct bench *b, uint64_t end_ns)
{
    uint64_t rows = 0, lost = 0;
    for (size_t i = 0; i < b->count; i++) {
        rows += store_count(b->store, b->actors[i].proc, RECORD_ATTEMPT);
        lost += store_count(b->store, b->actors[i].proc, RECORD_LOST);
    }
    double lasted = (double)(end_ns - b->begun_ns) / 1e9, cpu = cpu_s() - b->cpu_s;
    printf("%zu agents: %llu records in %.2f s, %.0f/s, %llu lost rows, %zu agents lost; conductor "
           "%.2f us CPU a record, %.0f %% of a core; slowest trip %.2f ms; behind by %.2f s at the "
           "end\n",
           b->count, (unsigned long long)rows, lasted, (double)rows / lasted,
           (unsigned long long)lost, b->lost, rows == 0 ? 0 : cpu * 1e6 / (double)rows,
           100 * cpu / lasted, (double)b->slowest_ns / 1e6, (double)(end_ns - b->over_ns) / 1e9);
    return b->lost > 0;
}

int main(int argc, char **argv)
{
    struct psk psk;
    struct error err = {0};
    struct bench *b = calloc(1, sizeof(*b));
    if (argc < 4 || argc > 5 || b == NULL) {
        fprintf(stderr,
                "usage: bench_agents AGENTS RECORDS_PER_SECOND_OF_EACH SECONDS [JOURNAL]\n");
        return 64;
    }
    const char *journal = argc == 5 ? argv[4] : "bench_agents.db";
    uint64_t per_second = strtoul(argv[2], NULL, 10);
    b->count = strtoul(argv[1], NULL, 10);
    b->seconds = strtoul(argv[3], NULL, 10);
    if (b->count == 0 || b->count > FLEET_AGENTS_MOST) {
        fprintf(stderr, "bench_agents: 1 to %d agents\n", FLEET_AGENTS_MOST);
        return 64;
    }
    open_bench(b, journal, &psk);
    for (size_t i = 0; i < b->count; i++)
        if (fork() == 0)
            _exit(send_records(intake_address(b->intake), &psk, b->ids[i], per_second));
    if (!loop_run(b->loop, &err))
        die("the loop", &err);
    uint64_t end_ns = clock_now_ns();
    int code = print(b, end_ns);
    fflush(stdout);
    loop_hold_remove(b->loop, &b->commit);
    if (!store_close(b->store, true, &err))
        die("closing", &err);
    printf("  put in order and closed in %.2f s\n", (double)(clock_now_ns() - end_ns) / 1e9);
    while (wait(NULL) > 0)
        ;
    if (argc < 5)
        unlink(journal);
    return code;
}
