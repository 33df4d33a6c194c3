#include "cli/lint_gate.h"

/* mesh { ignore = { "a.rule" } }: the suite accepts it; it stays among the findings. */
static bool is_ignored(const struct mesh_plan *mesh, const char *rule)
{
    for (size_t i = 0; i < mesh->ignore_count; i++)
        if (strcmp(mesh->ignore[i], rule) == 0)
            return true;
    return false;
}

int lint_gate(const struct prepared *p, struct exception_file *exceptions)
{
    int code = EXIT_PASS;
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        const struct scenario *s = &p->plan->scenarios[i];
        size_t count;
        const struct finding *findings = policy_findings(p->scenarios[i].policy, &count);
        struct lint_exceptions all;
        struct lint_results results;
        struct error err = {0};
        if (s->lint != NULL && strcmp(s->lint, "fail") != 0)
            continue;
        if (!exception_file_findings(exceptions, s, &all, &err))
            return command_fail(&err);
        lint_exceptions_apply(&all, exceptions->today, findings, count, &exceptions->arena,
                              &results);
        for (size_t k = 0; k < results.count; k++) {
            const struct finding *f = &results.rows[k].finding;
            char mark[300], line[900];
            if (f->severity != SEVERITY_ERROR || results.rows[k].accepted != NULL ||
                is_ignored(&s->mesh, f->rule))
                continue;
            source_format(f->source, true, mark, sizeof(mark));
            snprintf(line, sizeof(line), "%s: error %s: %s", mark, f->rule, f->text);
            command_say(line);
            code = EXIT_FAIL;
        }
    }
    if (code != EXIT_PASS)
        fputs("FAIL: the policy has errors, so nothing was run (lint = \"report\" in the scenario "
              "runs it all the same)\n",
              stderr);
    return code;
}
