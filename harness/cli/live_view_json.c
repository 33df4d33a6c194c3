#include "cli/outcome.h"
#include "cli/live_view.h"

#include "base/clock.h"
#include "base/outlet.h"
#include "journal/arm.h"
#include "reports/report.h"

#include <stdlib.h>

/* run --json: one object a line (scenario-language.md 6), on stdout. t_ns counts from the first
 * phase's start. */

static void print(uint64_t t_ns, const char *event, json_t *take_rest)
{
    json_t *json = json_pack("{si sI ss}", "v", 1, "t_ns", (json_int_t)t_ns, "event", event);
    INVARIANT(json != NULL && take_rest != NULL);
    json_object_update(json, take_rest);
    char *text = json_dumps(json, JSON_COMPACT);
    INVARIANT(text != NULL);
    outlet_line(STDOUT_FILENO, text);
    free(text);
    json_decref(json);
    json_decref(take_rest);
}

static json_t *clean_text(const char *from)
{
    char to[1024];
    live_clean(to, sizeof(to), from);
    return json_string(to);
}

void live_view_json_begin(struct live_view *v)
{
    const struct prepared *p = v->prepared;
    char hash[65];
    uint64_t total = 0;
    json_t *names = json_array();
    for (size_t i = 0; i < p->plan->scenario_count; i++) {
        total += generate_length_ns(&p->plan->scenarios[i]);
        json_array_append_new(names, clean_text(p->plan->scenarios[i].name));
    }
    plan_hash(p->plan, hash);
    print(0, "run.start",
          json_pack("{ss ss ss so so}", "run", p->run, "seed", p->seed_text, "version",
                    MESHPROOF_VERSION, "suite", clean_text(p->plan->suite), "journal",
                    clean_text(v->journal)));
    print(0, "plan",
          json_pack("{ss sI so}", "hash", hash, "expected_ns", (json_int_t)total, "scenarios",
                    names));
}

/* What the event is about, under the name that it has there. */
static const char *about_key(const char *what)
{
    static const char *const keys[][2] = {{"phase.", "phase"}, {"fault.", "place"},
                                          {"guard.", "guard"}, {"claim.", "claim"},
                                          {"undo", "place"},   {"question", "role"}};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strncmp(what, keys[i][0], strlen(keys[i][0])) == 0)
            return keys[i][1];
    return "who";
}

void live_view_json_event(struct live_view *v, const struct live_event *event)
{
    static const char *const names[] = {
        "question",      "answer",      "phase.start",  "phase.end",  "fault.arm",
        "fault.disarm",  "fault.first", "guard.sample", "guard.trip", "undo",
        "claim.verdict", "pause",       "resume",       "abort"};
    bool known = false;
    (void)v;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        known = known || strcmp(event->what, names[i]) == 0;
    if (!known) /* the views' own; run.end is the last line, with the verdicts */
        return;
    json_t *rest = json_pack("{ss}", "text", event->text);
    if (event->about[0] != '\0')
        json_object_set_new(rest, about_key(event->what), json_string(event->about));
    if (event->quiet)
        json_object_set_new(rest, "value", json_real(event->value));
    if (strcmp(event->what, "claim.verdict") == 0)
        json_object_set_new(rest, "verdict", json_string("FAIL"));
    print(event->at_ns, event->what, rest);
}

void live_view_json_verdicts(struct live_view *v)
{
    live_snapshot(v->live, clock_now_ns(), &v->snapshot);
    const struct live_snapshot *s = &v->snapshot;
    print(s->since_start_ns, "claim.progress",
          json_pack("{sI sI sI}", "fail", (json_int_t)s->fail, "inconclusive",
                    (json_int_t)s->inconclusive, "pass", (json_int_t)s->pass));
}

void live_view_judged(struct live_view *v, const struct judgement *all)
{
    if (v->shows != LIVE_VIEW_JSON)
        return;
    json_decref(v->verdicts);
    v->verdicts = json_array();
    for (size_t i = 0; i < all->verdict_count; i++) {
        const struct judged *row = &all->verdicts[i];
        if (row->verdict.kind == VERDICT_NOT_APPLICABLE)
            continue;
        json_t *one =
            json_pack("{ss ss so so so sb so}", "claim", row->claim->id, "verdict",
                      verdict_kind_name(row->verdict.kind), "on", clean_text(row->on), "scenario",
                      clean_text(row->scenario_name), "arm", clean_text(arm_shown(row->arm)),
                      "gates", row->gates, "text", clean_text(row->verdict.text));
        INVARIANT(one != NULL);
        if (row->phase_name != NULL)
            json_object_set_new(one, "phase", clean_text(row->phase_name));
        if (row->verdict.needs != NULL)
            json_object_set_new(one, "needs", clean_text(row->verdict.needs));
        json_array_append_new(v->verdicts, one);
    }
}

void live_view_json_end(struct live_view *v, int exit_code)
{
    live_snapshot(v->live, clock_now_ns(), &v->snapshot);
    json_t *verdicts = v->verdicts == NULL ? json_array() : json_incref(v->verdicts);
    uint64_t left_out = outlet_left_out(STDOUT_FILENO);
    json_t *rest = json_pack("{ss si so so ss ss}", "outcome", outcome_word(exit_code), "exit",
                             exit_code, "verdicts", verdicts, "journal", clean_text(v->journal),
                             "run", v->prepared->run, "ended", v->snapshot.end);
    if (left_out > 0) /* nobody read them, and the run did not wait */
        json_object_set_new(rest, "lines_left_out", json_integer((json_int_t)left_out));
    print(v->snapshot.since_start_ns, "run.end", rest);
}
