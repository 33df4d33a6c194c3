/* Messages to a scripted server: what it gets, and what becomes of one that is away, slow, or
 * answers nonsense. */
#include "cli/teller.h"

#include "base/clock.h"
#include "cli/post.h"
#include "net/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Another process that answers each connection with the same bytes, and keeps what it was sent in a
 * file; answer NULL: it accepts, and says nothing. */
struct server {
    pid_t pid;
    char file[64], url[64];
};

static void serve(int listener, const char *file, const char *answer)
{
    FILE *to = fopen(file, "we");
    for (;;) {
        char bytes[8192];
        size_t len = 0;
        int fd = accept(listener, NULL, NULL);
        if (fd < 0 || to == NULL)
            _exit(1);
        while (len < sizeof(bytes) - 1) {
            ssize_t n = recv(fd, bytes + len, sizeof(bytes) - 1 - len, 0);
            len += n > 0 ? (size_t)n : 0;
            bytes[len] = '\0';
            if (n <= 0 || (strstr(bytes, "\r\n\r\n") != NULL && bytes[len - 1] == '}'))
                break;
        }
        fprintf(to, "%s\n", bytes);
        fflush(to);
        if (answer == NULL)
            continue; /* it stays open */
        if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
            _exit(2);
        close(fd);
    }
}

static void server_open(struct server *s, const char *answer)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    snprintf(s->file, sizeof(s->file), "/tmp/meshproof-teller-XXXXXX");
    int fd = mkstemp(s->file);
    assert_true(fd >= 0);
    close(fd);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/hook", ntohs(at.sin_port));
    s->pid = fork();
    if (s->pid == 0)
        serve(listener, s->file, answer);
    close(listener);
}

static void server_close(struct server *s, char *ret_got, size_t size)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    FILE *from = fopen(s->file, "re");
    size_t n = from == NULL ? 0 : fread(ret_got, 1, size - 1, from);
    ret_got[n] = '\0';
    if (from != NULL)
        fclose(from);
    unlink(s->file);
}

static void addresses_are_read(void **state)
{
    static const struct {
        const char *url, *host, *port, *path;
        bool tls;
    } good[] = {
        {"http://h", "h", "80", "", false},
        {"https://hooks.example/services/T0/B0/x?y=1", "hooks.example", "443",
         "/services/T0/B0/x?y=1", true},
        {"http://127.0.0.1:8080/x", "127.0.0.1", "8080", "/x", false},
        {"http://[::1]:99", "::1", "99", "", false},
        {"http://[::1]/a", "::1", "80", "/a", false},
        {"http://h?a=b", "h", "80", "?a=b", false},
    };
    static const char *const bad[] = {
        "",
        "h",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://:80",
        "http://h:",
        "http://h:x/",
        "http://h:123456/",
        "http://[::1",
        "http://[]/",
        "http://me:pw@h/",
        "http://h/#f",
        "http://h/a b",
        "http://h/\r\nX: y",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct post_target t;
        struct error err = {0};
        if (!post_parse(good[i].url, &t, &err))
            fail_msg("%s: %s", good[i].url, err.text);
        assert_string_equal(t.host, good[i].host);
        assert_string_equal(t.port, good[i].port);
        assert_string_equal(t.path, good[i].path);
        assert_int_equal(t.tls, good[i].tls);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct post_target t;
        struct error err = {0};
        if (post_parse(bad[i], &t, &err))
            fail_msg("%s was read as host %s port %s", bad[i], t.host, t.port);
    }
}

static void messages_arrive_in_order_with_their_token(void **state)
{
    struct server s;
    struct teller t;
    struct error err = {0};
    char got[8192];
    (void)state;
    server_open(&s, "HTTP/1.1 204 No Content\r\n\r\n");
    setenv("TELLER_TOKEN", "s3cret", 1);
    struct notify_plan to = {.kind = NOTIFY_GRAFANA, .url = s.url, .token = "TELLER_TOKEN"};
    if (!teller_open(&t, &to, NULL, &err))
        fail_msg("%s", err.text);
    teller_send(&t, "{\"n\":1}");
    teller_send(&t, "{\"n\":2}");
    teller_finish(&t);
    if (!teller_close(&t, clock_now_ns() + 20 * NS_PER_S, &err))
        fail_msg("%s", err.text);
    server_close(&s, got, sizeof(got));
    char *first = strstr(got, "{\"n\":1}"), *second = strstr(got, "{\"n\":2}");
    assert_true(first != NULL && second != NULL && first < second);
    assert_memory_equal(got, "POST /hook/api/annotations HTTP/1.1\r\n", 37);
    assert_non_null(strstr(got, "\r\nAuthorization: Bearer s3cret\r\n"));
    assert_non_null(strstr(got, "\r\nContent-Length: 7\r\n"));
    unsetenv("TELLER_TOKEN");
}

static void what_goes_wrong_is_told_without_the_address(void **state)
{
    static const struct {
        const char *answer, *why;
    } rows[] = {
        {"HTTP/1.1 500 Oops\r\n\r\n", "4 of 4 messages were not taken: it answered 500"},
        {"HTTP/1.1 302 Found\r\nLocation: http://h/\r\n\r\n",
         "4 of 4 messages were not taken: it answered 302"},
        {"220 smtp.example\r\n", "4 of 4 messages were not taken: its answer is not HTTP"},
        {"", "4 of 4 messages were not taken: it ended without an answer"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server s;
        struct teller t;
        struct error err = {0};
        char got[65536];
        server_open(&s, rows[i].answer);
        setenv("TELLER_URL", s.url, 1);
        struct notify_plan to = {.kind = NOTIFY_SLACK, .url_from = "TELLER_URL"};
        assert_true(teller_open(&t, &to, NULL, &err));
        for (int k = 0; k < 4; k++)
            teller_send(&t, "{}");
        teller_finish(&t);
        assert_false(teller_close(&t, clock_now_ns() + 20 * NS_PER_S, &err));
        assert_string_equal(err.text, rows[i].why);
        server_close(&s, got, sizeof(got));
        size_t asked = 0; /* three in a row, then no more */
        for (const char *at = got; (at = strstr(at, "POST ")) != NULL; at++)
            asked++;
        assert_int_equal(asked, 3);
    }
    unsetenv("TELLER_URL");
}

/* Who does not answer is given up at the run's end, and costs no wait before. */
static void one_that_is_silent_is_killed(void **state)
{
    struct server s;
    struct teller t;
    struct error err = {0};
    char got[8192], body[TELLER_MOST];
    (void)state;
    server_open(&s, NULL);
    struct notify_plan to = {.kind = NOTIFY_WEBHOOK, .url = s.url};
    assert_true(teller_open(&t, &to, NULL, &err));
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    for (int k = 0; k < 100; k++) /* more than a pipe holds */
        teller_send(&t, body);
    assert_true(t.missed > 0 && t.sent > 0);
    teller_finish(&t);
    assert_false(teller_close(&t, clock_now_ns() + 50 * NS_PER_MS, &err));
    assert_non_null(strstr(err.text, "it takes too long: not all of "));
    server_close(&s, got, sizeof(got));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_port_that_nobody_listens_at_is_a_sentence(void **state)
{
    struct post_target target;
    struct error err = {0};
    int fd;
    uint16_t port;
    char url[64];
    (void)state;
    assert_true(socket_listen("127.0.0.1:0", &fd, &port, &err));
    close(fd);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/s3cret", port);
    assert_true(post_parse(url, &target, &err));
    assert_false(post_json(&target, "", NULL, "{}", NS_PER_S, &err));
    assert_non_null(strstr(err.text, "connecting"));
    assert_null(strstr(err.text, "s3cret"));
    assert_false(post_json(&target, "", "a\r\nX: b", "{}", NS_PER_S, &err));
}

static void nobody_is_told_without_the_variables(void **state)
{
    static const struct {
        struct notify_plan to;
        const char *why;
    } rows[] = {
        {{.kind = NOTIFY_SLACK, .url_from = "TELLER_NONE"}, "TELLER_NONE is not set"},
        {{.kind = NOTIFY_SLACK, .url_from = "TELLER_BAD"},
         "TELLER_BAD: it is no http:// or https:// address"},
        {{.kind = NOTIFY_WEBHOOK, .url = "http://h/", .token = "TELLER_NONE"},
         "TELLER_NONE is not set"},
    };
    (void)state;
    unsetenv("TELLER_NONE");
    setenv("TELLER_BAD", "hooks.example/s3cret", 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct teller t;
        struct error err = {0};
        assert_false(teller_open(&t, &rows[i].to, NULL, &err));
        assert_string_equal(err.text, rows[i].why);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(messages_arrive_in_order_with_their_token),
        cmocka_unit_test(what_goes_wrong_is_told_without_the_address),
        cmocka_unit_test(one_that_is_silent_is_killed),
        cmocka_unit_test(a_port_that_nobody_listens_at_is_a_sentence),
        cmocka_unit_test(nobody_is_told_without_the_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
