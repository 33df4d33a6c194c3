#include "reports/lint_report.h"

#include "base/text.h"
#include "reports/report.h"

/* Text: "file:line:column: severity rule: sentence", then how to mend it. */

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

static void add_finding(const struct lint_report *report, const struct finding *f, struct text *t)
{
    char mark[400];
    source_format(f->source, true, mark, sizeof(mark));
    report_add_clean(t, mark);
    text_add(t, "%s%s ", mark[0] == '\0' ? "" : ": ", severity_name(f->severity));
    /* A load error names its word itself (scenario-language.md section 6, situation 8). */
    if (strcmp(f->rule, "suite.load") != 0)
        text_add(t, "%s: ", f->rule);
    report_add_clean(t, f->text);
    text_add(t, "\n");
    if (!report->quiet && f->fix != NULL && f->fix[0] != '\0')
        text_add(t, "    fix: %s\n", f->fix);
}

static bool write(const struct lint_report *report, FILE *to, struct error *err)
{
    struct lint_tally n = lint_report_tally(&report->results);
    struct text t;
    text_init(&t, (size_t)256 * 1024 * 1024);
    for (size_t i = 0; i < report->results.count; i++) {
        if (report->results.rows[i].accepted == NULL)
            add_finding(report, &report->results.rows[i].finding, &t);
    }
    text_add(&t, "%zu error%s, %zu warning%s, %zu note%s", n.errors, plural(n.errors), n.warnings,
             plural(n.warnings), n.notes, plural(n.notes));
    if (n.accepted > 0)
        text_add(&t, ", %zu accepted", n.accepted);
    text_add(&t, "\n");
    bool ok = !t.full && fwrite(text_get(&t), 1, t.len, to) == t.len;
    text_release(&t);
    return ok || error_set(err, ERROR_SYSTEM, "the findings could not be written whole");
}

const struct lint_writer lint_writer_text = {"text", "a line a finding, as compilers write them",
                                             write};
