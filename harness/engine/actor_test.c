/* What a dead agent leaves behind. The life of one: conductor_test.c, conductor_failure_test.c. */
#include "engine/actor.h"

#include "net/socket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_free(const char *address)
{
    struct socket_address at;
    struct error err = {0};
    assert_true(socket_parse(address, &at, &err));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = bind(fd, (struct sockaddr *)&at.storage, at.len);
    assert_true(failed == 0 || errno == EADDRINUSE);
    close(fd);
    return failed == 0;
}

static bool is_refused(const char *address)
{
    struct socket_address at;
    struct error err = {0};
    assert_true(socket_parse(address, &at, &err));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = connect(fd, (struct sockaddr *)&at.storage, at.len);
    bool refused = failed != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* Whoever dials out is given a free port: that of an endpoint which is down for a minute, too. */
static void the_ports_of_one_that_is_down_are_kept_for_it(void **state)
{
    char address[64], *addresses[] = {address};
    struct error err = {0};
    uint16_t port = 0;
    int fd = -1, again = -1;
    (void)state;
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err));
    close(fd);
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_true(is_free(address));
    struct actor a = {.netns_fd = -1, .addresses = addresses, .address_count = 1};
    actor_keep_ports(&a);
    assert_false(is_free(address));
    assert_true(is_refused(address));
    assert_true(socket_listen(address, &again, NULL, &err)); /* it is back */
    actor_drop_ports(&a);
    assert_false(is_free(address));
    close(again);
    assert_true(is_free(address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ports_of_one_that_is_down_are_kept_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
