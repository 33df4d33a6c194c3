#include "reports/report.h"
#include "reports/sarif_place.h"
#include "verify/exception.h"

#include "base/map.h"

#include <stdlib.h>

/* SARIF 2.1.0 of a run, as code hosts read it: each claim is a rule; a FAIL is an error at the line
 * of the policy that says otherwise, with the line that asked beside it. What is undecided is
 * "open": it is told, and no alert. PASS is no result. */

#define RESULTS_MOST 5000 /* what GitHub shows of a run */

static json_t *rules_json(void)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:{s:s}}", "id", types[i]->id,
                                              "shortDescription", "text", types[i]->help,
                                              "defaultConfiguration", "level", "error"));
    return list;
}

static size_t rule_index(const struct claim_type *type)
{
    size_t count, i = 0;
    const struct claim_type *const *types = claim_types(&count);
    while (i < count && types[i] != type)
        i++;
    return i;
}

/* Outlives moved lines and other numbers seen: scenario, phase, claim and place. */
static void fingerprint(const struct judged *d, char *to, size_t size)
{
    struct text t;
    text_init(&t, (size_t)64 * 1024);
    text_add(&t, "%s\n%s\n%s\n%s", d->claim->id, d->scenario_name,
             d->phase_name == NULL ? "" : d->phase_name, d->on == NULL ? "" : d->on);
    struct map_key key = map_key_of(text_get(&t), t.len);
    snprintf(to, size, "%016llx", (unsigned long long)key.lo);
    text_release(&t);
}

static json_t *message(const struct report *report, const struct judged *d)
{
    struct text t;
    char name[128];
    text_init(&t, (size_t)64 * 1024);
    text_add(&t, "%s: ", d->claim->id);
    report_add_clean(&t, d->on == NULL ? "" : d->on);
    text_add(&t, ": ");
    report_add_clean(&t, d->verdict.text);
    if (d->verdict.policy != NULL) {
        text_add(&t, "; policy: ");
        report_add_clean(&t, d->verdict.policy);
    }
    if (d->verdict.needs != NULL) {
        text_add(&t, "; needs ");
        report_add_clean(&t, d->verdict.needs);
    }
    if (d->verdict.witness_hi != 0 || d->verdict.witness_lo != 0) {
        request_name_print(report->journal, d->verdict.witness_hi, d->verdict.witness_lo, name,
                           sizeof(name));
        text_add(&t, "; see meshproof show %s --request ", report_run_text(report->journal, "run"));
        report_add_clean(&t, name);
    }
    json_t *made = json_pack("{s:s}", "text", text_get(&t));
    text_release(&t);
    return made;
}

static void add_place(json_t *to, const char *key, struct source at)
{
    char *uri = sarif_uri(at.file == NULL ? "" : at.file);
    if (at.file != NULL)
        json_object_set_new(to, key, json_pack("[o]", sarif_location(&at, uri)));
    free(uri);
}

static json_t *result_json(const struct report *report, const struct judged *d)
{
    char print[24], said[200];
    bool fails = d->verdict.kind == VERDICT_FAIL;
    bool has_line = d->verdict.policy_line.file != NULL;
    fingerprint(d, print, sizeof(print));
    json_t *to = json_pack("{s:s, s:I, s:s, s:s, s:o, s:{s:s}}", "ruleId", d->claim->id,
                           "ruleIndex", (json_int_t)rule_index(d->claim), "kind",
                           fails ? "fail" : "open", "level", fails ? "error" : "none", "message",
                           message(report, d), "partialFingerprints", "meshproofClaim/v1", print);
    /* Defaults of the target have no line: the suite's stands for them. */
    add_place(to, "locations", has_line ? d->verdict.policy_line : d->asked_by);
    if (has_line)
        add_place(to, "relatedLocations", d->asked_by);
    if (d->accepted != NULL && d->accepted->stands)
        json_object_set_new(
            to, "suppressions",
            json_pack("[{s:s, s:s, s:o}]", "kind", "external", "status", "accepted",
                      "justification",
                      report_clean_json(accepted_print(d->accepted, said, sizeof(said)))));
    return to;
}

static json_t *results_json(const struct report *report)
{
    const struct judgement *g = report->judgement;
    json_t *list = json_array();
    for (int fails = 1; fails >= 0; fails--)
        for (size_t i = 0; i < g->verdict_count && json_array_size(list) < RESULTS_MOST; i++) {
            const struct judged *d = &g->verdicts[i];
            bool accepted = d->accepted != NULL && d->accepted->stands;
            enum verdict_kind wanted = fails ? VERDICT_FAIL : VERDICT_INCONCLUSIVE;
            if (d->verdict.kind == wanted && (d->gates || accepted))
                json_array_append_new(list, result_json(report, d));
        }
    return list;
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    int code = report_exit(report);
    json_t *run = json_pack(
        "{s:{s:{s:s, s:s, s:o}}, s:s, s:[{s:b, s:i, s:s}], s:{s:o, s:o, s:s}, s:o}", "tool",
        "driver", "name", "meshproof", "version", report->version, "rules", rules_json(),
        "columnKind", "unicodeCodePoints", "invocations", "executionSuccessful", code <= 2,
        "exitCode", code, "exitCodeDescription", report_outcome(code), "properties", "run",
        report_clean_json(report_run_text(report->journal, "run")), "target",
        report_clean_json(report_policy_text(report->journal, "target")), "outcome",
        report_outcome(code), "results", results_json(report));
    json_t *all =
        json_pack("{s:s, s:s, s:[o]}", "$schema", SARIF_SCHEMA, "version", "2.1.0", "runs", run);
    bool ok = all != NULL && json_dumpf(all, to, JSON_INDENT(1)) == 0 && fputc('\n', to) != EOF;
    json_decref(all);
    return ok || error_set(err, ERROR_SYSTEM, "the verdicts could not be written whole");
}

const struct report_writer report_writer_sarif = {
    .name = "sarif", .help = "SARIF 2.1.0, for code hosts", .write = write};
