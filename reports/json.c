#include "journal/arm.h"
#include "reports/report.h"

/* Everything, as one JSON object; its shape is reports/report.schema.json. Times are ns after the
 * run's zero. */

static json_t *source_json(struct source source)
{
    if (source.file == NULL)
        return json_null();
    return json_pack("{s:o, s:I, s:I}", "file", report_clean_json(source.file), "line",
                     (json_int_t)source.line, "column", (json_int_t)source.column);
}

static json_t *accepted_json(const struct accepted *a)
{
    char day[16];
    if (a == NULL)
        return json_null();
    snprintf(day, sizeof(day), "%04u-%02u-%02u", (unsigned)a->until / 10000,
             (unsigned)a->until / 100 % 100, (unsigned)a->until % 100);
    return json_pack("{s:s, s:b, s:o, s:o, s:o}", "until", day, "stands", a->stands, "ticket",
                     report_clean_json(a->ticket), "owner", report_clean_json(a->owner), "reason",
                     report_clean_json(a->reason));
}

static json_t *verdict_json(const struct report *report, const struct judged *d)
{
    const struct verdict *v = &d->verdict;
    char name[128];
    json_t *j =
        json_pack("{s:s, s:s, s:o, s:I, s:o, s:o, s:o, s:b, s:s}", "claim", d->claim->id, "word",
                  d->claim->word, "scenario", report_clean_json(d->scenario_name), "scenario_index",
                  (json_int_t)d->scenario, "phase",
                  d->phase_name == NULL ? json_null() : report_clean_json(d->phase_name), "arm",
                  report_clean_json(arm_shown(d->arm)), "on", report_clean_json(d->on), "gates",
                  d->gates, "verdict", verdict_kind_name(v->kind));
    json_object_set_new(j, "seen", json_integer((json_int_t)v->seen));
    json_object_set_new(j, "eligible", json_integer((json_int_t)v->eligible));
    json_object_set_new(j, "wrong", json_integer((json_int_t)v->wrong));
    json_object_set_new(j, "needed", json_integer((json_int_t)v->needed));
    json_object_set_new(j, "unit", report_clean_json(v->unit == NULL ? "" : v->unit));
    json_object_set_new(j, "text", report_clean_json(v->text));
    json_object_set_new(j, "policy",
                        v->policy == NULL ? json_null() : report_clean_json(v->policy));
    json_object_set_new(j, "policy_origin",
                        v->policy_origin == NULL ? json_null()
                                                 : report_clean_json(v->policy_origin));
    json_object_set_new(j, "policy_line", source_json(v->policy_line));
    json_object_set_new(j, "asked_by", source_json(d->asked_by));
    json_object_set_new(j, "note", d->note == NULL ? json_null() : report_clean_json(d->note));
    json_object_set_new(j, "accepted", accepted_json(d->accepted));
    json_object_set_new(j, "needs", v->needs == NULL ? json_null() : report_clean_json(v->needs));
    if (v->witness_hi == 0 && v->witness_lo == 0) {
        json_object_set_new(j, "witness", json_null());
    } else {
        request_name_print(report->journal, v->witness_hi, v->witness_lo, name, sizeof(name));
        json_object_set_new(j, "witness", report_clean_json(name));
    }
    return j;
}

static json_t *phases_json(const struct report *report)
{
    const struct judgement *g = report->judgement;
    uint64_t zero = report_zero_ns(report->journal);
    json_t *list = json_array();
    for (size_t i = 0; i < g->phase_count; i++) {
        const struct judged_phase *p = &g->phases[i];
        json_t *one = json_pack(
            "{s:I, s:I, s:b, s:o, s:o, s:I, s:o, s:I, s:I, s:I, s:I}", "scenario_index",
            (json_int_t)p->scenario, "ordinal", (json_int_t)p->ordinal, "again", p->again, "name",
            report_clean_json(p->name), "ended_by",
            p->why == NULL ? json_null() : report_clean_json(p->why), "from_ns",
            (json_int_t)(p->t0_ns - zero), "to_ns",
            p->t1_ns == UINT64_MAX ? json_null() : json_integer((json_int_t)(p->t1_ns - zero)),
            "requests", (json_int_t)p->requests, "warmup", (json_int_t)p->warmup, "tries",
            (json_int_t)p->tries, "no_evidence_ppm", (json_int_t)p->tainted_ppm);
        if (p->blocks > 0) { /* of an arm that takes turns with others */
            json_object_set_new(one, "blocks", json_integer(p->blocks));
            json_object_set_new(one, "active_ns", json_integer((json_int_t)p->active_ns));
        }
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *faults_json(const struct judgement *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < g->fault_count; i++) {
        const struct judged_fault *f = &g->faults[i];
        json_array_append_new(
            list, json_pack("{s:I, s:I, s:b, s:I, s:o, s:o, s:I, s:I}", "scenario_index",
                            (json_int_t)f->scenario, "ordinal", (json_int_t)f->ordinal, "again",
                            f->again, "fault", (json_int_t)f->fault, "text",
                            report_clean_json(f->text), "on", report_clean_json(f->on), "fired",
                            (json_int_t)f->fired, "withheld", (json_int_t)f->guarded));
    }
    return list;
}

static json_t *controls_json(const struct judgement *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < g->control_count; i++) {
        const struct judged_control *c = &g->controls[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:s, s:b, s:o}", "name", report_clean_json(c->name),
                            "claim", c->claim == NULL ? json_null() : report_clean_json(c->claim),
                            "verdict", verdict_kind_name(c->kind), "as_it_must", c->as_it_must,
                            "text", report_clean_json(c->text == NULL ? "" : c->text)));
    }
    return list;
}

static json_t *unasked_json(const struct plan *plan)
{
    json_t *list = json_array();
    for (size_t i = 0; plan != NULL && i < plan->scenario_count; i++) {
        const struct scenario *s = &plan->scenarios[i];
        for (size_t k = 0; k < s->unasked_count; k++) {
            json_t *claims = json_array();
            for (size_t n = 0; n < s->unasked[k].claim_count; n++)
                json_array_append_new(claims, report_clean_json(s->unasked[k].claims[n]));
            json_array_append_new(
                list, json_pack("{s:o, s:I, s:o, s:o}", "scenario", report_clean_json(s->name),
                                "scenario_index", (json_int_t)i, "why",
                                report_clean_json(s->unasked[k].why), "claims", claims));
        }
    }
    return list;
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    const struct judgement *g = report->judgement;
    const struct journal *j = report->journal;
    int code = report_exit(report);
    json_t *verdicts = json_array();
    for (size_t i = 0; i < g->verdict_count; i++)
        json_array_append_new(verdicts, verdict_json(report, &g->verdicts[i]));
    json_t *all =
        json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:i, s:I, s:I, s:I, s:I}", "v", 1,
                  "meshproof", report->version, "run", report_clean_json(report_run_text(j, "run")),
                  "seed", report_clean_json(report_run_text(j, "seed")), "target",
                  report_clean_json(report_policy_text(j, "target")), "driver",
                  report_clean_json(report_policy_text(j, "driver")), "suite",
                  report_clean_json(report->plan == NULL ? "" : report->plan->suite), "ended",
                  j->end_how == NULL ? json_null() : report_clean_json(j->end_how), "outcome",
                  report_outcome(code), "exit", code, "pass", (json_int_t)g->pass, "fail",
                  (json_int_t)g->fail, "inconclusive", (json_int_t)g->inconclusive,
                  "not_applicable", (json_int_t)g->not_applicable);
    INVARIANT(all != NULL);
    json_object_set_new(all, "verdicts", verdicts);
    json_object_set_new(all, "phases", phases_json(report));
    json_object_set_new(all, "faults", faults_json(g));
    json_object_set_new(all, "controls", controls_json(g));
    json_object_set_new(all, "unasked", unasked_json(report->plan));
    json_object_set_new(all, "stalls", json_integer((json_int_t)g->stall_count));
    json_object_set_new(all, "checksum_good", json_boolean(journal_checksum_good(report->journal)));
    json_object_set_new(all, "lost_records", json_integer((json_int_t)g->lost_records));
    bool ok = json_dumpf(all, to, JSON_INDENT(1)) == 0 && fputc('\n', to) != EOF;
    json_decref(all);
    return ok || error_set(err, ERROR_SYSTEM, "the JSON report could not be written");
}

const struct report_writer report_writer_json = {
    "json", "everything, by reports/report.schema.json", write};
