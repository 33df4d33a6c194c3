/* What a child keeps of its parent's. */

#include "base/fds.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 12

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Of descriptors from 3 on, a child that keeps ${a} and ${b} has these and no other. */
static void keeps(int a, int b)
{
    pid_t pid = fork();
    int status = 0;
    if (pid == 0) {
        bool right = true;
        fds_close_others(a, b);
        for (int fd = 0; fd < 3 + MANY; fd++)
            right = right && is_open(fd) == (fd < 3 || fd == a || fd == b);
        _exit(right ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void all_others_are_closed(void **unused)
{
    (void)unused;
    for (int fd = 3; fd < 3 + MANY; fd++)
        if (!is_open(fd))
            assert_int_equal(fcntl(STDERR_FILENO, F_DUPFD, fd), fd);
    for (int a = 3; a < 3 + MANY; a++) {
        keeps(a, -1);
        for (int b = 3; b < 3 + MANY; b++)
            keeps(a, b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_others_are_closed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
