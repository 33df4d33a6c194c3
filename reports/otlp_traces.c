#include "base/clock.h"
#include "base/map.h"
#include "journal/arm.h"
#include "reports/otlp.h"

#include <inttypes.h>

/* The run as one trace: run > phase > a failing request > its tries, with what happened in a phase
 * as the span's events. `otlp-traces`, POSTed to /v1/traces by `report --otlp`. Ids are made of the
 * run's, so that the same journal gives the same trace. */

#define EVENTS_MOST 128 /* of a span; what OpenTelemetry's SDKs take by default */
#define WITNESSES_MOST 20
enum { STATUS_OK = 1, STATUS_ERROR = 2, KIND_INTERNAL = 1, KIND_CLIENT = 3 };

struct trace {
    const struct report *report;
    const struct journal *j;
    json_t *spans;
    char id[33], root[17];
    size_t left; /* witnesses that may still be told */
};

static void make_id(const struct trace *t, const char *what, uint64_t number, char to[17])
{
    char name[160];
    snprintf(name, sizeof(name), "%.40s %s %" PRIu64, report_run_text(t->j, "run"), what, number);
    uint64_t lo = map_key_of(name, strlen(name)).lo;
    snprintf(to, 17, "%016" PRIx64, lo == 0 ? 1 : lo); /* all zeros are no id */
}

struct span {
    char id[17];
    const char *parent; /* "": none */
    const char *name;
    int kind, status;
    uint64_t from_ns, to_ns;
    json_t *attributes, *events; /* taken; events may be NULL */
    const char *why;             /* of an error; may be NULL */
};

static void add_span(struct trace *t, const struct span *s)
{
    struct text name;
    text_init(&name, (size_t)64 * 1024);
    report_add_clean(&name, s->name);
    json_t *made = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:{s:i}}", "traceId", t->id,
                             "spanId", s->id, "name", text_get(&name), "kind", s->kind,
                             "startTimeUnixNano", otlp_time(t->j, s->from_ns), "endTimeUnixNano",
                             otlp_time(t->j, s->to_ns < s->from_ns ? s->from_ns : s->to_ns),
                             "attributes", s->attributes, "status", "code", s->status);
    text_release(&name);
    if (s->parent[0] != '\0')
        json_object_set_new(made, "parentSpanId", json_string(s->parent));
    if (s->events != NULL)
        json_object_set_new(made, "events", s->events);
    if (s->why != NULL) {
        struct text why;
        text_init(&why, (size_t)64 * 1024);
        report_add_clean(&why, s->why);
        json_object_set_new(json_object_get(made, "status"), "message",
                            json_string(text_get(&why)));
        text_release(&why);
    }
    json_array_append_new(t->spans, made);
}

static json_t *event_attributes(const json_t *from)
{
    const char *key;
    json_t *value, *list = json_array();
    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        char name[80];
        struct text clean;
        text_init(&clean, sizeof(name));
        report_add_clean(&clean, key);
        snprintf(name, sizeof(name), "meshproof.%.60s", text_get(&clean));
        text_release(&clean);
        if (json_is_string(value))
            json_array_append_new(list, otlp_text(name, json_string_value(value)));
        else if (json_is_integer(value) && json_integer_value(value) >= 0)
            json_array_append_new(list, otlp_number(name, (uint64_t)json_integer_value(value)));
    }
    return list;
}

static json_t *events_of(const struct trace *t, uint32_t phase)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->j->event_count && json_array_size(list) < EVENTS_MOST; i++) {
        const struct journal_event *e = &t->j->events[i];
        struct text what;
        if (e->phase != phase)
            continue;
        text_init(&what, 256);
        report_add_clean(&what, e->what);
        json_array_append_new(list, json_pack("{s:o, s:s, s:o}", "timeUnixNano",
                                              otlp_time(t->j, e->t_ns), "name", text_get(&what),
                                              "attributes", event_attributes(e->json)));
        text_release(&what);
    }
    return list;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_tries(struct trace *t, const struct request_record *r, const char *parent)
{
    for (size_t i = 0; i < t->j->attempt_count; i++) {
        const struct attempt_record *a = &t->j->attempts[i].r;
        struct span s = {.parent = parent, .kind = KIND_INTERNAL};
        char name[32];
        if (a->id_hi != r->id_hi || a->id_lo != r->id_lo)
            continue;
        snprintf(name, sizeof(name), "try %u", (unsigned)a->k);
        make_id(t, parent, i, s.id); /* the request may be the witness of several claims */
        s.name = name;
        bool failed = a->outcome != OUTCOME_ANSWERED || a->status >= 500 || a->grpc_status > 1;
        s.status = failed ? STATUS_ERROR : STATUS_OK;
        s.from_ns = a->at;
        s.to_ns = a->at + most(a->done, most(a->left, a->out));
        s.attributes = json_pack("[o, o, o]", otlp_number("meshproof.endpoint", a->endpoint),
                                 otlp_number("http.response.status_code", a->status),
                                 otlp_number("meshproof.fault", a->fault));
        add_span(t, &s);
    }
}

static const struct request_record *find_request(const struct journal *j, uint64_t hi, uint64_t lo)
{
    for (size_t i = 0; i < j->request_count; i++)
        if (j->requests[i].r.id_hi == hi && j->requests[i].r.id_lo == lo)
            return &j->requests[i].r;
    return NULL;
}

/* The witness of a FAIL, and its tries. */
static void add_witness(struct trace *t, const struct judged *d, const char *parent)
{
    size_t number = (size_t)(d - t->report->judgement->verdicts);
    const struct request_record *r =
        find_request(t->j, d->verdict.witness_hi, d->verdict.witness_lo);
    struct span s = {.parent = parent, .kind = KIND_CLIENT, .status = STATUS_ERROR};
    char name[128];
    if (r == NULL || t->left == 0)
        return;
    t->left--;
    request_name_print(t->j, r->id_hi, r->id_lo, name, sizeof(name));
    make_id(t, "witness", number, s.id);
    s.name = name;
    s.why = d->verdict.text;
    s.from_ns = r->due + r->start;
    s.to_ns = r->due + r->done;
    s.attributes = json_pack("[o, o, o, o]", otlp_text("meshproof.claim", d->claim->id),
                             otlp_text("meshproof.on", d->on),
                             otlp_text("meshproof.tag", journal_name(t->j, r->tag)),
                             otlp_number("http.response.status_code", r->status));
    add_span(t, &s);
    add_tries(t, r, s.id);
}

/* A phase that was walked again, or paused, has several rows: each FAIL is told in one of them,
 * that of its witness. */
static bool is_told_in(const struct trace *t, const struct judged *d, const struct journal_phase *p)
{
    uint64_t end_ns = p->t1_ns == UINT64_MAX ? UINT64_MAX : p->t1_ns;
    if (d->scenario != p->scenario || d->ordinal != p->ordinal)
        return false;
    if (d->verdict.witness_ns != 0)
        return p->t0_ns <= d->verdict.witness_ns && d->verdict.witness_ns < end_ns;
    for (const struct journal_phase *before = t->j->phases; before < p; before++)
        if (before->scenario == p->scenario && before->ordinal == p->ordinal &&
            strcmp(before->arm, p->arm) == 0)
            return false;
    return true;
}

static void add_phase(struct trace *t, const struct journal_phase *p)
{
    const struct judgement *g = t->report->judgement;
    struct span s = {
        .parent = t->root, .name = p->name, .kind = KIND_INTERNAL, .status = STATUS_OK};
    make_id(t, "phase", p->phase, s.id);
    for (size_t i = 0; i < g->verdict_count; i++) {
        const struct judged *d = &g->verdicts[i];
        if (!d->gates || d->verdict.kind != VERDICT_FAIL || !is_told_in(t, d, p))
            continue;
        s.status = STATUS_ERROR;
        s.why = s.why == NULL ? d->verdict.text : s.why;
        add_witness(t, d, s.id);
    }
    s.from_ns = p->t0_ns;
    s.to_ns = p->t1_ns == UINT64_MAX ? report_end_ns(t->j) : p->t1_ns;
    s.attributes = json_pack("[o, o]", otlp_text("meshproof.phase", p->name),
                             otlp_text("meshproof.ended_by", p->why == NULL ? "never" : p->why));
    s.events = events_of(t, p->phase);
    add_span(t, &s);
}

static void add_run(struct trace *t)
{
    int code = report_exit(t->report);
    struct span s = {.parent = "",
                     .name = t->report->plan == NULL ? "run" : t->report->plan->suite,
                     .kind = KIND_INTERNAL,
                     .status = code == 0 ? STATUS_OK : STATUS_ERROR,
                     .from_ns = report_zero_ns(t->j),
                     .to_ns = report_end_ns(t->j),
                     .why = code == 0 ? NULL : report_outcome(code)};
    snprintf(s.id, sizeof(s.id), "%s", t->root);
    s.attributes = json_pack("[o, o]", otlp_text("meshproof.outcome", report_outcome(code)),
                             otlp_number("meshproof.exit_code", (uint64_t)code));
    add_span(t, &s);
}

/* What was judged over a whole scenario lies in none of its phases. */
static void add_whole(struct trace *t)
{
    const struct judgement *g = t->report->judgement;
    for (size_t i = 0; i < g->verdict_count; i++)
        if (g->verdicts[i].gates && g->verdicts[i].ordinal == UINT32_MAX &&
            g->verdicts[i].verdict.kind == VERDICT_FAIL)
            add_witness(t, &g->verdicts[i], t->root);
}

static bool write(const struct report *report, FILE *to, struct error *err)
{
    struct trace t = {
        .report = report, .j = report->journal, .spans = json_array(), .left = WITNESSES_MOST};
    struct map_key key =
        map_key_of(report_run_text(t.j, "run"), strlen(report_run_text(t.j, "run")));
    snprintf(t.id, sizeof(t.id), "%016" PRIx64 "%016" PRIx64, key.hi, key.lo | 1);
    make_id(&t, "run", 0, t.root);
    add_run(&t);
    for (size_t i = 0; i < t.j->phase_count; i++)
        if (arm_is_subject(t.j->phases[i].arm))
            add_phase(&t, &t.j->phases[i]);
    add_whole(&t);
    return otlp_write(json_pack("{s:[{s:o, s:[{s:o, s:o}]}]}", "resourceSpans", "resource",
                                otlp_resource(report), "scopeSpans", "scope", otlp_scope(report),
                                "spans", t.spans),
                      to, err);
}

const struct report_writer report_writer_otlp_traces = {
    .name = "otlp-traces",
    .help = "OTLP as JSON: the run, its phases and the failing requests as spans",
    .write = write};
