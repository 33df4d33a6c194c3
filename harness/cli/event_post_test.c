/* notify.kubernetes_event, on a scripted API server: by the message alone, and through the process
 * that tells. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "cli/teller.h"

#include "base/clock.h"
#include "kube/api_server_test.h"

#include <stdlib.h>

#define PATH "POST /api/v1/namespaces/staging/events?"
#define NOTICE \
    "{\"reason\":\"FaultArmed\",\"type\":\"Warning\",\"message\":\"meshproof 1f0a77c2: abort\"}"
/* Longer than both messages' own limits (API_CALL_MOST_S): what went wrong is told by its name. */
#define WITHIN_NS (60 * NS_PER_S)

static const struct objects_service services[] = {{.name = "payments"}, {.name = "ledger"}};

static struct event_target target_of(struct api_server *server, void **state)
{
    return (struct event_target){
        .credentials = {.kubeconfig = api_server_kubeconfig(server, state)},
        .namespace = "staging",
        .run = "1f0a77c2",
        .services = services,
        .service_count = COUNT_OF(services)};
}

static const char *text_at(const json_t *body, const char *in, const char *key)
{
    const json_t *of = in == NULL ? body : json_object_get(body, in);
    const char *text = json_string_value(json_object_get(of, key));
    return text == NULL ? "" : text;
}

static void assert_event(const struct api_server_seen *seen, const char *service)
{
    json_t *body = json_loads(seen->body, 0, NULL);
    assert_non_null(body);
    assert_string_equal(text_at(body, NULL, "kind"), "Event");
    assert_string_equal(text_at(body, "metadata", "namespace"), "staging");
    assert_string_equal(text_at(body, "involvedObject", "kind"), "Service");
    assert_string_equal(text_at(body, "involvedObject", "name"), service);
    assert_string_equal(text_at(body, "involvedObject", "namespace"), "staging");
    assert_string_equal(text_at(body, NULL, "reason"), "FaultArmed");
    assert_string_equal(text_at(body, NULL, "type"), "Warning");
    assert_string_equal(text_at(body, NULL, "message"), "meshproof 1f0a77c2: abort");
    assert_string_equal(text_at(body, "source", "component"), "meshproof");
    assert_int_equal(strlen(text_at(body, NULL, "firstTimestamp")), strlen("2026-11-26T14:00:00Z"));
    json_decref(body);
}

static void each_service_has_its_event(void **state)
{
    static const struct api_server_step steps[] = {{PATH, 201, "{}"}, {PATH, 201, "{}"}};
    struct api_server *server = api_server_open(state, steps, 2);
    struct event_target to = target_of(server, state);
    struct event_post *p;
    struct error err = {0};
    assert_true(event_post_open(&to, &p, &err));
    assert_true(event_post_send(p, NOTICE, &err));
    assert_event(&server->seen[0], "payments");
    assert_event(&server->seen[1], "ledger");
    assert_false(event_post_send(p, "no JSON", &err));
    event_post_close(p);
    api_server_close(server);
}

/* The process that tells says at the end what was not taken, and asks once only. */
static void what_the_cluster_refuses_is_told_at_the_end(void **state)
{
    static const struct api_server_step steps[] = {
        {PATH, 403,
         "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"events is forbidden\"}"},
        {PATH, 201, "{}"},
        {PATH, 201, "{}"}};
    struct api_server *server = api_server_listen(state, steps, 3);
    const struct event_target to = target_of(server, state);
    const struct notify_plan plan = {.kind = NOTIFY_KUBERNETES_EVENT};
    struct teller t;
    struct error err = {0};
    /* The child goes on without exec: it must be made while there is one thread, as in a run. */
    assert_true(teller_open(&t, &plan, &to, &err));
    api_server_start(server);
    teller_send(&t, NOTICE);
    teller_send(&t, NOTICE);
    teller_finish(&t);
    assert_false(teller_close(&t, clock_now_ns() + WITHIN_NS, &err));
    if (strstr(err.text, "1 of 2 messages were not taken: ") == NULL)
        fail_msg("\"%s\"; %zu requests came on %zu connections", err.text, server->at,
                 server->connections);
    api_server_close(server);
}

static void without_a_cluster_nobody_is_told(void **state)
{
    const struct notify_plan plan = {.kind = NOTIFY_KUBERNETES_EVENT};
    struct teller t;
    struct error err = {0};
    (void)state;
    assert_false(teller_open(&t, &plan, NULL, &err));
    assert_string_equal(err.text, "is for --on kubernetes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_service_has_its_event, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(what_the_cluster_refuses_is_told_at_the_end, scratch_make,
                                        scratch_remove),
        cmocka_unit_test(without_a_cluster_nobody_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
