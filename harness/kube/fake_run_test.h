#ifndef KUBE_FAKE_RUN_TEST_H
#define KUBE_FAKE_RUN_TEST_H

/* Run 7f3a91c2 of a service in namespace meshproof, as build.h makes it, on fake_live_test.h. */

#include "kube/build.h"
#include "kube/fake_live_test.h"

#define FAKE_RUN "7f3a91c2"

static const struct objects_service fake_payments = {
    .name = "payments", .endpoints = 2, .port = 80, .port_name = "http", .app_protocol = "http"};
static const struct build_plan fake_plan = {.run = {.run = FAKE_RUN,
                                                    .namespace = "meshproof",
                                                    .image = "image",
                                                    .conductor = "10.77.0.2:7400",
                                                    .deadline_s = 1860},
                                            .services = &fake_payments,
                                            .service_count = 1,
                                            .loads = 1,
                                            .psk = FAKE_RUN ":00",
                                            .guardian = true};

/* The same with agents that are Indexed Jobs. */
static inline struct build_plan fake_plan_indexed(void)
{
    struct build_plan plan = fake_plan;
    plan.run.indexed = true;
    return plan;
}

/* All of it is made. */
static inline void fake_open_built(struct fake *f, const struct build_plan *plan)
{
    struct build b;
    fake_open(f);
    build_init(&b, plan);
    assert_true(fake_do(f, &b.chore));
    assert_int_equal(b.err.kind, ERROR_NONE);
    build_release(&b);
}

static inline json_t *fake_put_lease(struct fake *f, const char *name, const char *holder)
{
    return fake_put(f, "leases",
                    json_pack("{s{ss s{ss%}} s{ss}}", "metadata", "name", name, "labels",
                              OBJECTS_RUN_LABEL, holder, (size_t)8, "spec", "holderIdentity",
                              holder));
}

static inline void fake_refuse(struct fake *f, struct fake_rule rule)
{
    assert_true(f->rule_count < sizeof(f->rules) / sizeof(f->rules[0]));
    f->rules[f->rule_count++] = rule;
}

#endif
