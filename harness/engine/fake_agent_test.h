#ifndef ENGINE_FAKE_AGENT_TEST_H
#define ENGINE_FAKE_AGENT_TEST_H

/* A scripted agent, for the tests of the conductor. Each is the test program itself, started as
 * `... agent ROLE --fd 3`. FAKE in the environment says how one of them misbehaves; each message is
 * a line in the file TRACE names. */

#include "base/clock.h"
#include "engine/protocol.h"
#include "journal/frame.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake {
    const char *role, *fault;
    int fd;
    uint32_t seq;
    unsigned requests, attempts;
    bool stop, hushed; /* hushed: the clock is not answered any more */
    bool calm;         /* the last START was */
    bool named;        /* the edge has its name */
};

static inline bool fake_is(const struct fake *f, const char *role, const char *fault)
{
    return strcmp(f->role, role) == 0 && strcmp(f->fault, fault) == 0;
}

static inline void trace(const struct fake *f, const char *format, ...) PRINTF(2, 3);
static inline void trace(const struct fake *f, const char *format, ...)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "%s ", f->role);
    va_list args;
    va_start(args, format);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    line[n++] = '\n';
    const char *path = getenv("TRACE");
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(fd, line, (size_t)n) != n)
        _exit(9);
    close(fd);
}

static inline void put(struct fake *f, const void *at, size_t len)
{
    const uint8_t *from = at;
    while (len > 0) {
        ssize_t n = send(f->fd, from, len, MSG_NOSIGNAL);
        if (n <= 0)
            _exit(8);
        from += n;
        len -= (size_t)n;
    }
}

static inline void reply(struct fake *f, uint8_t kind, json_t *take_json)
{
    struct buffer out;
    char *text = json_dumps(take_json, JSON_COMPACT);
    buffer_init(&out, CONTROL_MOST_BYTES);
    if (!frame_add_control(&out, kind, bytes_of(text), NULL))
        _exit(7);
    put(f, out.at, out.len);
    buffer_release(&out);
    free(text);
    json_decref(take_json);
}

static inline void record(struct fake *f, uint8_t kind, const void *body, size_t len)
{
    struct frame frame = {.len = (uint16_t)len, .kind = kind, .seq = ++f->seq};
    put(f, &frame, sizeof(frame));
    put(f, body, len);
}

static inline void fake_setup(struct fake *f, const json_t *body)
{
    size_t count = 0;
    if (strcmp(f->role, "mesh") == 0)
        count = json_array_size(json_object_get(body, "edges"));
    else if (strcmp(f->role, "load") != 0)
        count = 3;
    if (fake_is(f, "mesh", "few_addresses"))
        count = 0;
    if (fake_is(f, "proxy", "port_taken")) {
        reply(f, CONTROL_FAILED, json_pack("{ss}", "error", "127.0.0.1:18080: address in use"));
        return;
    }
    json_t *addresses = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(addresses, json_sprintf("127.0.0.1:%d", 1000 + (int)i));
    reply(f, CONTROL_READY, json_pack("{so}", "addresses", addresses));
}

static inline void fake_arm(struct fake *f, const json_t *body)
{
    const json_t *faults = json_object_get(body, "faults");
    char ids[64] = "";
    for (size_t i = 0, n = 0; i < json_array_size(faults); i++)
        n += (size_t)snprintf(ids + n, sizeof(ids) - n, " %d",
                              (int)control_number(json_array_get(faults, i), "id"));
    trace(f, "ARM%s", ids);
    if (fake_is(f, "proxy", "dies") && json_array_size(faults) > 0)
        kill(getpid(), SIGKILL);
    f->hushed = fake_is(f, "proxy", "hushes") || fake_is(f, "proxy", "mumbles");
    reply(f, CONTROL_ARMED,
          json_pack("{sI sI sI sb}", "generation", (json_int_t)control_number(body, "generation"),
                    "at", (json_int_t)clock_now_ns(), "held", (json_int_t)0, "seen",
                    fake_is(f, "mesh", "shows")));
    bool proxy = strcmp(f->role, "proxy") == 0;
    for (size_t i = 0; proxy && i < 3 && json_array_size(faults) > 0; i++) {
        struct attempt_record r = {.at = clock_now_ns(), .endpoint = 2, .status = 503, .fault = 1};
        record(f, RECORD_ATTEMPT, &r, sizeof(r));
        f->attempts++;
    }
}

static inline void fake_cert(struct fake *f, const json_t *body)
{
    trace(f, "CERT %s %.18s%s", control_text(body, "place"), control_text(body, "what"),
          control_text(body, "reconnect"));
    if (!fake_is(f, "proxy", "keeps_certs_to_itself"))
        reply(f, CONTROL_CERT_SET,
              json_pack("{sI}", "step", (json_int_t)control_number(body, "step")));
}

/* One answer on the edge of the rig's load. */
static inline void fake_calm(struct fake *f)
{
    static const char name[] = "\1\0\0\0client -> payments";
    struct request_record r = {.due = clock_now_ns(), .done = 1, .edge = 1, .status = 200};
    if (fake_is(f, "load", "restless") || (fake_is(f, "load", "wakes") && f->requests < 2))
        r.status = 503;
    trace(f, "CALM");
    if (!f->named)
        record(f, RECORD_NAME, name, sizeof(name) - 1);
    f->named = true;
    record(f, RECORD_REQUEST, &r, sizeof(r));
    f->requests++;
}

static inline void fake_start(struct fake *f, const json_t *body)
{
    f->calm = json_object_get(body, "calm") != NULL;
    if (f->calm) {
        fake_calm(f);
        return;
    }
    trace(f, "START %d", (int)control_number(body, "ordinal"));
    if (fake_is(f, "load", "nonsense"))
        reply(f, CONTROL_DONE, json_pack("[i]", 1));
    if (fake_is(f, "load", "short_record"))
        record(f, RECORD_REQUEST, "abc", 3);
    if (fake_is(f, "load", "exits"))
        _exit(3);
    for (int i = 0; i < 5; i++) {
        struct request_record r = {.due = clock_now_ns(), .done = 1, .status = 200};
        record(f, RECORD_REQUEST, &r, sizeof(r));
        f->requests++;
    }
    reply(f, CONTROL_DONE, json_pack("{sI}", "phase", (json_int_t)control_number(body, "phase")));
    if (fake_is(f, "load", "interrupts"))
        kill(getppid(), SIGINT);
    if (fake_is(f, "load", "usr1"))
        kill(getppid(), SIGUSR1);
}

static inline void fake_stop(struct fake *f, const json_t *body)
{
    if (!f->calm) /* beside what the others are told by then */
        trace(f, "STOP");
    if (fake_is(f, "load", "lags") && !f->calm) { /* what was due before it heard */
        struct request_record r = {.due = clock_now_ns(), .done = 1, .status = 200};
        record(f, RECORD_REQUEST, &r, sizeof(r));
        f->requests++;
    }
    if (control_number(body, "number") != 0)
        reply(f, CONTROL_DONE,
              json_pack("{sI sI}", "phase", (json_int_t)0, "stopped",
                        (json_int_t)control_number(body, "number")));
}

static inline bool fake_frame(void *cookie, const struct frame *frame, struct bytes bytes,
                              struct error *err)
{
    struct fake *f = cookie;
    json_t *body;
    if (!control_parse(frame->kind, bytes, FROM_CONDUCTOR, &body, err))
        return false;
    if (frame->kind == CONTROL_SETUP)
        fake_setup(f, body);
    if (frame->kind == CONTROL_ARM)
        fake_arm(f, body);
    if (frame->kind == CONTROL_CERT)
        fake_cert(f, body);
    if (frame->kind == CONTROL_START)
        fake_start(f, body);
    if (frame->kind == CONTROL_STOP)
        fake_stop(f, body);
    if (frame->kind == CONTROL_CLOCK && !f->hushed) {
        uint64_t now_ns = clock_now_ns();
        reply(f, CONTROL_CLOCK,
              json_pack("{sI sI sI}", "t1", (json_int_t)control_number(body, "t1"), "t2",
                        (json_int_t)now_ns, "t3", (json_int_t)now_ns));
    }
    if (frame->kind == CONTROL_DRAIN) {
        trace(f, "DRAIN");
        unsigned more = fake_is(f, "load", "miscounts") ? 2 : 0;
        reply(f, CONTROL_BYE,
              json_pack("{s{si si}}", "counts", "request", (int)(f->requests + more), "attempt",
                        (int)f->attempts));
        f->stop = true;
    }
    json_decref(body);
    return true;
}

static inline int fake_main(const char *role, int fd)
{
    const char *fault = getenv("FAKE");
    struct fake f = {.role = role, .fd = fd, .fault = fault == NULL ? "" : fault};
    struct frame_reader reader;
    uint8_t bytes[4096];
    signal(SIGINT, SIG_IGN);
    if (fake_is(&f, "mesh", "silent_exit"))
        return 0;
    frame_reader_init(&reader, fake_frame, &f);
    reply(&f, CONTROL_HELLO, hello_make(fake_is(&f, "stub", "wrong_role") ? "load" : role));
    while (!f.stop) {
        struct error err = {0};
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (f.hushed && fake_is(&f, "proxy", "mumbles") && poll(&ready, 1, 50) == 0) {
            struct attempt_record r = {.at = clock_now_ns(), .endpoint = 1, .status = 200};
            record(&f, RECORD_ATTEMPT, &r, sizeof(r));
            f.attempts++;
            continue;
        }
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0)
            break;
        if (!frame_reader_feed(&reader, (struct bytes){bytes, (size_t)n}, &err))
            return 6;
    }
    frame_reader_release(&reader);
    return 0;
}

#endif
