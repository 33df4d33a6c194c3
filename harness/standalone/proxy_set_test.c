#include "standalone/proxy_set.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
    struct loop *loop;
    struct proxy_set *set;
    bool drained;
};

static struct rig *make_with(unsigned workers)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct error err = {0};
    assert_true(loop_new(&r->loop, &err));
    r->set = proxy_set_new(
        r->loop, &(struct proxy_set_config){.seed = 1, .drain_ns = NS_PER_S, .workers = workers});
    return r;
}

static int make(void **state)
{
    *state = make_with(1);
    return 0;
}

static int make_shared(void **state)
{
    *state = make_with(2);
    return 0;
}

static int unmake(void **state)
{
    struct rig *r = *state;
    proxy_set_free(r->set);
    loop_free(r->loop);
    free(r);
    return 0;
}

/* ' stands for ". */
static json_t *parse(const char *text)
{
    char quoted[2000];
    snprintf(quoted, sizeof(quoted), "%s", text);
    for (char *p = quoted; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    json_t *json = json_loads(quoted, 0, NULL);
    assert_non_null(json);
    return json;
}

static void put(struct rig *r, const char *text)
{
    struct error err = {0};
    json_t *json = parse(text);
    if (!proxy_set_put(r->set, json, &err))
        fail_msg("%s: %s", text, err.text);
    json_decref(json);
}

static void refuses(struct rig *r, const char *text, const char *words)
{
    struct error err = {0};
    json_t *json = parse(text), *before = proxy_set_list(r->set);
    bool ok = json_is_array(json) ? proxy_set_replace(r->set, json, true, &err)
                                  : proxy_set_put(r->set, json, &err);
    assert_false(ok);
    if (strstr(err.text, words) == NULL)
        fail_msg("%s: \"%s\" has no \"%s\"", text, err.text, words);
    json_t *after = proxy_set_list(r->set);
    assert_true(json_equal(before, after));
    json_decref(json);
    json_decref(before);
    json_decref(after);
}

/* The text of a key; lives until the next call. */
static const char *text_of(struct rig *r, const char *name, const char *key)
{
    static char text[200];
    json_t *proxy = proxy_set_describe(r->set, name);
    snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(proxy, key)));
    json_decref(proxy);
    return text;
}

static json_int_t fault_id(struct rig *r, const char *name, size_t i)
{
    json_t *proxy = proxy_set_describe(r->set, name);
    json_int_t id = json_integer_value(
        json_object_get(json_array_get(json_object_get(proxy, "faults"), i), "id"));
    json_decref(proxy);
    return id;
}

static size_t fault_count(struct rig *r, const char *name)
{
    json_t *proxy = proxy_set_describe(r->set, name);
    size_t count = json_array_size(json_object_get(proxy, "faults"));
    json_decref(proxy);
    return count;
}

static bool connects(const char *address)
{
    struct error err = {0};
    int fd = -1;
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    if (!socket_connect(address, &fd, &err))
        return false;
    bool there = getpeername(fd, (struct sockaddr *)&peer, &len) == 0; /* on loopback it is done */
    close(fd);
    return there;
}

static void a_proxy_is_opened_and_described(void **state)
{
    struct rig *r = *state;
    put(r, "{'name': 'a', 'to': '127.0.0.1:9'}");
    assert_true(proxy_set_has(r->set, "a"));
    assert_false(proxy_set_has(r->set, "b"));
    assert_string_equal(text_of(r, "a", "protocol"), "http");
    assert_true(connects(text_of(r, "a", "listen")));
    assert_null(proxy_set_describe(r->set, "b"));
}

static void what_is_described_can_be_put_and_changes_nothing(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    put(r, "{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', 'status': 503, "
           "'times': 3}]}");
    json_t *before = proxy_set_list(r->set);
    assert_true(proxy_set_replace(r->set, before, true, &err));
    json_t *after = proxy_set_list(r->set);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void an_unchanged_proxy_keeps_its_address_and_an_equal_fault_its_number(void **state)
{
    struct rig *r = *state;
    char address[100];
    put(r, "{'name': 'a', 'listen': '127.0.0.1:0', 'to': '127.0.0.1:9', 'faults': [{'word': "
           "'abort', 'status': 503}]}");
    snprintf(address, sizeof(address), "%s", text_of(r, "a", "listen"));
    json_int_t id = fault_id(r, "a", 0);
    put(r, "{'name': 'a', 'listen': '127.0.0.1:0', 'to': '127.0.0.1:9', 'faults': [{'word': "
           "'latency', 'add': '1ms'}, {'word': 'abort', 'status': 503}]}");
    assert_string_equal(text_of(r, "a", "listen"), address);
    assert_int_equal(fault_id(r, "a", 1), id);
    assert_int_not_equal(fault_id(r, "a", 0), id);
    put(r, "{'name': 'a', 'listen': '127.0.0.1:0', 'to': '127.0.0.1:10'}");
    assert_string_equal(text_of(r, "a", "listen"), address);
    assert_string_equal(text_of(r, "a", "to"), "127.0.0.1:10");
    assert_int_equal(fault_count(r, "a"), 0);
}

static void faults_are_added_replaced_and_removed_by_number(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    uint16_t one = 0, two = 0;
    json_t *abort_503 = parse("{'word': 'abort', 'status': 503}"),
           *refuse = parse("{'word': 'refuse'}");
    put(r, "{'name': 'a', 'to': '127.0.0.1:9'}");
    assert_true(proxy_set_arm(r->set, "a", abort_503, &one, &err));
    assert_true(proxy_set_arm(r->set, "a", abort_503, &two, &err));
    assert_int_not_equal(one, two);
    assert_true(proxy_set_rearm(r->set, "a", one, refuse, &err));
    assert_int_equal(fault_id(r, "a", 0), one);
    assert_false(connects(text_of(r, "a", "listen")));
    assert_true(proxy_set_disarm(r->set, "a", one, &err));
    assert_true(connects(text_of(r, "a", "listen")));
    assert_int_equal(fault_id(r, "a", 0), two);
    assert_false(proxy_set_disarm(r->set, "a", one, &err));
    assert_string_equal(err.text, "proxy \"a\" has no fault 1");
    err = (struct error){0};
    assert_false(proxy_set_rearm(r->set, "a", 77, refuse, &err));
    err = (struct error){0};
    assert_false(proxy_set_arm(r->set, "b", refuse, NULL, &err));
    assert_string_equal(err.text, "there is no proxy \"b\"");
    json_decref(abort_503);
    json_decref(refuse);
}

static void a_disabled_proxy_does_not_listen_and_comes_back_where_it_was(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    char address[100];
    put(r, "{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', 'status': 503}]}");
    snprintf(address, sizeof(address), "%s", text_of(r, "a", "listen"));
    assert_true(proxy_set_enable(r->set, "a", false, &err));
    assert_false(connects(address));
    assert_int_equal(fault_count(r, "a"), 1);
    assert_true(proxy_set_enable(r->set, "a", false, &err));
    assert_true(proxy_set_enable(r->set, "a", true, &err));
    assert_true(connects(address));
    assert_string_equal(text_of(r, "a", "listen"), address);
    assert_true(proxy_set_enable(r->set, "a", false, &err));
    assert_true(proxy_set_reset(r->set, &err));
    assert_true(connects(address));
    assert_int_equal(fault_count(r, "a"), 0);
    assert_true(proxy_set_remove(r->set, "a", &err));
    assert_false(connects(address));
}

static void a_list_is_taken_whole_or_not_at_all(void **state)
{
    struct rig *r = *state;
    char text[300], address[100];
    put(r, "{'name': 'a', 'to': '127.0.0.1:9'}");
    snprintf(address, sizeof(address), "%s", text_of(r, "a", "listen"));
    refuses(r, "[{'name': 'b', 'to': '127.0.0.1:9'}, {'name': 'c'}]", "proxy \"c\" needs to");
    refuses(r, "[{'name': 'b', 'to': '127.0.0.1:9'}, {'name': 'b', 'to': '127.0.0.1:9'}]",
            "two proxies are named \"b\"");
    snprintf(text, sizeof(text),
             "[{'name': 'a', 'to': '127.0.0.1:9', 'listen': '%s'}, {'name': 'c', 'listen': '%s', "
             "'to': '127.0.0.1:9'}]",
             address, address);
    refuses(r, text, "in use");
    refuses(r, "{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', 'status': 1}]}",
            "status is 1");
    assert_true(connects(address));
}

static void a_proxy_may_be_renamed_or_led_elsewhere_at_its_address(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    char text[300], address[100];
    put(r, "{'name': 'a', 'to': '127.0.0.1:9'}");
    snprintf(address, sizeof(address), "%s", text_of(r, "a", "listen"));
    snprintf(text, sizeof(text), "[{'name': 'b', 'listen': '%s', 'to': '127.0.0.1:9'}]", address);
    json_t *list = parse(text);
    if (!proxy_set_replace(r->set, list, true, &err))
        fail_msg("%s", err.text);
    json_decref(list);
    assert_false(proxy_set_has(r->set, "a"));
    assert_string_equal(text_of(r, "b", "listen"), address);
    assert_true(connects(address));
}

static void what_is_wrong_is_one_sentence(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"{'name': 'a'}", "needs to"},
        {"{'name': '', 'to': '127.0.0.1:9'}", "1 to 100 bytes"},
        {"{'name': 'a/b', 'to': '127.0.0.1:9'}", "without \"/\""},
        {"{'name': '..', 'to': '127.0.0.1:9'}", "1 to 100 bytes"},
        {"{'name': 7, 'to': '127.0.0.1:9'}", "must be an object with name"},
        {"{'name': 'a', 'to': 'example.com:80'}", "is not an address"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'listen': 3}", "needs listen"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'protocol': 'spdy'}",
         "one of http, http1, http2, tcp"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'enabled': 1}", "true or false"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'portocol': 'tcp'}", "did you mean \"protocol\""},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'faults': {}}", "faults must be a list"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'faults': [3]}", "must be an object"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'status': 3}]}", "needs word"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'refuse', 'id': 0}]}",
         "id must be"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'refuse', 'id': 9}, {'word': "
         "'refuse', 'id': 9}]}",
         "two faults of id 9"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'refuse', 'mode': 'one'}]}",
         "a key of suites"},
        {"{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'refuse', 'share': '3%'}]}",
         "takes no share"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        refuses(*state, rows[i].text, rows[i].words);
}

static void a_fault_of_another_proxy_is_not_taken_over(void **state)
{
    struct rig *r = *state;
    put(r, "{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', 'status': 503, 'id': "
           "5}]}");
    refuses(
        r,
        "{'name': 'b', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', 'status': 503, 'id': 5}]}",
        "fault 5 is one of proxy \"a\"");
}

static void limits_name_themselves(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    json_t *proxy = parse("{'name': 'a', 'to': '127.0.0.1:9', 'faults': []}");
    for (int i = 0; i < 65; i++)
        json_array_append_new(json_object_get(proxy, "faults"), parse("{'word': 'refuse'}"));
    assert_false(proxy_set_put(r->set, proxy, &err));
    assert_string_equal(err.text, "proxy \"a\": 65 faults, more than the 64 allowed");
    json_decref(proxy);
    json_t *list = json_array();
    for (int i = 0; i <= PROXY_SET_MOST; i++)
        json_array_append_new(list, json_object());
    err = (struct error){0};
    assert_false(proxy_set_replace(r->set, list, true, &err));
    assert_string_equal(err.text, "1001 proxies, more than the 1000 allowed");
    json_decref(list);
}

static void workers_refuse_what_they_would_have_to_count_together(void **state)
{
    refuses(*state,
            "{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', 'status': 503, "
            "'times': 2}]}",
            "fault.abort: times is refused with 2 workers: workers share no counter");
    refuses(*state,
            "{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', 'status': 503, "
            "'match': {'attempt': 1}}]}",
            "match.attempt is refused");
}

static void look_again(struct hold *h, uint64_t now_ns);
struct look {
    struct hold hold; /* first */
    struct rig *rig;
    uint64_t until_ns;
};

static void look_again(struct hold *h, uint64_t now_ns)
{
    struct look *l = (struct look *)(void *)h;
    if (fault_count(l->rig, "a") == 0 || now_ns > l->until_ns)
        loop_stop(l->rig->loop);
    else
        loop_hold_add(l->rig->loop, h, now_ns + NS_PER_MS, look_again);
}

static void a_fault_ends_with_its_ttl_and_an_equal_one_keeps_it(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    struct look look = {.rig = r, .until_ns = clock_now_ns() + 20 * NS_PER_S};
    static const char text[] = "{'name': 'a', 'to': '127.0.0.1:9', 'faults': [{'word': 'abort', "
                               "'status': 503, 'ttl': '30ms'}]}";
    uint64_t from_ns = clock_now_ns();
    put(r, text);
    put(r, text);
    loop_hold_add(r->loop, &look.hold, from_ns, look_again);
    assert_true(loop_run(r->loop, &err));
    assert_int_equal(fault_count(r, "a"), 0);
    assert_true(clock_now_ns() >= from_ns + 30 * NS_PER_MS);
    put(r, text);
    assert_int_equal(fault_count(r, "a"), 1);
}

static void on_drained(void *cookie)
{
    struct rig *r = cookie;
    r->drained = true;
    loop_stop(r->loop);
}

static void a_drain_closes_every_listener_and_says_when_it_is_over(void **state)
{
    struct rig *r = *state;
    struct error err = {0};
    char address[100];
    put(r, "{'name': 'a', 'to': '127.0.0.1:9'}");
    put(r, "{'name': 'b', 'to': '127.0.0.1:9'}");
    snprintf(address, sizeof(address), "%s", text_of(r, "b", "listen"));
    proxy_set_drain(r->set, NS_PER_S, on_drained, r);
    assert_false(connects(address));
    assert_false(r->drained);
    assert_true(loop_run(r->loop, &err));
    assert_true(r->drained);
    refuses(r, "{'name': 'c', 'to': '127.0.0.1:9'}", "being drained");
}

static void stats_are_there_for_each_proxy(void **state)
{
    struct rig *r = *state;
    put(r, "{'name': 'a', 'to': '127.0.0.1:9'}");
    json_t *stats = proxy_set_stats(r->set);
    json_t *a = json_object_get(json_object_get(stats, "proxies"), "a");
    assert_non_null(json_object_get(a, "begun"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(a, "outcome"), "answered")),
                     0);
    assert_int_equal(json_object_size(json_object_get(a, "outcome")), 10);
    json_decref(stats);
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIGGED(a_proxy_is_opened_and_described),
        RIGGED(what_is_described_can_be_put_and_changes_nothing),
        RIGGED(an_unchanged_proxy_keeps_its_address_and_an_equal_fault_its_number),
        RIGGED(faults_are_added_replaced_and_removed_by_number),
        RIGGED(a_disabled_proxy_does_not_listen_and_comes_back_where_it_was),
        RIGGED(a_list_is_taken_whole_or_not_at_all),
        RIGGED(a_proxy_may_be_renamed_or_led_elsewhere_at_its_address),
        RIGGED(what_is_wrong_is_one_sentence),
        RIGGED(a_fault_of_another_proxy_is_not_taken_over),
        RIGGED(limits_name_themselves),
        cmocka_unit_test_setup_teardown(workers_refuse_what_they_would_have_to_count_together,
                                        make_shared, unmake),
        RIGGED(a_fault_ends_with_its_ttl_and_an_equal_one_keeps_it),
        RIGGED(a_drain_closes_every_listener_and_says_when_it_is_over),
        RIGGED(stats_are_there_for_each_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
