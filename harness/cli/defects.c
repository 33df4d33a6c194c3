#include "cli/arguments.h"

#include "mesh/mesh.h"
#include "verify/claim.h"

/* meshproof defects: the known ways in which the builtin mesh can be wrong, and the claim that must
 * catch each. */

static int run(const struct arguments *args)
{
    size_t count;
    (void)args;
    const struct defect *all = defects(&count);
    for (size_t i = 0; i < count; i++) {
        if (claim_type_find(all[i].claim) !=
            NULL) /* a defect that no claim can catch proves nothing */
            printf("%-28s %-20s %-8s %s\n", all[i].name, all[i].claim,
                   all[i].flavour == FLAVOUR_LINKERD ? "linkerd" : "envoy", all[i].help);
    }
    return EXIT_PASS;
}

const struct command command_defects = {
    .name = "defects",
    .about =
        "List the defects of the builtin mesh, for --defect, with the claim that catches each.",
    .positions = "",
    .exits = "0 listed",
    .example = "meshproof run suites/selftest/retries.lua --defect one_retry_more",
    .run = run,
};
