#include "cli/arguments.h"

#include "verify/claim.h"

/* meshproof claims: the catalogue, printed from claims.def. */

static int run(const struct arguments *args)
{
    static const char *const classes[] = {"D", "T", "P"};
    size_t count, shown = 0;
    struct error err = {0};
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; i < count; i++) {
        const struct claim_type *t = types[i];
        if (args->position_count > 0 && strcmp(args->positions[0], t->id) != 0 &&
            strcmp(args->positions[0], t->word) != 0)
            continue;
        printf("%-20s %s  expect.%s%s%s%s  %s\n", t->id, classes[t->class], t->word,
               t->only != NULL ? " only " : "", t->only != NULL ? t->only : "", "", t->help);
        shown++;
    }
    if (shown == 0) {
        error_set(&err, ERROR_USAGE, "there is no claim \"%.40s\": meshproof claims lists them",
                  args->positions[0]);
        return command_fail(&err);
    }
    return EXIT_PASS;
}

const struct command command_claims = {
    .name = "claims",
    .about = "List the claims: D deterministic, T timing, P probabilistic.",
    .positions = "[NAME]",
    .exits = "0 listed  64 usage",
    .example = "meshproof claims retries",
    .run = run,
};
