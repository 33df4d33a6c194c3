/* The stub of a service of protocol tcp: an echo with the service's work and slots. */

#include "load/stub.h"

#include "load/lab_test.h"

#define CLIENTS 3

struct fixture {
    struct lab lab;
    struct service_plan service;
    struct stub *stub;
    struct raw_peer *client[CLIENTS];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    lab_init(&f->lab);
    f->service = (struct service_plan){.name = "db", .protocol = "tcp", .endpoints = 2, .slots = 8};
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (f->client[i] != NULL)
            raw_peer_close(f->client[i], false);
        free(f->client[i]);
    }
    stub_free(f->stub);
    lab_release(&f->lab);
    free(f);
    return 0;
}

static void begin(struct fixture *f, size_t clients)
{
    const struct stub_endpoint endpoints[] = {{1, "127.0.0.1:0"}, {2, "127.0.0.1:0"}};
    struct stub_config config = {
        .service = &f->service, .endpoints = endpoints, .endpoint_count = 2, .seed = 1};
    struct error err = {0};
    assert_true(stub_open(f->lab.loop, NULL, &config, &f->stub, &err));
    for (size_t i = 0; i < clients; i++) {
        f->client[i] = calloc(1, sizeof(*f->client[i]));
        raw_peer_open(f->client[i], f->lab.loop, stub_address(f->stub, 1));
    }
}

static void what_comes_in_goes_back_after_the_work(void **state)
{
    struct fixture *f = *state;
    f->service.work_ns = 20 * NS_PER_MS;
    begin(f, 1);
    uint64_t at_ns = clock_now_ns();
    raw_peer_send(f->client[0], "select 1\n");
    assert_string_equal(raw_peer_wait(f->client[0], "\n"), "select 1\n");
    assert_true(clock_now_ns() - at_ns >= 20 * NS_PER_MS);
    raw_peer_send(f->client[0], "select 2\n");
    assert_string_equal(raw_peer_wait(f->client[0], "2\n"), "select 1\nselect 2\n");
    assert_int_equal(stub_counts(f->stub).requests, 2);
    assert_int_equal(stub_counts(f->stub).active, 0);
}

static void a_fin_is_answered_behind_what_is_owed(void **state)
{
    struct fixture *f = *state;
    f->service.work_ns = 5 * NS_PER_MS;
    begin(f, 1);
    raw_peer_send(f->client[0], "last words");
    assert_int_equal(shutdown(f->client[0]->watch.fd, SHUT_WR), 0);
    assert_string_equal(raw_peer_wait(f->client[0], NULL), "last words");
    assert_true(f->client[0]->eof);
}

static void more_than_any_buffer_goes_through(void **state)
{
    struct fixture *f = *state;
    size_t len = 1500000;
    char *all = malloc(len);
    begin(f, 1);
    for (size_t i = 0; i < len; i++)
        all[i] = (char)('a' + i % 23);
    all[len - 1] = '\n';
    raw_peer_send_bytes(f->client[0], all, len);
    raw_peer_wait(f->client[0], "\n");
    assert_int_equal(f->client[0]->len, len);
    assert_memory_equal(f->client[0]->got, all, len);
    free(all);
}

static void who_finds_no_slot_waits_and_one_that_leaves_is_forgotten(void **state)
{
    struct fixture *f = *state;
    f->service.work_ns = 300 * NS_PER_MS;
    f->service.slots = 1;
    begin(f, 3);
    raw_peer_send(f->client[0], "a\n");
    while (stub_counts(f->stub).active == 0)
        raw_run_for(f->lab.loop, NS_PER_MS);
    raw_peer_send(f->client[1], "b\n");
    raw_peer_send(f->client[2], "c\n");
    while (stub_counts(f->stub).waiting < 2)
        raw_run_for(f->lab.loop, NS_PER_MS);
    raw_peer_close(f->client[1], true);
    while (stub_counts(f->stub).waiting > 1)
        raw_run_for(f->lab.loop, NS_PER_MS);
    assert_string_equal(raw_peer_wait(f->client[2], "\n"), "c\n");
    assert_string_equal(f->client[0]->got, "a\n"); /* the one before has been answered */
    assert_int_equal(stub_counts(f->stub).waiting + stub_counts(f->stub).active, 0);
    /* and one that leaves its slot gives it to the next */
    raw_peer_send(f->client[0], "d\n");
    while (stub_counts(f->stub).active == 0)
        raw_run_for(f->lab.loop, NS_PER_MS);
    raw_peer_send(f->client[2], "e\n");
    while (stub_counts(f->stub).waiting == 0)
        raw_run_for(f->lab.loop, NS_PER_MS);
    raw_peer_close(f->client[0], true);
    assert_string_equal(raw_peer_wait(f->client[2], "e\n"), "c\ne\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(what_comes_in_goes_back_after_the_work),
        TEST(a_fin_is_answered_behind_what_is_owed),
        TEST(more_than_any_buffer_goes_through),
        TEST(who_finds_no_slot_waits_and_one_that_leaves_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
