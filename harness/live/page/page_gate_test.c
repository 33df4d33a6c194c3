#include "live/page/page_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TOKEN "sixteen-bytes-at-least"

static struct page_gate gate_of(const char *listen, const char *token)
{
    struct page_gate g;
    struct error err = {0};
    assert_true(page_gate_init(&g, listen, token, &err));
    return g;
}

/* ${lines}: "name: value" and so on, NULL at the end; a "cookie" of "mine" is the right one. */
static uint16_t check(const struct page_gate *g, bool changes, const char *const *lines)
{
    struct field field[8];
    char cookie[120];
    size_t count = 0;
    enum page_who who;
    const char *why = NULL;
    snprintf(cookie, sizeof(cookie), "a=b; %s=%s", g->cookie, g->session);
    for (; lines[count] != NULL; count++) {
        struct bytes line = bytes_of(lines[count]);
        size_t colon = bytes_find(line, ':');
        field[count] =
            (struct field){{line.at, colon}, {line.at + colon + 2, line.len - colon - 2}};
        if (bytes_equal(field[count].value, BYTES("mine")))
            field[count].value = bytes_of(cookie);
    }
    uint16_t status = page_gate_check(g, (struct fields){field, count}, changes, &who, &why);
    assert_true(status == 0 || (why != NULL && why[0] != '\0'));
    assert_true(status == 0 ? who != PAGE_STRANGER : status != 401 || who == PAGE_STRANGER);
    return status;
}
#define CHECK(gate, changes, ...) check(gate, changes, (const char *const[]){__VA_ARGS__, NULL})

static void only_the_cookie_or_the_token_lets_in(void **state)
{
    struct page_gate g = gate_of("127.0.0.1:0", NULL);
    char bearer[260], wrong[120];
    (void)state;
    snprintf(bearer, sizeof(bearer), "authorization: Bearer %s", g.token);
    snprintf(wrong, sizeof(wrong), "cookie: %s=%s0", g.cookie, g.session);
    assert_int_equal(CHECK(&g, true, "host: 127.0.0.1:1", "cookie: mine"), 0);
    assert_int_equal(CHECK(&g, true, "host: localhost", bearer), 0);
    assert_int_equal(CHECK(&g, false, "host: 127.0.0.1:1"), 401);
    assert_int_equal(CHECK(&g, false, "host: 127.0.0.1:1", wrong), 401);
    assert_int_equal(CHECK(&g, false, "host: 127.0.0.1:1", "cookie: ;;=; x"), 401);
    wrong[strlen(wrong) - 2] = '\0';
    assert_int_equal(CHECK(&g, false, "host: 127.0.0.1:1", wrong), 401);
    snprintf(wrong, sizeof(wrong), "cookie: %s", g.cookie);
    assert_int_equal(CHECK(&g, false, "host: 127.0.0.1:1", wrong), 401);
    snprintf(wrong, sizeof(wrong), "cookie: x%s=%s", g.cookie, g.session);
    assert_int_equal(CHECK(&g, false, "host: 127.0.0.1:1", wrong), 401);
}

/* DNS rebinding: the name in the address bar is the attacker's. */
static void on_loopback_the_host_is_this_host(void **state)
{
    struct page_gate g = gate_of("[::1]:0", NULL), far = gate_of("0.0.0.0:0", TOKEN);
    (void)state;
    assert_int_equal(CHECK(&g, false, "host: [::1]:5", "cookie: mine"), 0);
    assert_int_equal(CHECK(&g, false, "host: evil.example:5", "cookie: mine"), 403);
    assert_int_equal(CHECK(&g, false, "host: 127.0.0.1.evil.example", "cookie: mine"), 403);
    assert_int_equal(CHECK(&g, false, "host: localhost", "host: localhost", "cookie: mine"), 400);
    assert_int_equal(CHECK(&g, false, "cookie: mine"), 400);
    assert_int_equal(CHECK(&far, false, "host: meshproof.shop:7490", "cookie: mine"), 0);
}

static void another_site_changes_nothing(void **state)
{
    struct page_gate g = gate_of("127.0.0.1:0", NULL);
    const char *host = "host: 127.0.0.1:81", *cookie = "cookie: mine";
    (void)state;
    assert_int_equal(CHECK(&g, true, host, cookie, "origin: http://127.0.0.1:81"), 0);
    assert_int_equal(CHECK(&g, true, host, cookie, "origin: https://127.0.0.1:81"), 0);
    assert_int_equal(CHECK(&g, true, host, cookie, "sec-fetch-site: same-origin"), 0);
    assert_int_equal(CHECK(&g, true, host, cookie, "origin: http://127.0.0.1:82"), 403);
    assert_int_equal(CHECK(&g, true, host, cookie, "origin: http://127.0.0.1:811"), 403);
    assert_int_equal(CHECK(&g, true, host, cookie, "origin: null"), 403);
    assert_int_equal(CHECK(&g, true, host, cookie, "origin: "), 403);
    assert_int_equal(
        CHECK(&g, true, host, cookie, "origin: http://127.0.0.1:81", "origin: http://127.0.0.1:81"),
        403);
    assert_int_equal(CHECK(&g, true, host, cookie, "sec-fetch-site: same-site"), 403);
    assert_int_equal(CHECK(&g, true, host, cookie, "sec-fetch-site: cross-site"), 403);
    assert_int_equal(CHECK(&g, true, host, cookie, "sec-fetch-site: none"), 403);
    assert_int_equal(CHECK(&g, false, host, cookie, "sec-fetch-site: cross-site"), 0);
}

static void secrets_are_drawn_and_compared_whole(void **state)
{
    struct page_gate a = gate_of("127.0.0.1:0", NULL), b = gate_of("127.0.0.1:0", NULL),
                     c = gate_of("127.0.0.1:0", "a token & a half");
    char form[300];
    (void)state;
    assert_true(a.drawn && strlen(a.token) == 32 && !c.drawn);
    assert_string_not_equal(a.token, b.token);
    assert_string_not_equal(a.session, b.session);
    assert_string_not_equal(a.forgery, b.forgery);
    assert_string_not_equal(a.cookie, b.cookie);
    snprintf(form, sizeof(form), "x=1&token=%s", a.token);
    assert_true(page_gate_opens(&a, bytes_of(form)));
    assert_false(page_gate_opens(&b, bytes_of(form)));
    form[strlen(form) - 1] = '\0';
    assert_false(page_gate_opens(&a, bytes_of(form)));
    assert_false(page_gate_opens(&a, (struct bytes){0}));
    assert_true(page_gate_opens(&c, BYTES("token=a+token+%26+a%20half")));
    snprintf(form, sizeof(form), "forgery=%s", a.forgery);
    assert_true(page_gate_is_ours(&a, bytes_of(form)));
    assert_false(page_gate_is_ours(&b, bytes_of(form)));
    assert_false(page_gate_is_ours(&a, BYTES("forgery=")));
    page_gate_release(&a);
    assert_int_equal(a.token[0] | a.session[0] | a.forgery[0], 0);
}

static void beyond_loopback_a_token_is_needed_and_a_short_one_refused(void **state)
{
    struct page_gate g;
    struct error err = {0};
    (void)state;
    assert_false(page_gate_init(&g, "0.0.0.0:7490", NULL, &err));
    assert_string_equal(err.text, "--listen 0.0.0.0:7490 is beyond loopback, which needs a token: "
                                  "--token-env NAME");
    err = (struct error){0};
    assert_false(page_gate_init(&g, "127.0.0.1:0", "short", &err));
    assert_non_null(strstr(err.text, "5 bytes; it must have 16 to 200"));
    err = (struct error){0};
    assert_false(page_gate_init(&g, "nowhere", NULL, &err));
    assert_non_null(strstr(err.text, "--listen "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_cookie_or_the_token_lets_in),
        cmocka_unit_test(on_loopback_the_host_is_this_host),
        cmocka_unit_test(another_site_changes_nothing),
        cmocka_unit_test(secrets_are_drawn_and_compared_whole),
        cmocka_unit_test(beyond_loopback_a_token_is_needed_and_a_short_one_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
