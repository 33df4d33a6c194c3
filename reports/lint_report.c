#include "reports/lint_report.h"

#include <jansson.h>

#define WRITER(file, name, help) extern const struct lint_writer lint_writer_##file;
#include "reports/lint_writers.def"
#undef WRITER

static const struct lint_writer *const writers[] = {
#define WRITER(file, name, help) &lint_writer_##file,
#include "reports/lint_writers.def"
#undef WRITER
};

const struct lint_writer *lint_writer_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(writers); i++) {
        if (strcmp(writers[i]->name, name) == 0)
            return writers[i];
    }
    return NULL;
}

struct lint_tally lint_report_tally(const struct lint_results *results)
{
    struct lint_tally t = {0};
    for (size_t i = 0; i < results->count; i++) {
        const struct lint_result *r = &results->rows[i];
        if (r->accepted != NULL) {
            t.accepted++;
            continue;
        }
        t.errors += r->finding.severity == SEVERITY_ERROR;
        t.warnings += r->finding.severity == SEVERITY_WARNING;
        t.notes += r->finding.severity == SEVERITY_NOTE;
    }
    return t;
}

void lint_rules_print(FILE *to)
{
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "%-8s %s\n    why: %s\n    fix: %s\n", severity_name(rules[i].severity),
                rules[i].id, rules[i].why, rules[i].fix);
    fprintf(to, "%zu rules\n", count);
}

void lint_rules_print_json(FILE *to)
{
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s}", "id", rules[i].id, "severity",
                                              severity_name(rules[i].severity), "why", rules[i].why,
                                              "fix", rules[i].fix));
    json_dumpf(list, to, JSON_INDENT(1));
    fputc('\n', to);
    json_decref(list);
}
