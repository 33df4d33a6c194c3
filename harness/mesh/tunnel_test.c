/* Edges of raw TCP, through the builtin mesh and through a real Envoy: what a caller and an
 * endpoint see is the same. */

#include "mesh/lab_test.h"
#include "net/acceptor.h"
#include "net/raw_peer_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

/* One mesh before ${hosts} backends of the test's own. */
struct rig {
    struct lab *lab;
    struct raw_peer *client, *server; /* server: the last connection at a backend */
    struct raw_listener listener[2];
    char folder[64];
};

static struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof(*r));
    r->lab = lab_new(0);
    r->lab->tcp = true;
    r->client = calloc(1, sizeof(*r->client));
    r->server = calloc(1, sizeof(*r->server));
    for (size_t i = 0; i < COUNT_OF(r->listener); i++) {
        raw_listener_open(&r->listener[i], r->lab->loop, r->server);
        r->lab->endpoints[i] = r->listener[i].address;
    }
    snprintf(r->folder, sizeof(r->folder), "/tmp/meshproof-tunnel-test-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    return r;
}

static void rig_start(struct rig *r, const char *driver, size_t hosts, struct edge_policy policy)
{
    const char *own = getenv("MESHPROOF_ENVOY");
    struct error err = {0};
    r->lab->envoy = own != NULL ? own : SOURCE_ROOT "/build/deps/envoy/envoy";
    if (strcmp(driver, "envoy") == 0 && access(r->lab->envoy, X_OK) != 0) {
        fprintf(stderr, "SKIPPED: no envoy at %s: run ./dev setup envoy\n", r->lab->envoy);
        skip();
    }
    size_t servers = r->lab->hosts;
    r->lab->hosts = hosts;
    if (!lab_open(r->lab, driver, policy, NULL, r->folder, &err))
        fail_msg("%s %s", err.text, r->lab->why.text);
    r->lab->hosts = servers;
}

static void rig_free(struct rig *r)
{
    static const char *const files[] = {"envoy.json", "envoy.log", "envoy.admin"};
    char path[128];
    raw_peer_close(r->client, false);
    raw_peer_close(r->server, false);
    for (size_t i = 0; i < COUNT_OF(r->listener); i++)
        if (r->listener[i].loop != NULL)
            raw_listener_close(&r->listener[i]);
    lab_free(r->lab);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", r->folder, files[i]);
        unlink(path);
    }
    rmdir(r->folder);
    free(r->client);
    free(r->server);
    free(r);
}

static void dial(struct rig *r)
{
    raw_peer_close(r->client, false);
    raw_peer_open(r->client, r->lab->loop, r->lab->driver->address(r->lab->mesh, 0));
}

/* Until the client's connection is at a backend. */
static void dial_through(struct rig *r)
{
    raw_peer_close(r->server, false);
    dial(r);
    raw_run(r->lab->loop);
    assert_true(r->server->open);
}

/* Whoever of them has something new stops the loop. */
static const char *await_end(struct raw_peer *p)
{
    while (!p->eof && !p->reset)
        raw_run(p->loop);
    return p->got;
}

static const char *await_text(struct raw_peer *p, const char *text)
{
    while (p->len < strlen(text) || strcmp(p->got + p->len - strlen(text), text) != 0) {
        p->until = text;
        raw_run(p->loop);
    }
    return p->got;
}

static void refuse_at(struct rig *r, size_t host)
{
    raw_listener_close(&r->listener[host]);
    r->listener[host].loop = NULL;
}

static struct edge_policy bare(void)
{
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.retry.attempts = lab_number(0);
    return policy;
}

static void bytes_and_half_closes_go_both_ways(const char *driver)
{
    struct rig *r = rig_new();
    rig_start(r, driver, 1, bare());
    dial_through(r);
    raw_peer_send(r->client, "select 1\n");
    assert_string_equal(await_text(r->server, "\n"), "select 1\n");
    raw_peer_send(r->server, "one\n");
    assert_string_equal(await_text(r->client, "\n"), "one\n");
    assert_int_equal(shutdown(r->client->watch.fd, SHUT_WR), 0);
    await_end(r->server);
    assert_true(r->server->eof);
    raw_peer_send(r->server, "bye\n");
    raw_peer_close(r->server, false);
    assert_string_equal(await_end(r->client), "one\nbye\n");
    assert_true(r->client->eof);
    rig_free(r);
}

static void more_than_any_buffer_goes_through(const char *driver)
{
    struct rig *r = rig_new();
    size_t len = 1500000;
    char *all = malloc(len);
    for (size_t i = 0; i < len; i++)
        all[i] = (char)('a' + i % 23);
    all[len - 1] = '\n';
    rig_start(r, driver, 1, bare());
    dial_through(r);
    raw_peer_send_bytes(r->client, all, len);
    await_text(r->server, "\n");
    assert_int_equal(r->server->len, len);
    assert_memory_equal(r->server->got, all, len);
    free(all);
    rig_free(r);
}

static void a_reset_goes_on_as_one(const char *driver)
{
    struct rig *r = rig_new();
    rig_start(r, driver, 1, bare());
    dial_through(r);
    raw_peer_send(r->client, "x\n");
    await_text(r->server, "\n");
    raw_peer_close(r->server, true);
    await_end(r->client);
    assert_true(r->client->reset);
    dial_through(r);
    raw_peer_send(r->client, "y\n");
    await_text(r->server, "\n");
    raw_peer_close(r->client, true);
    await_end(r->server);
    assert_true(r->server->reset);
    rig_free(r);
}

static void a_host_that_refuses_is_counted_and_ejected(const char *driver)
{
    struct rig *r = rig_new();
    struct edge_policy policy = bare();
    policy.outlier = (struct outlier_rule){.present = true,
                                           .consecutive_5xx = lab_number(3),
                                           .interval = lab_number(3600 * NS_PER_S),
                                           .base_ejection = lab_number(3600 * NS_PER_S),
                                           .max_ejection_percent = lab_number(100)};
    rig_start(r, driver, 2, policy);
    refuse_at(r, 1);
    double failed = 0;
    for (int i = 0; i < 200 && failed < 3; i++) {
        dial(r);
        raw_run(r->lab->loop); /* at a backend, or gone */
        if (r->client->eof || r->client->reset)
            failed++;
        raw_peer_close(r->server, false);
    }
    assert_true(failed == 3);
    /* Envoy shows a change of health to its balancer at most once a second. */
    lab_pause(r->lab, 1200 * NS_PER_MS);
    for (int i = 0; i < 30; i++)
        dial_through(r);
    lab_scrape(r->lab);
    assert_int_equal(lab_value(r->lab, "upstream_cx_connect_fail"), 3);
    assert_int_equal(lab_value(r->lab, "outlier_detection.ejections_active"), 1);
    rig_free(r);
}

static void one_connection_more_than_allowed_is_closed(const char *driver)
{
    struct rig *r = rig_new();
    struct edge_policy policy = bare();
    policy.pool.max_connections = lab_number(1);
    rig_start(r, driver, 1, policy);
    dial_through(r);
    raw_peer_send(r->client, "x\n");
    await_text(r->server, "\n");
    struct raw_peer *second = calloc(1, sizeof(*second));
    raw_peer_open(second, r->lab->loop, r->lab->driver->address(r->lab->mesh, 0));
    await_end(second);
    assert_true(second->eof || second->reset);
    assert_int_equal(r->listener[0].accepted, 1);
    lab_scrape(r->lab);
    assert_int_equal(lab_value(r->lab, "upstream_cx_overflow"), 1);
    raw_peer_close(second, false);
    free(second);
    rig_free(r);
}

/* A listener whose queue is full answers no SYN. */
static void a_connect_that_takes_too_long_is_given_up(const char *driver)
{
    struct rig *r = rig_new();
    struct edge_policy policy = bare();
    struct error err = {0};
    int fill[8];
    policy.pool.connect_timeout = lab_number(250 * NS_PER_MS);
    loop_watch_remove(&r->listener[0].watch);
    assert_int_equal(listen(r->listener[0].watch.fd, 0), 0);
    for (size_t i = 0; i < COUNT_OF(fill); i++)
        assert_true(socket_connect(r->listener[0].address, &fill[i], &err));
    rig_start(r, driver, 1, policy);
    uint64_t at_ns = clock_now_ns();
    dial(r);
    await_end(r->client);
    assert_true(clock_now_ns() - at_ns >= 240 * NS_PER_MS);
    assert_true(r->client->eof || r->client->reset);
    lab_scrape(r->lab);
    assert_int_equal(lab_value(r->lab, "upstream_cx_connect_timeout"), 1);
    for (size_t i = 0; i < COUNT_OF(fill); i++)
        close(fill[i]);
    rig_free(r);
}

#define BOTH(name) \
    static void builtin_##name(void **unused) \
    { \
        (void)unused; \
        name("builtin"); \
    } \
    static void envoy_##name(void **unused) \
    { \
        (void)unused; \
        name("envoy"); \
    }
BOTH(bytes_and_half_closes_go_both_ways)
BOTH(more_than_any_buffer_goes_through)
BOTH(a_reset_goes_on_as_one)
BOTH(a_host_that_refuses_is_counted_and_ejected)
BOTH(one_connection_more_than_allowed_is_closed)
BOTH(a_connect_that_takes_too_long_is_given_up)

int main(void)
{
#define TESTS(name) cmocka_unit_test(builtin_##name), cmocka_unit_test(envoy_##name)
    const struct CMUnitTest tests[] = {
        TESTS(bytes_and_half_closes_go_both_ways),
        TESTS(more_than_any_buffer_goes_through),
        TESTS(a_reset_goes_on_as_one),
        TESTS(a_host_that_refuses_is_counted_and_ejected),
        TESTS(one_connection_more_than_allowed_is_closed),
        TESTS(a_connect_that_takes_too_long_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
