#include "reports/lint_report.h"

#include <jansson.h>

/* JSON: {"v": 1, "target", "findings": [...], counts}. */

static json_t *date(uint32_t day)
{
    char text[16];
    snprintf(text, sizeof(text), "%04u-%02u-%02u", day / 10000, day / 100 % 100, day % 100);
    return json_string(text);
}

static json_t *finding_json(const struct lint_result *r)
{
    const struct finding *f = &r->finding;
    json_t *to =
        json_pack("{s:s,s:s,s:s,s:s}", "rule", f->rule, "severity", severity_name(f->severity),
                  "text", f->text, "fix", f->fix == NULL ? "" : f->fix);
    if (to == NULL) /* a quoted text that is no UTF-8 was cleaned when it was added */
        return json_null();
    if (f->source.file != NULL)
        json_object_set_new(to, "file", json_string(f->source.file));
    json_object_set_new(to, "line", json_integer((json_int_t)f->source.line));
    json_object_set_new(to, "column", json_integer((json_int_t)f->source.column));
    if (r->accepted != NULL)
        json_object_set_new(to, "accepted",
                            json_pack("{s:o,s:s,s:s,s:s}", "until", date(r->accepted->until),
                                      "owner", r->accepted->owner, "reason", r->accepted->reason,
                                      "ticket", r->accepted->ticket));
    return to;
}

static bool write(const struct lint_report *report, FILE *to, struct error *err)
{
    struct lint_tally n = lint_report_tally(&report->results);
    json_t *list = json_array();
    for (size_t i = 0; i < report->results.count; i++)
        json_array_append_new(list, finding_json(&report->results.rows[i]));
    json_t *all = json_pack("{s:i,s:s,s:s,s:I,s:I,s:I,s:I,s:o}", "v", 1, "version", report->version,
                            "target", report->target, "errors", (json_int_t)n.errors, "warnings",
                            (json_int_t)n.warnings, "notes", (json_int_t)n.notes, "accepted",
                            (json_int_t)n.accepted, "findings", list);
    bool ok = all != NULL && json_dumpf(all, to, JSON_INDENT(1)) == 0 && fputc('\n', to) != EOF;
    json_decref(all);
    return ok || error_set(err, ERROR_SYSTEM, "the findings could not be written whole");
}

const struct lint_writer lint_writer_json = {"json", "one object", write};
