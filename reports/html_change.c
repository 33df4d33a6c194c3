#include "reports/html.h"

/* What would change a verdict, by claim: an INCONCLUSIVE says it of itself (needs). */

struct change {
    const char *id, *fails, *right;
};

static const struct change changes[] = {
#define CHANGE(id, fails, right) {id, fails, right},
#include "reports/changes.def"
#undef CHANGE
};

static bool is_for(const struct change *c, const char *id)
{
    size_t n = strlen(c->id);
    return c->id[n - 1] == '.' || c->id[n - 1] == '[' ? strncmp(c->id, id, n) == 0
                                                      : strcmp(c->id, id) == 0;
}

const char *html_change(const struct claim_type *claim, enum verdict_kind kind)
{
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        if (is_for(&changes[i], claim->id))
            return kind == VERDICT_FAIL ? changes[i].right : changes[i].fails;
    }
    return "";
}
