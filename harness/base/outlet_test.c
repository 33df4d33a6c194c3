/* Lines to a reader who does not read: nobody waits, what fits is kept whole and in order, and the
 * rest is counted. */
#include "base/outlet.h"

#include "base/check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#define LINES 20000
#define PIPE_BYTES 4096
#define LINE_FORMAT "line %05u of those that nobody reads yet"

struct writer {
    pid_t pid;
    int out, told; /* its lines; how many it left out, once all are written */
};

/* In the child: its output is ours to replace. */
static void write_lines(int told)
{
    outlet_hurry();
    for (unsigned i = 0; i < LINES; i++) {
        char line[80];
        snprintf(line, sizeof(line), LINE_FORMAT, i);
        outlet_line(STDOUT_FILENO, line);
    }
    uint64_t left_out = outlet_left_out(STDOUT_FILENO);
    if (write(told, &left_out, sizeof(left_out)) != sizeof(left_out))
        _exit(1);
    outlet_settle(STDOUT_FILENO, -1);
    outlet_line(STDOUT_FILENO, "last");
    _exit(0);
}

static void writer_start(struct writer *w, bool socket)
{
    int out[2], told[2];
    assert_int_equal(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, out) : pipe(out), 0);
    assert_int_equal(pipe(told), 0);
    if (!socket)
        assert_true(fcntl(out[1], F_SETPIPE_SZ, PIPE_BYTES) >= 0);
    w->pid = fork();
    if (w->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        write_lines(told[1]);
    }
    close(out[1]);
    close(told[1]);
    w->out = out[0];
    w->told = told[0];
}

static void a_reader_that_does_not_read_keeps_nobody_waiting(bool socket)
{
    struct writer w;
    uint64_t left_out = 0;
    char line[200];
    unsigned next = 0, number, count = 0;
    int status;
    writer_start(&w, socket);
    assert_int_equal(read(w.told, &left_out, sizeof(left_out)), sizeof(left_out)); /* all written */
    assert_true(left_out > 0 && left_out < LINES);
    FILE *from = fdopen(w.out, "r");
    assert_non_null(from);
    while (fgets(line, sizeof(line), from) != NULL && strcmp(line, "last\n") != 0) {
        char wanted[80], *end;
        number = (unsigned)strtoul(line + 5, &end, 10);
        snprintf(wanted, sizeof(wanted), LINE_FORMAT "\n", number);
        assert_string_equal(line, wanted); /* whole */
        assert_true(number >= next);       /* in order */
        next = number + 1;
        count++;
    }
    assert_string_equal(line, "last\n");
    assert_int_equal(count + left_out, LINES);
    fclose(from);
    close(w.told);
    assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
    assert_int_equal(status, 0);
}

static void of_a_pipe(void **state)
{
    (void)state;
    a_reader_that_does_not_read_keeps_nobody_waiting(false);
}

static void of_a_socket(void **state)
{
    (void)state;
    a_reader_that_does_not_read_keeps_nobody_waiting(true);
}

/* The descriptor that others share waits as before. */
static void the_descriptor_itself_is_not_changed(void **state)
{
    int before = fcntl(STDERR_FILENO, F_GETFL);
    (void)state;
    outlet_hurry();
    outlet_line(STDERR_FILENO, "a line of the test");
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), before);
    outlet_settle(STDERR_FILENO, -1);
    outlet_settle(STDOUT_FILENO, -1);
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), before);
}

/* A reader that is gone is no reader: nothing is kept for it. */
static void for_a_reader_that_is_gone_nothing_is_kept(void **state)
{
    int out[2], status;
    (void)state;
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        outlet_hurry();
        for (unsigned i = 0; i < LINES; i++)
            outlet_line(STDOUT_FILENO, "to nobody");
        outlet_settle(STDOUT_FILENO, -1);
        _exit(outlet_left_out(STDOUT_FILENO) == 0 ? 0 : 1);
    }
    close(out[0]);
    close(out[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_pipe),
        cmocka_unit_test(of_a_socket),
        cmocka_unit_test(the_descriptor_itself_is_not_changed),
        cmocka_unit_test(for_a_reader_that_is_gone_nothing_is_kept),
    };
    return cmocka_run_group_tests_name("outlet", tests, NULL, NULL);
}
