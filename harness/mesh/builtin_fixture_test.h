#ifndef MESH_BUILTIN_FIXTURE_TEST_H
#define MESH_BUILTIN_FIXTURE_TEST_H

/* For the tests of the builtin mesh: one before three endpoints of the lab, right or with a defect.
 */

#include "mesh/lab_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS NS_PER_MS

static inline struct lab *start(struct edge_policy policy, const char *defect)
{
    struct lab *lab = lab_new(3);
    struct error err = {0};
    if (!lab_open(lab, "builtin", policy, defect, NULL, &err))
        fail_msg("%s", err.text);
    return lab;
}

static inline struct lab *envoy(const char *defect)
{
    return start(lab_policy(FLAVOUR_ENVOY), defect);
}

static inline struct edge_policy ejecting(void)
{
    struct edge_policy policy = lab_policy(FLAVOUR_ENVOY);
    policy.retry.attempts = lab_number(0);
    policy.outlier = (struct outlier_rule){.present = true,
                                           .consecutive_5xx = lab_number(3),
                                           .interval = lab_number(3600 * NS_PER_S),
                                           .base_ejection = lab_number(3600 * NS_PER_S),
                                           .max_ejection_percent = lab_number(100)};
    return policy;
}

#endif
