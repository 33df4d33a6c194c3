#ifndef POLICY_TESTING_H
#define POLICY_TESTING_H

/* For this layer's tests: a policy from text or from suites/seed, and questions to its findings. */

#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static inline struct policy_options testing_options(const char *target, uint32_t endpoints)
{
    struct policy_options options = {.endpoints = endpoints};
    struct error err = {0};
    if (!target_parse(target, &options.target, &err))
        fail_msg("%s", err.text);
    return options;
}

static inline struct policy *testing_read(const char *target, uint32_t endpoints, const char *yaml)
{
    struct policy_options options = testing_options(target, endpoints);
    struct policy *p = NULL;
    struct error err = {0};
    if (!policy_read_bytes(bytes_of(yaml), "a.yaml", &options, &p, &err))
        fail_msg("%s", err.text);
    return p;
}

static inline struct policy *testing_read_seed(const char *target, uint32_t endpoints,
                                               const char *path)
{
    struct policy_options options = testing_options(target, endpoints);
    struct policy *p = NULL;
    struct error err = {0};
    char full[300];
    snprintf(full, sizeof(full), "%s/suites/seed/%s", SOURCE_ROOT, path);
    const char *paths[] = {full};
    if (!policy_read(paths, 1, &options, &p, &err))
        fail_msg("%s", err.text);
    return p;
}

/* The finding of the rule, the ${nth} from 0; NULL: none. */
static inline const struct finding *testing_find(const struct policy *p, const char *rule,
                                                 size_t nth)
{
    size_t count = 0;
    const struct finding *f = policy_findings(p, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(f[i].rule, rule) == 0 && nth-- == 0)
            return &f[i];
    }
    return NULL;
}

static inline void testing_has(const struct policy *p, const char *rule, uint32_t line,
                               const char *part)
{
    const struct finding *f = testing_find(p, rule, 0);
    if (f == NULL) {
        fail_msg("no finding %s", rule);
        return;
    }
    assert_int_equal(f->source.line, line);
    if (strstr(f->text, part) == NULL)
        assert_string_equal(f->text, part);
}

static inline void testing_has_none(const struct policy *p, const char *rule)
{
    const struct finding *f = testing_find(p, rule, 0);
    if (f != NULL)
        fail_msg("%u: %s: %s", f->source.line, f->rule, f->text);
}

static inline struct edge_policy testing_resolve(const struct policy *p, const char *to,
                                                 const char *path)
{
    struct edge_policy edge;
    policy_resolve(p, "client", to, path, p == NULL ? 0 : 3, &edge);
    return edge;
}

#define TESTING_MS UINT64_C(1000000)
#define TESTING_S (1000 * TESTING_MS)

#endif
