#include "reports/otlp.h"

#include <inttypes.h>

/* The run as gauges, all at its end: `otlp-metrics`, POSTed to /v1/metrics by `report --otlp`. */

static json_t *point(const struct report *report, uint64_t value, json_t *take_attributes)
{
    char number[24];
    snprintf(number, sizeof(number), "%" PRIu64, value);
    return json_pack("{s:o, s:s, s:o}", "timeUnixNano",
                     otlp_time(report->journal, report_end_ns(report->journal)), "asInt", number,
                     "attributes", take_attributes);
}

static void add_metric(json_t *to, const char *name, const char *unit, const char *help,
                       json_t *take_points)
{
    json_array_append_new(to, json_pack("{s:s, s:s, s:s, s:{s:o}}", "name", name, "unit", unit,
                                        "description", help, "gauge", "dataPoints", take_points));
}

static json_t *claim_points(const struct report *report)
{
    const struct judgement *g = report->judgement;
    const struct {
        const char *verdict;
        size_t count;
    } rows[] = {{"PASS", g->pass},
                {"FAIL", g->fail},
                {"INCONCLUSIVE", g->inconclusive},
                {"NOT APPLICABLE", g->not_applicable},
                {"ACCEPTED", g->accepted}};
    json_t *points = json_array();
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        json_array_append_new(
            points, point(report, rows[i].count,
                          json_pack("[o]", otlp_text("meshproof.verdict", rows[i].verdict))));
    return points;
}

static json_t *verdict_points(const struct report *report)
{
    const struct judgement *g = report->judgement;
    json_t *points = json_array();
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (!d->gates)
            continue;
        json_array_append_new(
            points,
            point(report, 1,
                  json_pack("[o, o, o, o, o, o]", otlp_number("meshproof.number", i + 1),
                            otlp_text("meshproof.scenario", d->scenario_name),
                            otlp_text("meshproof.phase", d->phase_name),
                            otlp_text("meshproof.claim", d->claim->id),
                            otlp_text("meshproof.on", d->on),
                            otlp_text("meshproof.verdict", verdict_kind_name(d->verdict.kind)))));
    }
    return points;
}

static json_t *phase_points(const struct report *report, bool tries)
{
    const struct judgement *g = report->judgement;
    json_t *points = json_array();
    for (size_t i = 0; i < g->phase_count; i++) {
        const struct judged_phase *p = &g->phases[i];
        json_array_append_new(
            points, point(report, tries ? p->tries : p->requests,
                          json_pack("[o, o, o]", otlp_number("meshproof.number", i + 1),
                                    otlp_text("meshproof.phase", p->name),
                                    otlp_text("meshproof.again", p->again ? "yes" : "no"))));
    }
    return points;
}

static json_t *fault_points(const struct report *report)
{
    const struct judgement *g = report->judgement;
    json_t *points = json_array();
    for (size_t i = 0; i < g->fault_count; i++) {
        const struct judged_fault *f = &g->faults[i];
        json_array_append_new(points,
                              point(report, f->fired,
                                    json_pack("[o, o, o]", otlp_number("meshproof.number", i + 1),
                                              otlp_text("meshproof.fault", f->text),
                                              otlp_text("meshproof.on", f->on))));
    }
    return points;
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    json_t *metrics = json_array();
    int code = report_exit(report);
    add_metric(metrics, "meshproof.run.exit_code", "1", "The exit code of the run.",
               json_pack("[o]", point(report, (uint64_t)code,
                                      json_pack("[o]", otlp_text("meshproof.outcome",
                                                                 report_outcome(code))))));
    add_metric(metrics, "meshproof.claims", "{claim}", "Claims that gate, by verdict.",
               claim_points(report));
    add_metric(metrics, "meshproof.claim.verdict", "1", "Each claim that gates; always 1.",
               verdict_points(report));
    add_metric(metrics, "meshproof.phase.requests", "{request}", "Requests of the client.",
               phase_points(report, false));
    add_metric(metrics, "meshproof.phase.tries", "{try}", "Tries that endpoints saw.",
               phase_points(report, true));
    add_metric(metrics, "meshproof.fault.fired", "{firing}", "How often a fault fired.",
               fault_points(report));
    return otlp_write(json_pack("{s:[{s:o, s:[{s:o, s:o}]}]}", "resourceMetrics", "resource",
                                otlp_resource(report), "scopeMetrics", "scope", otlp_scope(report),
                                "metrics", metrics),
                      to, err);
}

const struct report_writer report_writer_otlp_metrics = {
    .name = "otlp-metrics",
    .help = "OTLP as JSON: outcome, claims and counts as gauges",
    .write = write};
