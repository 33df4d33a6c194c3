#include "base/clock.h"
#include "reports/report.h"

#include <inttypes.h>

/* Prometheus's text format (exposition 0.0.4), for a textfile collector or a push gateway: the
 * outcome, each claim, and what was done. Names and labels are for alerts and dashboards, so they
 * stay as they are. */

static void head(struct text *to, const char *name, const char *type, const char *help)
{
    text_add(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One label; all but printable characters are gone by then, the format's own are escaped. */
static void label(struct text *to, const char *name, const char *value, bool first)
{
    struct text clean;
    text_init(&clean, (size_t)64 * 1024);
    report_add_clean(&clean, value == NULL ? "" : value);
    text_add(to, "%s%s=\"", first ? "{" : ",", name);
    for (const char *at = text_get(&clean); *at != '\0'; at++)
        text_add(to, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    text_add(to, "\"");
    text_release(&clean);
}

static uint64_t wall_ns(const struct journal *j)
{
    return (uint64_t)json_integer_value(json_object_get(j->run, "wall_ns"));
}

static void add_run(const struct report *report, struct text *to)
{
    const struct journal *j = report->journal;
    int code = report_exit(report);
    head(to, "meshproof_run_info", "gauge", "What was run; always 1.");
    text_add(to, "meshproof_run_info");
    label(to, "run", report_run_text(j, "run"), true);
    label(to, "seed", report_run_text(j, "seed"), false);
    label(to, "suite", report->plan == NULL ? "" : report->plan->suite, false);
    label(to, "target", report_policy_text(j, "target"), false);
    label(to, "driver", report_policy_text(j, "driver"), false);
    label(to, "version", report->version, false);
    text_add(to, "} 1\n");
    head(to, "meshproof_run_outcome", "gauge", "1 for the outcome of the run, 0 for the others.");
    for (int i = 0; i < REPORT_OUTCOMES; i++) {
        text_add(to, "meshproof_run_outcome");
        label(to, "outcome", report_outcome(i), true);
        text_add(to, "} %d\n", i == code);
    }
    head(to, "meshproof_run_exit_code", "gauge", "The exit code of the run.");
    text_add(to, "meshproof_run_exit_code %d\n", code);
    head(to, "meshproof_run_start_time_seconds", "gauge", "When it began, since the epoch.");
    text_add(to, "meshproof_run_start_time_seconds %" PRIu64 "\n", wall_ns(j) / NS_PER_S);
    head(to, "meshproof_run_duration_seconds", "gauge",
         "From the first phase to the last one's end.");
    uint64_t ms = (report_end_ns(j) - report_zero_ns(j)) / NS_PER_MS;
    text_add(to, "meshproof_run_duration_seconds %" PRIu64 ".%03" PRIu64 "\n", ms / 1000,
             ms % 1000);
}

static void add_claims(const struct report *report, struct text *to)
{
    const struct judgement *g = report->judgement;
    head(to, "meshproof_claims", "gauge", "Claims that gate, by verdict.");
    text_add(to, "meshproof_claims{verdict=\"PASS\"} %zu\n", g->pass);
    text_add(to, "meshproof_claims{verdict=\"FAIL\"} %zu\n", g->fail);
    text_add(to, "meshproof_claims{verdict=\"INCONCLUSIVE\"} %zu\n", g->inconclusive);
    text_add(to, "meshproof_claims{verdict=\"NOT APPLICABLE\"} %zu\n", g->not_applicable);
    text_add(to, "meshproof_claims{verdict=\"ACCEPTED\"} %zu\n", g->accepted);
    head(to, "meshproof_claim_verdict", "gauge",
         "Each claim that gates, with its verdict; always 1.");
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        char place[24];
        if (!d->gates)
            continue;
        /* The number makes the series one: a claim may be asked twice in a phase. */
        snprintf(place, sizeof(place), "%zu", i + 1);
        text_add(to, "meshproof_claim_verdict");
        label(to, "number", place, true);
        label(to, "scenario", d->scenario_name, false);
        label(to, "phase", d->phase_name, false);
        label(to, "claim", d->claim->id, false);
        label(to, "on", d->on, false);
        label(to, "verdict", verdict_kind_name(d->verdict.kind), false);
        text_add(to, "} 1\n");
    }
}

static const char *scenario_name(const struct report *report, uint32_t scenario)
{
    bool known = report->plan != NULL && scenario < report->plan->scenario_count;
    return known ? report->plan->scenarios[scenario].name : "";
}

static void add_phase_labels(const struct report *report, const struct judged_phase *p, size_t i,
                             struct text *to)
{
    char place[24];
    snprintf(place, sizeof(place), "%zu", i + 1);
    label(to, "number", place, true);
    label(to, "scenario", scenario_name(report, p->scenario), false);
    label(to, "phase", p->name, false);
    label(to, "again", p->again ? "yes" : "no", false);
}

static void add_phases(const struct report *report, struct text *to)
{
    const struct judgement *g = report->judgement;
    head(to, "meshproof_phase_requests", "gauge", "Requests of the client in a phase.");
    for (size_t i = 0; i < g->phase_count; i++) {
        text_add(to, "meshproof_phase_requests");
        add_phase_labels(report, &g->phases[i], i, to);
        text_add(to, "} %" PRIu64 "\n", g->phases[i].requests);
    }
    head(to, "meshproof_phase_tries", "gauge", "Tries of those requests that endpoints saw.");
    for (size_t i = 0; i < g->phase_count; i++) {
        text_add(to, "meshproof_phase_tries");
        add_phase_labels(report, &g->phases[i], i, to);
        text_add(to, "} %" PRIu64 "\n", g->phases[i].tries);
    }
    head(to, "meshproof_fault_fired", "gauge", "How often a fault fired.");
    for (size_t i = 0; i < g->fault_count; i++) {
        const struct judged_fault *f = &g->faults[i];
        char place[24];
        snprintf(place, sizeof(place), "%zu", i + 1);
        text_add(to, "meshproof_fault_fired");
        label(to, "number", place, true);
        label(to, "scenario", scenario_name(report, f->scenario), false);
        label(to, "fault", f->text, false);
        label(to, "on", f->on, false);
        text_add(to, "} %" PRIu64 "\n", f->fired);
    }
}

static void add_judge(const struct report *report, struct text *to)
{
    const struct judgement *g = report->judgement;
    head(to, "meshproof_control_as_it_must", "gauge",
         "1 when a mesh of known behaviour was judged as it must be.");
    for (size_t i = 0; i < g->control_count; i++) {
        text_add(to, "meshproof_control_as_it_must");
        label(to, "control", g->controls[i].name, true);
        text_add(to, "} %d\n", g->controls[i].as_it_must);
    }
    head(to, "meshproof_loop_stalls", "gauge", "Stalls of meshproof's own loops over 8 ms.");
    text_add(to, "meshproof_loop_stalls %" PRIu64 "\n", g->stall_count);
    head(to, "meshproof_lost_records", "gauge", "Records that a full queue dropped.");
    text_add(to, "meshproof_lost_records %" PRIu64 "\n", g->lost_records);
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    struct text t;
    text_init(&t, (size_t)16 * 1024 * 1024);
    add_run(report, &t);
    add_claims(report, &t);
    add_phases(report, &t);
    add_judge(report, &t);
    bool ok = !t.full && fwrite(text_get(&t), 1, t.len, to) == t.len;
    text_release(&t);
    return ok || error_set(err, ERROR_SYSTEM, "the report could not be written whole");
}

const struct report_writer report_writer_prometheus = {
    .name = "prometheus", .help = "Prometheus text, for a textfile collector", .write = write};
