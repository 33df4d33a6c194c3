/* A user's program as an endpoint. This file is also the programs: `PROGRAM serve`, `PROGRAM deaf`.
 */

#include "engine/program.h"

#include "base/clock.h"
#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char self[4096];

/* Accepts on $PORT without SO_REUSEADDR, as the plainest program does. */
static int serve(void)
{
    const char *port = getenv("PORT");
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (port == NULL || fd < 0)
        return 1;
    at.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 8) != 0)
        return 2;
    for (;;)
        pause();
}

struct scene {
    struct loop *loop;
    struct program *program;
    char folder[64], log[96];
    int ups, ends;
    struct error why;
};

static void on_up(void *cookie)
{
    struct scene *s = cookie;
    s->ups++;
    loop_stop(s->loop);
}

static void on_end(void *cookie, const struct error *why)
{
    struct scene *s = cookie;
    s->ends++;
    s->why = *why;
    loop_stop(s->loop);
}

static void begin(struct scene *s, const char *command, uint64_t within_ns)
{
    struct error err = {0};
    *s = (struct scene){0};
    snprintf(s->folder, sizeof(s->folder), "/tmp/meshproof-program-test-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->log, sizeof(s->log), "%s/log", s->folder);
    assert_true(loop_new(&s->loop, &err));
    assert_int_equal(setenv("SELF", self, 1), 0);
    const struct program_config config = {.listen = "127.0.0.1:0",
                                          .command = command,
                                          .folder = s->folder,
                                          .log = s->log,
                                          .within_ns = within_ns,
                                          .on_up = on_up,
                                          .on_end = on_end,
                                          .cookie = s};
    assert_true(program_open(s->loop, &config, &s->program, &err));
    if (!program_start(s->program, &err))
        fail_msg("%s", err.text);
    assert_true(loop_run(s->loop, &err));
}

static void end(struct scene *s)
{
    program_free(s->program);
    unlink(s->log);
    assert_int_equal(rmdir(s->folder), 0);
    loop_free(s->loop);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void it_is_up_when_it_accepts(void **unused)
{
    struct scene s;
    struct error err = {0};
    int fd;
    (void)unused;
    begin(&s, "$SELF serve", 0);
    assert_int_equal(s.ups, 1);
    assert_int_equal(s.ends, 0);
    assert_true(socket_connect(program_address(s.program), &fd, &err));
    close(fd);
    end(&s);
}

static void what_ends_at_once_is_told_with_its_last_line(void **unused)
{
    struct scene s;
    (void)unused;
    begin(&s, "sh -c 'pwd; exit 3'", 0);
    assert_int_equal(s.ups, 0);
    assert_int_equal(s.ends, 1);
    assert_non_null(strstr(s.why.text, "exit code 3"));
    assert_non_null(strstr(s.why.text, s.folder)); /* it ran there */
    end(&s);
}

static void what_is_no_program_is_told(void **unused)
{
    struct scene s;
    (void)unused;
    begin(&s, "no-such-program-anywhere", 0);
    assert_int_equal(s.ends, 1);
    assert_non_null(strstr(s.why.text, "cannot be executed"));
    end(&s);
}

static void what_never_accepts_is_given_up(void **unused)
{
    struct scene s;
    (void)unused;
    begin(&s, "$SELF deaf", 50 * NS_PER_MS);
    assert_int_equal(s.ups, 0);
    assert_int_equal(s.ends, 1);
    assert_non_null(strstr(s.why.text, "did not accept a connection at 127.0.0.1:"));
    end(&s);
}

static void one_that_was_never_started_is_freed(void **unused)
{
    struct loop *loop;
    struct error err = {0};
    struct program *p;
    const struct program_config config = {.listen = "127.0.0.1:0", .command = "true", .log = "/x"};
    (void)unused;
    assert_true(loop_new(&loop, &err));
    assert_true(program_open(loop, &config, &p, &err));
    assert_int_equal(strncmp(program_address(p), "127.0.0.1:", 10), 0);
    program_free(p);
    loop_free(loop);
}

static void calls_have_names_that_a_shell_takes(void **unused)
{
    char name[80];
    (void)unused;
    program_call_name("payments", name, sizeof(name));
    assert_string_equal(name, "CALL_PAYMENTS");
    program_call_name("cart-v2", name, sizeof(name));
    assert_string_equal(name, "CALL_CART_V2");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    while (argc == 2 && strcmp(argv[1], "deaf") == 0)
        pause();
    if (realpath(argv[0], self) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_up_when_it_accepts),
        cmocka_unit_test(what_ends_at_once_is_told_with_its_last_line),
        cmocka_unit_test(what_is_no_program_is_told),
        cmocka_unit_test(what_never_accepts_is_given_up),
        cmocka_unit_test(one_that_was_never_started_is_freed),
        cmocka_unit_test(calls_have_names_that_a_shell_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
