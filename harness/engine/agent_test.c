#include "engine/engine.h"

#include "base/clock.h"
#include "engine/protocol.h"
#include "journal/frame.h"
#include "journal/record.h"
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A real agent process, and a conductor that is played by hand: hostile, silent, or dead. */

struct desk {
    int fd;
    pid_t pid;
    struct frame_reader reader;
    json_t *last[16];                   /* the newest message of each kind */
    size_t records, faults, warm, cold; /* requests: those that are warm-up are cold */
    uint64_t last_cold_ns, first_warm_ns;
    bool ended;
};

static bool on_frame(void *cookie, const struct frame *frame, struct bytes body, struct error *err)
{
    struct desk *d = cookie;
    json_t *json;
    if (frame->kind >= RECORD_NAME) {
        d->records += frame->kind != RECORD_NAME;
        d->faults += frame->kind == RECORD_FAULT;
        struct request_record r;
        if (frame->kind == RECORD_REQUEST && body.len == sizeof(r)) {
            memcpy(&r, body.at, sizeof(r));
            bool cold = (r.flags & REQUEST_WARMUP) != 0;
            d->cold += cold;
            d->warm += !cold;
            if (cold)
                d->last_cold_ns = r.due;
            else if (d->first_warm_ns == 0)
                d->first_warm_ns = r.due;
        }
        return true;
    }
    if (!control_parse(frame->kind, body, FROM_AGENT, &json, err))
        return false;
    json_decref(d->last[frame->kind]);
    d->last[frame->kind] = json;
    return true;
}

static void desk_open(struct desk *d, const char *role)
{
    int pair[2];
    *d = (struct desk){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    d->pid = fork();
    if (d->pid == 0) {
        close(pair[0]);
        exit(agent_main(&(struct agent_options){.role = role, .fd = pair[1]}));
    }
    close(pair[1]);
    struct timeval most = {.tv_sec = 20};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)); /* a hang is a failure */
    d->fd = pair[0];
    frame_reader_init(&d->reader, on_frame, d);
}

static void desk_read(struct desk *d)
{
    uint8_t bytes[4096];
    struct error err = {0};
    ssize_t n = recv(d->fd, bytes, sizeof(bytes), 0);
    d->ended = n <= 0;
    if (n > 0)
        assert_true(frame_reader_feed(&d->reader, (struct bytes){bytes, (size_t)n}, &err));
}

/* Reads until a message of that kind has come, or the stream has ended. */
static bool desk_wait(struct desk *d, uint8_t kind)
{
    while (d->last[kind] == NULL && !d->ended)
        desk_read(d);
    return d->last[kind] != NULL;
}

static void desk_send(struct desk *d, uint8_t kind, const char *json)
{
    struct buffer out;
    buffer_init(&out, CONTROL_MOST_BYTES);
    assert_true(frame_add_control(&out, kind, bytes_of(json), NULL));
    assert_int_equal(send(d->fd, out.at, out.len, MSG_NOSIGNAL), out.len);
    buffer_release(&out);
}

static int desk_close(struct desk *d)
{
    int status = 0;
    if (d->fd >= 0)
        close(d->fd);
    while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
        ;
    for (size_t i = 0; i < COUNT_OF(d->last); i++)
        json_decref(d->last[i]);
    frame_reader_release(&d->reader);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define SETUP_COMMON \
    "\"run\":\"7c1e4a90\",\"proc\":2,\"seed\":-5,\"linger_ns\":0,\"boot_id\":\"x\",\"time_ns_" \
    "inode\":1," \
    "\"service\":\"payments\""
#define SETUP_PROXY \
    "{" SETUP_COMMON \
    ",\"protocol\":\"http1\",\"endpoints\":[{\"listen\":\"127.0.0.1:0\",\"upstream\":" \
    "\"127.0.0.1:1\"},{\"listen\":\"127.0.0.1:0\",\"upstream\":\"127.0.0.1:1\"}]}"

#define SETUP_IMPAIRS(list) \
    "{" SETUP_COMMON \
    ",\"protocol\":\"http1\",\"endpoints\":[{\"listen\":\"127.0.0.1:0\",\"upstream\":" \
    "\"127.0.0.1:1\"}],\"impairs\":" list "}"

static void hostile_messages_end_in_failed_and_bye(void **state)
{
    static const struct {
        const char *role;
        uint8_t kind;
        const char *body;
    } bad[] = {
        {"proxy", CONTROL_SETUP, "{}"},
        {"proxy", CONTROL_SETUP, "[["},
        {"proxy", CONTROL_ARM, "{\"generation\":1,\"faults\":[]}"}, /* before SETUP */
        {"proxy", CONTROL_READY, "{\"addresses\":[]}"},
        {"proxy", CONTROL_SETUP, "{" SETUP_COMMON ",\"protocol\":\"http1\",\"endpoints\":[]}"},
        {"proxy", CONTROL_SETUP,
         "{" SETUP_COMMON ",\"protocol\":\"http1\",\"endpoints\":[1,null]}"},
        {"proxy", CONTROL_SETUP, "{" SETUP_COMMON ",\"protocol\":\"udp\",\"endpoints\":[{}]}"},
        {"proxy", CONTROL_SETUP, SETUP_IMPAIRS("[7]")},
        {"proxy", CONTROL_SETUP, SETUP_IMPAIRS("[{\"word\":\"netem\"}]")},
        {"proxy", CONTROL_SETUP,
         SETUP_IMPAIRS("[{\"word\":\"abort\",\"keys\":{\"on\":\"payments\",\"status\":503}}]")},
        {"proxy", CONTROL_SETUP,
         SETUP_IMPAIRS("[{\"word\":\"netem\",\"keys\":{\"on\":\"payments\",\"delay\":\"5ms\","
                       "\"scope\":\"device\"}}]")},
        /* a child of its conductor has no network of its own */
        {"proxy", CONTROL_SETUP,
         SETUP_IMPAIRS("[{\"word\":\"netem\",\"keys\":{\"on\":\"payments\",\"delay\":\"5ms\"}}]")},
        {"load", CONTROL_SETUP, "{" SETUP_COMMON ",\"plan\":{},\"addresses\":{}}"},
        {"load", CONTROL_SETUP, "{" SETUP_COMMON "}"},
        {"stub", CONTROL_SETUP, "{" SETUP_COMMON ",\"plan\":{\"scenarios\":7}}"},
        {"mesh", CONTROL_SETUP,
         "{" SETUP_COMMON ",\"driver\":\"none\",\"edges\":[],\"defects\":[]}"},
        {"mesh", CONTROL_SETUP,
         "{" SETUP_COMMON ",\"driver\":\"builtin\",\"edges\":[{}],\"defects\":[]}"},
        {"mesh", CONTROL_SETUP,
         "{" SETUP_COMMON ",\"driver\":\"builtin\",\"edges\":[],\"defects\":[\"no such\"]}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct desk d;
        desk_open(&d, bad[i].role);
        assert_true(desk_wait(&d, CONTROL_HELLO));
        desk_send(&d, bad[i].kind, bad[i].body);
        if (!desk_wait(&d, CONTROL_FAILED) || !desk_wait(&d, CONTROL_BYE))
            fail_msg("%s: %s", bad[i].role, bad[i].body);
        assert_int_equal(desk_close(&d), 1);
    }
}

static void hostile_faults_are_refused_by_the_proxy(void **state)
{
    static const char *const bad[] = {
        "[7]",
        "[{\"word\":\"abort\"}]",
        /* a child of its conductor has no network of its own */
        "[{\"id\":1,\"word\":\"netem\",\"keys\":{\"on\":\"payments\",\"delay\":\"5ms\"},"
        "\"endpoints\":[1],\"ttl_ns\":9}]",
        "[{\"id\":1,\"word\":\"abort\",\"keys\":{\"on\":\"payments\"},\"endpoints\":[1],\"ttl_ns\":"
        "9}]",
        "[{\"id\":1,\"word\":\"no "
        "such\",\"keys\":{\"on\":\"payments\"},\"endpoints\":[1],\"ttl_ns\":9}]",
        "[{\"id\":1,\"word\":\"abort\",\"keys\":{\"on\":\"payments\",\"status\":503},\"endpoints\":"
        "[3],\"ttl_ns\":9}]",
        "[{\"id\":1,\"word\":\"abort\",\"keys\":{\"on\":\"payments\",\"status\":503},\"endpoints\":"
        "[],\"ttl_ns\":9}]",
        "[{\"id\":99999,\"word\":\"abort\",\"keys\":{\"on\":\"payments\",\"status\":503},"
        "\"endpoints\":[1],"
        "\"ttl_ns\":9}]",
        "[{\"id\":1,\"word\":\"abort\",\"keys\":{\"on\":\"payments\",\"status\":503},\"endpoints\":"
        "[1],\"ttl_ns\":9},"
        "{\"id\":1,\"word\":\"abort\",\"keys\":{\"on\":\"payments\",\"status\":503},\"endpoints\":["
        "1],\"ttl_ns\":9}]",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct desk d;
        char body[1024];
        desk_open(&d, "proxy");
        desk_send(&d, CONTROL_SETUP, SETUP_PROXY);
        assert_true(desk_wait(&d, CONTROL_READY));
        assert_int_equal(json_array_size(json_object_get(d.last[CONTROL_READY], "addresses")), 2);
        snprintf(body, sizeof(body), "{\"generation\":1,\"faults\":%s}", bad[i]);
        desk_send(&d, CONTROL_ARM, body);
        if (!desk_wait(&d, CONTROL_FAILED) || !desk_wait(&d, CONTROL_BYE))
            fail_msg("%s", bad[i]);
        assert_null(d.last[CONTROL_ARMED]);
        assert_int_equal(desk_close(&d), 1);
    }
}

static void a_proxy_arms_expires_and_counts_itself(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, "proxy");
    desk_send(&d, CONTROL_SETUP, SETUP_PROXY);
    desk_send(&d, CONTROL_ARM,
              "{\"generation\":7,\"faults\":[{\"id\":1,\"word\":\"abort\",\"keys\":{\"on\":"
              "\"payments\",\"status\":503},"
              "\"endpoints\":[1,2],\"ttl_ns\":1}]}");
    assert_true(desk_wait(&d, CONTROL_ARMED));
    assert_int_equal(control_number(d.last[CONTROL_ARMED], "generation"), 7);
    desk_send(&d, CONTROL_CLOCK, "{\"t1\":1,\"lo\":-3,\"hi\":4}");
    assert_true(desk_wait(&d, CONTROL_CLOCK));
    while (d.faults < 4 && !d.ended) /* a busy agent may read DRAIN before its timers are due */
        desk_read(&d);
    desk_send(&d, CONTROL_DRAIN, "{\"within_ns\":1000000000}");
    assert_true(desk_wait(&d, CONTROL_BYE));
    const json_t *counts = json_object_get(d.last[CONTROL_BYE], "counts");
    assert_int_equal(control_number(counts, "fault"), 4); /* armed and expired, at two endpoints */
    assert_int_equal(control_number(counts, "clock"), 2);
    size_t sum = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)counts, name, value) sum +=
        (size_t)json_integer_value(value);
    assert_int_equal(sum, d.records);
    assert_int_equal(desk_close(&d), 0);
}

/* ${with}, and the scenario as the conductor sends it. */
static char *setup_with(const char *with, struct scenario *scenario)
{
    struct plan *plan = plan_new();
    plan->suite = "";
    plan->scenarios = scenario;
    plan->scenario_count = 1;
    json_t *json = json_loads(with, 0, NULL);
    json_object_set_new(json, "plan", plan_to_json(plan));
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    plan->scenarios = NULL;
    plan->scenario_count = 0;
    plan_free(plan);
    return text;
}

/* A stub agent of "payments", which calls "stock". */
static char *stub_setup(void)
{
    struct service_plan services[2] = {
        {.name = "payments", .endpoints = 1, .slots = 4, .protocol = "http1", .status = 200},
        {.name = "stock", .endpoints = 1, .slots = 4, .protocol = "http1", .status = 200}};
    struct call_plan call = {.to = "stock", .share_ppm = 1000000};
    struct scenario scenario = {.name = "calls"};
    services[0].calls = &call;
    services[0].call_count = 1;
    scenario.lab.services = services;
    scenario.lab.service_count = 2;
    return setup_with("{" SETUP_COMMON "}", &scenario);
}

static char *load_setup(uint64_t rate_per_h, uint64_t warmup_ns)
{
    struct load_plan load = {
        .rate_per_h = rate_per_h,
        .warmup_ns = warmup_ns,
        .protocol = "http1",
        .method = "GET",
        .path = "/",
        .clients = 1,
        .timeout_ns = NS_PER_S,
        .on = {.text = "client -> payments", .from.service = "client", .to.service = "payments"}};
    struct phase phase = {.name = "quiet", .ends = PHASE_BY_CLOCK, .lasting_ns = NS_PER_S};
    struct scenario scenario = {
        .name = "blocks", .loads = &load, .load_count = 1, .phases = &phase, .phase_count = 1};
    return setup_with("{" SETUP_COMMON ",\"addresses\":{\"client -> payments\":\"127.0.0.1:1\"}}",
                      &scenario);
}

/* The status of one request on that connection; 0: the connection has ended. */
static int ask(int fd)
{
    static const char get[] = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    char answer[1024] = "";
    size_t len = 0;
    if (send(fd, get, sizeof(get) - 1, MSG_NOSIGNAL) < 0)
        return 0;
    while (len < sizeof(answer) - 1 && strstr(answer, "failed\n") == NULL) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
        answer[len] = '\0';
    }
    return len < 12 ? 0 : (int)strtol(answer + 9, NULL, 10);
}

/* Its ports are known to the proxies already: a connection to one of them lives on. */
static void a_stub_is_routed_once_and_keeps_its_ports(void **state)
{
    struct desk d;
    struct error err = {0};
    struct timeval most = {.tv_sec = 20};
    int fd = -1;
    char *setup = stub_setup();
    (void)state;
    desk_open(&d, "stub");
    desk_send(&d, CONTROL_SETUP, setup);
    free(setup);
    assert_true(desk_wait(&d, CONTROL_READY));
    const char *address =
        json_string_value(json_array_get(json_object_get(d.last[CONTROL_READY], "addresses"), 0));
    if (!socket_connect(address, &fd, &err))
        fail_msg("%s", err.text);
    fcntl(fd, F_SETFL, 0); /* as all here: blocking, with a limit */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    assert_int_equal(ask(fd), 502);
    desk_send(&d, CONTROL_ROUTE, "{\"addresses\":{\"payments -> stock\":\"127.0.0.1:1\"}}");
    desk_send(&d, CONTROL_CLOCK, "{\"t1\":1}"); /* its answer comes after the route was taken */
    assert_true(desk_wait(&d, CONTROL_CLOCK));
    assert_int_equal(ask(fd), 502);
    desk_send(&d, CONTROL_ROUTE, "{\"addresses\":{\"payments -> stock\":\"127.0.0.1:1\"}}");
    assert_true(desk_wait(&d, CONTROL_FAILED));
    assert_non_null(strstr(control_text(d.last[CONTROL_FAILED], "error"), "ROUTE came twice"));
    assert_true(desk_wait(&d, CONTROL_BYE));
    close(fd);
    assert_int_equal(desk_close(&d), 1);
}

/* Blocks of an arm, and calm requests, begin loads anew: those that have ended leave their place.
 */
static void loads_may_be_started_more_often_than_they_may_be_many(void **state)
{
    struct desk d;
    char *setup = load_setup(1, 0);
    (void)state;
    desk_open(&d, "load");
    desk_send(&d, CONTROL_SETUP, setup);
    free(setup);
    assert_true(desk_wait(&d, CONTROL_READY));
    for (unsigned i = 0; i < 4500; i++) {
        desk_send(&d, CONTROL_START, "{\"phase\":1,\"ordinal\":0,\"seed\":1,\"in_ns\":9000000000}");
        desk_send(&d, CONTROL_STOP, "{}");
        desk_send(&d, CONTROL_CLOCK, "{\"t1\":1}");
        json_decref(d.last[CONTROL_CLOCK]);
        d.last[CONTROL_CLOCK] = NULL;
        if (!desk_wait(&d, CONTROL_CLOCK))
            fail_msg("start %u: %s", i, control_text(d.last[CONTROL_FAILED], "error"));
    }
    desk_send(&d, CONTROL_DRAIN, "{\"within_ns\":1000000000}");
    assert_true(desk_wait(&d, CONTROL_BYE));
    assert_int_equal(desk_close(&d), 0);
}

/* Reads until so many requests have come that are (not) warm-up. */
static void desk_count(struct desk *d, const size_t *which, size_t wanted)
{
    while (*which < wanted) {
        json_decref(d->last[CONTROL_CLOCK]);
        d->last[CONTROL_CLOCK] = NULL;
        desk_send(d, CONTROL_CLOCK, "{\"t1\":1}");
        if (!desk_wait(d, CONTROL_CLOCK))
            fail_msg("%s", control_text(d->last[CONTROL_FAILED], "error"));
    }
}

/* Nothing is sent once a numbered STOP was answered; the load of the next phase is the same one. */
static void a_load_is_warmed_up_once(void **state)
{
    struct desk d;
    char *setup = load_setup((uint64_t)200 * 3600, 3600 * NS_PER_S);
    (void)state;
    desk_open(&d, "load");
    desk_send(&d, CONTROL_SETUP, setup);
    free(setup);
    assert_true(desk_wait(&d, CONTROL_READY));
    desk_send(&d, CONTROL_START, "{\"phase\":1,\"ordinal\":0,\"seed\":1}");
    desk_count(&d, &d.cold, 3);
    desk_send(&d, CONTROL_STOP, "{\"number\":7}");
    while (control_number(d.last[CONTROL_DONE], "stopped") != 7) {
        json_decref(d.last[CONTROL_DONE]);
        d.last[CONTROL_DONE] = NULL;
        assert_true(desk_wait(&d, CONTROL_DONE));
    }
    assert_int_equal(d.warm, 0);
    desk_send(&d, CONTROL_START, "{\"phase\":2,\"ordinal\":0,\"seed\":1}");
    desk_count(&d, &d.warm, 3);
    desk_send(&d, CONTROL_DRAIN, "{\"within_ns\":1000000000}");
    assert_true(desk_wait(&d, CONTROL_BYE));
    assert_true(d.last_cold_ns < d.first_warm_ns);
    assert_int_equal(desk_close(&d), 0);
}

static void sigterm_flushes_and_says_bye(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, "proxy");
    desk_send(&d, CONTROL_SETUP, SETUP_PROXY);
    assert_true(desk_wait(&d, CONTROL_READY));
    kill(d.pid, SIGINT); /* the terminal's, not for us */
    kill(d.pid, SIGTERM);
    assert_true(desk_wait(&d, CONTROL_BYE));
    kill(d.pid, SIGTERM); /* while it frees what it has */
    assert_int_equal(desk_close(&d), 0);
}

static void the_end_of_the_conductor_is_the_end_of_each_role(void **state)
{
    static const char *const roles[] = {"proxy", "load", "stub", "mesh"};
    struct desk d;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        desk_open(&d, roles[i]);
        assert_true(desk_wait(&d, CONTROL_HELLO));
        assert_int_equal(desk_close(&d), 0); /* before SETUP */
    }
    desk_open(&d, "proxy");
    desk_send(&d, CONTROL_SETUP, SETUP_PROXY);
    assert_true(desk_wait(&d, CONTROL_READY));
    assert_int_equal(desk_close(&d), 0);
}

static void an_unknown_role_is_a_usage_error(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(agent_main(&(struct agent_options){.role = "butler", .fd = pair[1]}), 64);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_messages_end_in_failed_and_bye),
        cmocka_unit_test(hostile_faults_are_refused_by_the_proxy),
        cmocka_unit_test(a_proxy_arms_expires_and_counts_itself),
        cmocka_unit_test(a_stub_is_routed_once_and_keeps_its_ports),
        cmocka_unit_test(loads_may_be_started_more_often_than_they_may_be_many),
        cmocka_unit_test(a_load_is_warmed_up_once),
        cmocka_unit_test(sigterm_flushes_and_says_bye),
        cmocka_unit_test(the_end_of_the_conductor_is_the_end_of_each_role),
        cmocka_unit_test(an_unknown_role_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
