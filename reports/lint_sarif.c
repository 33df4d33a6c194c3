#include "reports/lint_report.h"
#include "reports/sarif_place.h"

#include "base/map.h"
#include "base/text.h"
#include "policy/yaml.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

/* SARIF 2.1.0 (OASIS), as code hosts read it: all rules, a result a finding with line and column, a
 * fingerprint that outlives moved lines, and a suppression where an exception stands. */

static json_t *rules_json(void)
{
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char family[64];
        snprintf(family, sizeof(family), "%.*s", (int)strcspn(rules[i].id, "."), rules[i].id);
        json_array_append_new(list, json_pack("{s:s,s:{s:s},s:{s:s},s:{s:s},s:{s:[s]}}", "id",
                                              rules[i].id, "shortDescription", "text", rules[i].why,
                                              "help", "text", rules[i].fix, "defaultConfiguration",
                                              "level", severity_name(rules[i].severity),
                                              "properties", "tags", family));
    }
    return list;
}

static size_t rule_index(const char *id)
{
    size_t count = 0;
    const struct lint_rule *rules = lint_rules(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rules[i].id, id) == 0)
            return i;
    }
    return count;
}

/* Of rule, file and sentence, without the numbers of other lines in it; equal ones are counted. */
static void fingerprint(const struct finding *f, const char *uri, struct map *seen, char *to,
                        size_t size)
{
    struct text t;
    text_init(&t, (size_t)64 * 1024);
    text_add(&t, "%s\n%s\n", f->rule, uri);
    for (const char *at = f->text; *at != '\0'; at++) {
        text_add(&t, "%c", *at);
        if (strncmp(at, "line ", 5) != 0)
            continue;
        text_add(&t, "ine ");
        at += 5;
        while (isdigit((unsigned char)*at))
            at++;
        at--;
    }
    struct map_key key = map_key_of(text_get(&t), t.len);
    uint64_t *times = map_at(seen, key, NULL);
    snprintf(to, size, "%016llx:%llu", (unsigned long long)key.lo,
             times == NULL ? 1ULL : (unsigned long long)++*times);
    text_release(&t);
}

static json_t *result_json(const struct lint_result *r, struct map *seen)
{
    const struct finding *f = &r->finding;
    char print[48];
    char *uri = sarif_uri(f->source.file == NULL ? "" : f->source.file);
    fingerprint(f, uri, seen, print, sizeof(print));
    json_t *to =
        json_pack("{s:s,s:I,s:s,s:{s:s},s:{s:s}}", "ruleId", f->rule, "ruleIndex",
                  (json_int_t)rule_index(f->rule), "level", severity_name(f->severity), "message",
                  "text", f->text, "partialFingerprints", "meshproofFinding/v1", print);
    if (f->source.file != NULL)
        json_object_set_new(to, "locations", json_pack("[o]", sarif_location(&f->source, uri)));
    if (r->accepted != NULL) {
        char why[600];
        snprintf(why, sizeof(why), "%.200s (owner %.60s, %.60s, until %04u-%02u-%02u)",
                 r->accepted->reason, r->accepted->owner, r->accepted->ticket,
                 r->accepted->until / 10000, r->accepted->until / 100 % 100,
                 r->accepted->until % 100);
        yaml_clean_text(why); /* it may have been cut within a character */
        json_object_set_new(to, "suppressions",
                            json_pack("[{s:s,s:s,s:s}]", "kind", "external", "status", "accepted",
                                      "justification", why));
    }
    free(uri);
    return to;
}

static bool write(const struct lint_report *report, FILE *to, struct error *err)
{
    struct map seen;
    json_t *results = json_array();
    map_init(&seen, report->results.count + 1);
    for (size_t i = 0; i < report->results.count; i++)
        json_array_append_new(results, result_json(&report->results.rows[i], &seen));
    json_t *run = json_pack("{s:{s:{s:s,s:s,s:s,s:o}},s:s,s:[{s:b}],s:{s:s},s:o}", "tool", "driver",
                            "name", "meshproof", "version", report->version, "semanticVersion",
                            report->version, "rules", rules_json(), "columnKind",
                            "unicodeCodePoints", "invocations", "executionSuccessful", 1,
                            "properties", "target", report->target, "results", results);
    json_t *all =
        json_pack("{s:s,s:s,s:[o]}", "$schema", SARIF_SCHEMA, "version", "2.1.0", "runs", run);
    bool ok = all != NULL && json_dumpf(all, to, JSON_INDENT(1)) == 0 && fputc('\n', to) != EOF;
    json_decref(all);
    map_release(&seen);
    return ok || error_set(err, ERROR_SYSTEM, "the findings could not be written whole");
}

const struct lint_writer lint_writer_sarif = {"sarif", "SARIF 2.1.0, for code hosts", write};
