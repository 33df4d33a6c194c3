#include "verify/claims.h"

#include "verify/backoff.h"

#include <string.h>

static const struct claim_type *const types[] = {
#define CLAIM(name) &claim_##name,
#include "verify/claims.def"
#undef CLAIM
};

const struct claim_type *const *claim_types(size_t *ret_count)
{
    *ret_count = COUNT_OF(types);
    return types;
}

const struct claim_type *claim_type_find(const char *id)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i]->id, id) == 0)
            return types[i];
    return NULL;
}

bool claim_type_is(const struct claim_type *type, const char *text)
{
    size_t len = strlen(text);
    bool also = type->also_word != NULL && strcmp(type->also_word, text) == 0;
    return also || strcmp(type->id, text) == 0 || strcmp(type->word, text) == 0 ||
           (strncmp(type->id, text, len) == 0 && (type->id[len] == '.' || type->id[len] == '['));
}

unsigned claim_type_sides(const struct claim_type *type)
{
    /* Its connections that never reached us are judged by their share. */
    if (strcmp(type->id, "retry.must") == 0)
        return 1;
    if (strcmp(type->id, "backoff.max") == 0)
        return BACKOFF_GAPS_MOST; /* each gap has a high side, and its low one is a witness */
    return type->class == CLAIM_DETERMINISTIC ? 0 : 2;
}

bool claim_type_fails_by_witness(const struct claim_type *type)
{
    return strcmp(type->id, "path") == 0 || strcmp(type->id, "retry.max") == 0 ||
           strcmp(type->id, "retry.only") == 0 || strcmp(type->id, "retry.started") == 0 ||
           strcmp(type->id, "success") == 0 || strcmp(type->id, "amplify") == 0 ||
           strcmp(type->id, "tls.plaintext") == 0 || strcmp(type->id, "tls.client_identity") == 0 ||
           strncmp(type->id, "tls.refuse[", 11) == 0 ||
           (strncmp(type->id, "rot.R", 5) == 0 && type->class == CLAIM_DETERMINISTIC);
}
