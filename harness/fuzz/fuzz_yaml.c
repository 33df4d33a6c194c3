/* layer: policy */
#include "policy/policy.h"

#include <jansson.h>

/* Any bytes as a policy file: read, resolve, save. Nothing may crash, leak or hang. */
static void one(struct bytes yaml, struct target target)
{
    struct policy_options options = {.target = target, .endpoints = 3};
    struct policy *p = NULL;
    struct error err = {0};
    size_t count = 0;
    if (!policy_read_bytes(yaml, "fuzz.yaml", &options, &p, &err)) {
        INVARIANT(err.kind != ERROR_NONE);
        return;
    }
    const char *const *services = policy_services(p, &count);
    for (size_t i = 0; i < count && i < 8; i++) {
        struct edge_policy edge, again;
        struct arena arena, told;
        struct text text;
        arena_init(&told, (size_t)16 << 20);
        policy_explain(p, "client", services[i], i % 2 == 0 ? NULL : "/api", 3, &told, &edge);
        json_t *json = edge_policy_to_json(&edge);
        arena_init(&arena, (size_t)8 << 20);
        text_init(&text, (size_t)1 << 20);
        if (edge_policy_from_json(json, &arena, &again, &err))
            edge_policy_print(&again, &text);
        text_release(&text);
        arena_release(&arena);
        arena_release(&told);
        json_decref(json);
    }
    policy_free(p);
}

/* libfyaml 0.7.12 itself loses 4 KiB on some errors within long quoted keys; that is not ours to
 * free. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
    one((struct bytes){at, len}, (struct target){MESH_ISTIO, 1, 31});
    one((struct bytes){at, len}, (struct target){MESH_LINKERD, 2, 19});
    return 0;
}
