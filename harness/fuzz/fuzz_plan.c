/* layer: plan */
#include "plan/errors.h"
#include "plan/plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A saved plan from anybody: it is refused with a sentence, or it survives writing, and its checks
 * and prints end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error at[ERRORS_MOST] = {{0}};
    struct errors errors = {at, 0, ERRORS_MOST};
    struct error err = {0};
    struct plan *p, *again;
    struct text t;
    char before[65], after[65];
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL)
        return 0;
    bool good = plan_from_json(json, &p, &err);
    json_decref(json);
    if (!good) {
        INVARIANT(err.kind != ERROR_NONE && err.text[0] != '\0');
        return 0;
    }
    plan_hash(p, before);
    json = plan_to_json(p);
    INVARIANT(plan_from_json(json, &again, &err));
    json_decref(json);
    plan_hash(again, after);
    INVARIANT(strcmp(before, after) == 0);
    plan_free(again);
    plan_check_all(p, &errors);
    text_init(&t, 1 << 20);
    plan_print_lua(p, &t);
    text_clear(&t);
    plan_print_text(p, &t);
    text_release(&t);
    plan_free(p);
    return 0;
}
