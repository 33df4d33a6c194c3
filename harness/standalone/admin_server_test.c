#include "standalone/admin_server.h"

#include "net/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint16_t check(const char *token, const char *name, const char *value, const char *name2,
                      const char *value2)
{
    struct field field[2] = {{bytes_of(name), bytes_of(value)}, {{0}, {0}}};
    const char *why = NULL;
    if (name2 != NULL)
        field[1] = (struct field){bytes_of(name2), bytes_of(value2)};
    uint16_t status = access_check((struct fields){field, name2 == NULL ? 1 : 2}, token, &why);
    assert_true(status == 0 || why != NULL);
    return status;
}

static void without_a_token_only_loopback_names_are_hosts(void **state)
{
    static const struct {
        const char *host;
        uint16_t status;
    } rows[] = {
        {"127.0.0.1", 0},
        {"127.0.0.1:7481", 0},
        {"localhost", 0},
        {"LOCALHOST:80", 0},
        {"[::1]", 0},
        {"[::1]:80", 0},
        {"127.9.8.7:1", 0},
        {"evil.example", 403},
        {"10.0.0.1", 403},
        {"", 403},
        {"127.0.0.1.evil", 403},
        {"localhost.evil", 403},
        {"[::2]", 403},
        {"[::1", 403},
        {"127.0.0.1@evil", 403},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (check(NULL, "host", rows[i].host, NULL, NULL) != rows[i].status)
            fail_msg("host %s is not %u", rows[i].host, rows[i].status);
    assert_int_equal(check(NULL, "accept", "x", NULL, NULL), 403);
    assert_int_equal(check(NULL, "host", "localhost", "Host", "localhost"), 403);
}

static void without_a_token_no_origin_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(check(NULL, "host", "localhost", "origin", "null"), 403);
    assert_int_equal(check(NULL, "host", "localhost", "Origin", "http://localhost"), 403);
}

static void with_a_token_it_alone_decides(void **state)
{
    (void)state;
    assert_int_equal(check("abc", "authorization", "Bearer abc", NULL, NULL), 0);
    assert_int_equal(check("abc", "Authorization", "bearer  abc ", "origin", "http://x"), 0);
    assert_int_equal(check("abc", "authorization", "Bearer abcd", NULL, NULL), 401);
    assert_int_equal(check("abc", "authorization", "Bearer ab", NULL, NULL), 401);
    assert_int_equal(check("abc", "authorization", "Bearer ", NULL, NULL), 401);
    assert_int_equal(check("abc", "authorization", "Basic abc", NULL, NULL), 401);
    assert_int_equal(check("abc", "authorization", "abc", NULL, NULL), 401);
    assert_int_equal(check("abc", "host", "localhost", NULL, NULL), 401);
    assert_int_equal(check("abc", "authorization", "Bearer abc", "authorization", "Bearer abc"),
                     401);
}

static void beyond_loopback_a_token_is_needed(void **state)
{
    struct loop *loop;
    struct admin_server *server = NULL;
    struct error err = {0};
    bool loopback = false;
    (void)state;
    assert_true(access_is_loopback("127.0.0.1:0", &loopback, &err) && loopback);
    assert_true(access_is_loopback("[::1]:0", &loopback, &err) && loopback);
    assert_true(access_is_loopback("0.0.0.0:0", &loopback, &err) && !loopback);
    assert_true(access_is_loopback("[::]:0", &loopback, &err) && !loopback);
    assert_true(loop_new(&loop, &err));
    assert_false(admin_server_open(loop, &(struct admin_server_config){.listen = "0.0.0.0:0"},
                                   &server, &err));
    assert_non_null(strstr(err.text, "needs a token"));
    err = (struct error){0};
    assert_true(admin_server_open(loop, &(struct admin_server_config){.listen = "127.0.0.1:0"},
                                  &server, &err));
    assert_int_equal(strncmp(admin_server_address(server), "127.0.0.1:", 10), 0);
    admin_server_free(server);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_token_only_loopback_names_are_hosts),
        cmocka_unit_test(without_a_token_no_origin_is_allowed),
        cmocka_unit_test(with_a_token_it_alone_decides),
        cmocka_unit_test(beyond_loopback_a_token_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
