#include "kube/incumbent.h"

#include "kube/fake_shop_test.h"

static void a_service_says_how_it_is_joined(void **state)
{
    struct fake f;
    struct fake_joined j;
    (void)state;
    fake_open_shop(&f);
    fake_join(&f, &j, false, NULL);
    assert_int_equal(j.service.port, 80);
    assert_string_equal(j.service.port_name, "http");
    assert_null(j.service.app_protocol);
    assert_int_equal(j.service.listen_port, 8080);
    assert_null(j.service.listen_name);
    assert_string_equal(j.service.cluster_ip, "10.96.0.9");
    assert_string_equal(fake_text(j.service.selector, "app"), "payments");
    assert_int_equal(j.service.others, 3);
    incumbent_survey_release(&j.survey);
    fake_close(&f);
}

static void read_it(const char *spec, uint16_t port, struct objects_service *ret, struct error *err)
{
    json_t *service = json_pack("{so}", "spec", json_loads(spec, 0, NULL));
    assert_non_null(service);
    *ret = (struct objects_service){.name = "payments", .endpoints = 1, .port = port};
    *err = (struct error){0};
    bool ok = incumbent_read(service, ret, err);
    assert_true(ok == (err->kind == ERROR_NONE));
    ret->selector = NULL; /* gone with the body, as all its texts */
    ret->listen_name = ret->listen_name == NULL ? NULL : "named";
    json_decref(service);
}

static void ports_are_found(void **state)
{
    static const struct {
        const char *spec;
        uint16_t wanted, port, listen;
        bool named;
        const char *refusal;
    } rows[] = {
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80}]}", 0, 80, 80, false, NULL},
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80,\"targetPort\":\"web\"}]}", 0, 80,
         OBJECTS_LISTEN_PORT, true, NULL},
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"name\":\"metrics\",\"port\":9},"
         "{\"name\":\"http-web\",\"port\":80,\"targetPort\":8080}]}",
         0, 80, 8080, false, NULL},
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"name\":\"metrics\",\"port\":9},"
         "{\"name\":\"http\",\"port\":80}]}",
         9, 9, 9, false, NULL},
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"name\":\"a\",\"port\":9},"
         "{\"name\":\"b\",\"port\":80}]}",
         0, 0, 0, false, "has 2 ports, and none is declared as HTTP"},
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80}]}", 81, 0, 0, false,
         "Service payments has no port 81"},
        {"{\"ports\":[{\"port\":80}]}", 0, 0, 0, false, "has no selector"},
        {"{\"selector\":{},\"ports\":[{\"port\":80}]}", 0, 0, 0, false, "has no selector"},
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":53,\"protocol\":\"UDP\"}]}", 0, 0, 0,
         false, "port 53 of Service payments is UDP"},
        {"{\"selector\":{\"a\":\"b\"},\"ports\":[{\"port\":80,\"targetPort\":7402}]}", 0, 0, 0,
         false, "where ours cannot listen"},
        {"{\"selector\":{\"a\":\"b\"}}", 0, 0, 0, false, "has 0 ports"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct objects_service s;
        struct error err;
        read_it(rows[i].spec, rows[i].wanted, &s, &err);
        if (rows[i].refusal != NULL) {
            if (strstr(err.text, rows[i].refusal) == NULL)
                fail_msg("row %zu: %s", i, err.text);
            continue;
        }
        if (err.kind != ERROR_NONE || s.port != rows[i].port || s.listen_port != rows[i].listen ||
            (s.listen_name != NULL) != rows[i].named)
            fail_msg("row %zu: %s port %u to %u", i, err.text, s.port, s.listen_port);
    }
}

static void a_service_that_is_not_there_is_no_target(void **state)
{
    struct fake f;
    struct objects_service s = {.name = "payments", .endpoints = 1};
    struct incumbent_survey survey;
    (void)state;
    fake_open(&f);
    incumbent_survey_init(&survey, "meshproof", &s, 1);
    assert_true(fake_do(&f, &survey.chore));
    assert_string_equal(survey.err.text, "namespace meshproof has no Service payments: interpose "
                                         "joins one that is there");
    assert_int_equal(survey.err.kind, ERROR_PEER);
    incumbent_survey_release(&survey);
    fake_close(&f);
}

static void ours_are_known_by_their_names(void **state)
{
    (void)state;
    assert_true(incumbent_is_ours("mp-7f3a91c2-payments-1"));
    assert_false(incumbent_is_ours("mp-7f3a91c2"));
    assert_false(incumbent_is_ours("mp-7f3a91c-payments"));
    assert_false(incumbent_is_ours("mp-payments-1"));
    assert_false(incumbent_is_ours(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_says_how_it_is_joined),
        cmocka_unit_test(ports_are_found),
        cmocka_unit_test(a_service_that_is_not_there_is_no_target),
        cmocka_unit_test(ours_are_known_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
