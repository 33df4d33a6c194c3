#include "cli/lint_gate.h"

#include "base/map.h"

#define SAID_MOST ((size_t)100000)

/* mesh { ignore = { "a.rule" } }: the suite accepts it; it stays among the findings. */
static bool is_ignored(const struct mesh_plan *mesh, const char *rule)
{
    for (size_t i = 0; i < mesh->ignore_count; i++)
        if (strcmp(mesh->ignore[i], rule) == 0)
            return true;
    return false;
}

/* What a generated plan cannot be judged beside: requests that are answered, delayed or doubled
 * before the router (scenario-language.md 1.8, verifier.md 4.3). */
static bool spoils(const struct scenario *s, const struct finding *f)
{
    return s->from_policy &&
           (strcmp(f->rule, "istio.fault_filter") == 0 || strcmp(f->rule, "istio.mirror") == 0);
}

int lint_gate(const struct prepared *p, struct exception_file *exceptions)
{
    int code = EXIT_PASS;
    struct map said; /* scenarios of one policy say the same */
    map_init(&said, SAID_MOST);
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        const struct scenario *s = &p->plan->scenarios[i];
        size_t count;
        const struct finding *findings = policy_findings(p->scenarios[i].policy, &count);
        struct lint_exceptions all;
        struct lint_results results;
        struct error err = {0};
        if (s->lint != NULL && strcmp(s->lint, "fail") != 0)
            continue;
        if (!exception_file_findings(exceptions, s, &all, &err)) {
            map_release(&said);
            return command_fail(&err);
        }
        lint_exceptions_apply(&all, exceptions->today, findings, count, &exceptions->arena,
                              &results);
        for (size_t k = 0; k < results.count; k++) {
            const struct finding *f = &results.rows[k].finding;
            char mark[300], line[900];
            if ((f->severity != SEVERITY_ERROR && !spoils(s, f)) ||
                results.rows[k].accepted != NULL || is_ignored(&s->mesh, f->rule))
                continue;
            source_format(f->source, true, mark, sizeof(mark));
            snprintf(line, sizeof(line), "%s: %s %s: %s", mark, severity_name(f->severity), f->rule,
                     f->text);
            uint64_t *known = map_at(&said, map_key_of(line, strlen(line)), NULL);
            if (known == NULL || *known == 0)
                command_say(line);
            if (known != NULL)
                *known = 1;
            code = EXIT_FAIL;
        }
    }
    map_release(&said);
    if (code != EXIT_PASS)
        fputs("FAIL: the policy has what nothing can be judged beside, so nothing was run (lint = "
              "\"report\" in a scenario of one's own runs it all the same)\n",
              stderr);
    return code;
}
