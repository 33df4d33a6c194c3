#ifndef KUBE_FAKE_SHOP_TEST_H
#define KUBE_FAKE_SHOP_TEST_H

/* What is there before a run in mode interpose: Service payments and three pods of its own, on
 * fake_live_test.h; and the run's own view of it. */

#include "kube/fake_run_test.h"
#include "kube/incumbent.h"

static inline void fake_put_real(struct fake *f, int n)
{
    json_t *pod =
        json_pack("{s{sos{ssss}} s{} s{sos[{ssss}]}}", "metadata", "name",
                  json_sprintf("payments-5d9c-%d", n), "labels", "app", "payments",
                  "pod-template-hash", "5d9c", "spec", "status", "podIP",
                  json_sprintf("10.77.0.%d", n), "conditions", "type", "Ready", "status", "True");
    assert_non_null(pod);
    fake_put(f, "pods", pod);
}

/* ${target_port}: JSON, "8080" or "\"web\"". */
static inline json_t *fake_put_payments(struct fake *f, const char *target_port)
{
    json_t *service =
        json_pack("{s{ss} s{s{ss} ss s[{ss si so}]}}", "metadata", "name", "payments", "spec",
                  "selector", "app", "payments", "clusterIP", "10.96.0.9", "ports", "name", "http",
                  "port", 80, "targetPort", json_loads(target_port, JSON_DECODE_ANY, NULL));
    assert_non_null(service);
    return fake_put(f, "services", service);
}

static inline void fake_open_shop(struct fake *f)
{
    fake_open(f);
    fake_put_payments(f, "8080");
    for (int n = 1; n <= 3; n++)
        fake_put_real(f, n);
}

struct fake_joined {
    struct objects_run run;
    struct objects_service service;
    struct incumbent_survey survey;
};
/* As conduct_join.c surveys it; ${uid} of the anchor. */
static inline void fake_join(struct fake *f, struct fake_joined *j, bool swap, const char *uid)
{
    *j =
        (struct fake_joined){.run = fake_plan.run, .service = {.name = "payments", .endpoints = 1}};
    j->run.mode = OBJECTS_INTERPOSE;
    j->run.swap = swap;
    j->run.anchor_uid = uid;
    incumbent_survey_init(&j->survey, "meshproof", &j->service, 1);
    assert_true(fake_do(f, &j->survey.chore));
    assert_int_equal(j->survey.err.kind, ERROR_NONE);
}

#endif
