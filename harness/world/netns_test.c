#include "world/netns.h"

#include "base/clock.h"
#include "world/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GONE_WITHIN_NS (10 * NS_PER_S)

static const char *const a_addresses[] = {"10.1.0.1", "10.1.1.1"};
static const char *const b_addresses[] = {"10.2.0.1", "10.2.1.1", "10.2.1.2"};

struct lab {
    struct netns *hub, *a, *b;
};

static int setup(void **state)
{
    struct lab *lab = check_alloc_zero(1, sizeof(*lab));
    struct error err = {0};
    *state = lab;
    if (geteuid() != 0) {
        print_message("namespaces need root: skipped\n");
        return 0;
    }
    bool ok = netns_make_hub(&lab->hub, &err) && netns_make(&lab->a, &err) &&
              netns_make(&lab->b, &err) &&
              netns_join(lab->hub, lab->a, "eth0", a_addresses, 2, &err) &&
              netns_join(lab->hub, lab->b, "eth0", b_addresses, 3, &err);
    if (!ok)
        print_message("%s\n", err.text);
    return ok ? 0 : 1;
}

static int teardown(void **state)
{
    struct lab *lab = *state;
    netns_release(lab->a);
    netns_release(lab->b);
    netns_release(lab->hub);
    free(lab);
    return 0;
}

/* A listener, or (listener -1) a connection to it, made within a namespace. */
struct visit {
    const struct netns *in;
    const char *to;
    uint16_t port;
    bool listens;
    int fd, sys;
    struct sockaddr_in own;
};

static void *go(void *cookie)
{
    struct visit *v = cookie;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = v->port};
    socklen_t len = sizeof(v->own);
    if (setns(netns_fd(v->in), CLONE_NEWNET) != 0) {
        v->sys = errno;
        return NULL;
    }
    inet_pton(AF_INET, v->to, &to.sin_addr);
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int done = v->listens ? bind(v->fd, (struct sockaddr *)&to, sizeof(to))
                          : connect(v->fd, (struct sockaddr *)&to, sizeof(to));
    if (done == 0 && v->listens)
        done = listen(v->fd, 4);
    v->sys = done == 0 ? 0 : errno;
    getsockname(v->fd, (struct sockaddr *)&v->own, &len);
    return NULL;
}

static struct visit visit(const struct netns *in, const char *to, uint16_t port, bool listens)
{
    struct visit v = {.in = in, .to = to, .port = port, .listens = listens, .fd = -1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, go, &v), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return v;
}

static void what_is_joined_reaches_each_address_and_calls_from_its_first(void **state)
{
    const struct lab *lab = *state;
    char from[INET_ADDRSTRLEN];
    if (lab->hub == NULL)
        skip();
    for (size_t i = 0; i < COUNT_OF(b_addresses); i++) {
        struct visit listener = visit(lab->b, b_addresses[i], 0, true);
        assert_int_equal(listener.sys, 0);
        struct visit caller = visit(lab->a, b_addresses[i], listener.own.sin_port, false);
        assert_int_equal(caller.sys, 0);
        assert_string_equal(inet_ntop(AF_INET, &caller.own.sin_addr, from, sizeof(from)),
                            "10.1.0.1");
        close(caller.fd);
        close(listener.fd);
    }
}

static void loopback_is_up_and_its_own(void **state)
{
    const struct lab *lab = *state;
    if (lab->hub == NULL)
        skip();
    struct visit listener = visit(lab->b, "127.0.0.1", 0, true);
    struct visit same = visit(lab->b, "127.0.0.1", listener.own.sin_port, false);
    struct visit other = visit(lab->a, "127.0.0.1", listener.own.sin_port, false);
    assert_int_equal(same.sys, 0);
    assert_int_equal(other.sys, ECONNREFUSED);
    close(same.fd);
    close(other.fd);
    close(listener.fd);
}

static void we_stay_where_we_were(void **state)
{
    const struct lab *lab = *state;
    struct netlink *ours;
    struct error err = {0};
    if (lab->hub == NULL)
        skip();
    assert_true(netlink_open(-1, &ours, &err));
    uint64_t inodes[] = {netlink_inode(ours), netns_inode(lab->hub), netns_inode(lab->a),
                         netns_inode(lab->b)};
    netlink_close(ours);
    for (size_t i = 0; i < COUNT_OF(inodes); i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(inodes[i], inodes[k]);
}

static bool has_port(struct netlink *hub, const char *port)
{
    struct netlink_link link;
    struct error err = {0};
    bool there = false;
    assert_true(netlink_link_look(hub, port, &there, &link, &err));
    return there;
}

/* The kernel takes a namespace down behind our back: looked at until it is so. */
static void wait_gone(struct netlink *hub, const char *port)
{
    uint64_t until_ns = clock_now_ns() + GONE_WITHIN_NS;
    while (has_port(hub, port))
        assert_true(clock_now_ns() < until_ns);
}

static void a_namespace_lives_as_long_as_its_last_process_which_is_killed(void **state)
{
    const struct lab *lab = *state;
    static const char *const addresses[] = {"10.3.0.1"};
    struct netns *c;
    struct netlink *hub;
    struct error err = {0};
    int ready[2];
    char byte;
    if (lab->hub == NULL)
        skip();
    assert_true(netns_make(&c, &err));
    assert_true(netns_join(lab->hub, c, "eth0", addresses, 1, &err));
    assert_true(netlink_open(netns_fd(lab->hub), &hub, &err));
    assert_true(has_port(hub, "port2"));
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setns(netns_fd(c), CLONE_NEWNET) != 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        close(netns_fd(c)); /* as exec does */
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    netns_release(c);
    assert_true(has_port(hub, "port2"));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    wait_gone(hub, "port2");
    netlink_close(hub);
    close(ready[0]);
    close(ready[1]);
}

static void without_the_right_it_is_one_sentence(void **state)
{
    struct netns *n = NULL;
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        struct error err = {0};
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(3);
        bool made = netns_make(&n, &err);
        _exit(!made && err.sys == EPERM && strstr(err.text, "CAP_SYS_ADMIN") != NULL ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void an_address_that_is_none_is_refused(void **state)
{
    const struct lab *lab = *state;
    static const char *const addresses[] = {"10.4.0"};
    struct netns *n;
    struct error err = {0};
    if (lab->hub == NULL)
        skip();
    assert_true(netns_make(&n, &err));
    assert_false(netns_join(lab->hub, n, "eth0", addresses, 1, &err));
    assert_string_equal(err.text, "\"10.4.0\" is no IPv4 address");
    netns_release(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            what_is_joined_reaches_each_address_and_calls_from_its_first, setup, teardown),
        cmocka_unit_test_setup_teardown(loopback_is_up_and_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(we_stay_where_we_were, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_namespace_lives_as_long_as_its_last_process_which_is_killed, setup, teardown),
        cmocka_unit_test(without_the_right_it_is_one_sentence),
        cmocka_unit_test_setup_teardown(an_address_that_is_none_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
