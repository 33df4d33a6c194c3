/* layer: verify */
#include "policy/lint_exception.h"
#include "verify/exception.h"

/* Any bytes as a file of exceptions, of rules and of claims: read, and those of rules applied on
 * two days. Nothing may crash, leak or hang. */

/* As in fuzz_yaml.c: libfyaml's own. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    static const struct finding findings[] = {
        {"ejection.inert", SEVERITY_WARNING, {"k8s/payments.yaml", 3, 5}, "a", "b"},
        {"istio.mirror", SEVERITY_WARNING, {"k8s/a/b.yaml", 9, 1}, "a", "b"},
        {"suite.load", SEVERITY_ERROR, {NULL, 0, 0}, "a", "b"}};
    struct lint_exceptions list;
    struct exceptions claims;
    struct arena arena;
    struct error err = {0};
    arena_init(&arena, (size_t)256 << 20);
    if (lint_exceptions_read((struct bytes){at, len}, "exceptions.yaml", &arena, &list, &err)) {
        struct lint_results now, later;
        lint_exceptions_apply(&list, 20261125, findings, COUNT_OF(findings), &arena, &now);
        lint_exceptions_apply(&list, 99991231, findings, COUNT_OF(findings), &arena, &later);
        INVARIANT(now.count >= COUNT_OF(findings) && later.count >= COUNT_OF(findings));
    } else {
        INVARIANT(err.kind != ERROR_NONE);
    }
    err = (struct error){0};
    if (exceptions_read((struct bytes){at, len}, "exceptions.yaml", &arena, &claims, &err)) {
        for (size_t i = 0; i < claims.count; i++)
            INVARIANT(exception_stale(&claims.rows[i], &arena) != NULL);
    } else {
        INVARIANT(err.kind != ERROR_NONE);
    }
    arena_release(&arena);
    return 0;
}
