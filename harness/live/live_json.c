#include "live/live_model.h"

#include <stdlib.h>

/* A snapshot as one JSON object that fits its maximum: what matters least is left out first. */

struct amounts {
    size_t events, verdicts, lanes, faults, phases, samples;
};

static json_int_t ms(uint64_t ns)
{
    return ns == UINT64_MAX ? -1 : (json_int_t)(ns / NS_PER_MS);
}

static json_t *counts(const uint32_t *at)
{
    json_t *list = json_array();
    for (size_t i = 0; i < LIVE_BUCKETS; i++)
        json_array_append_new(list, json_integer(at[i]));
    return list;
}

static json_t *lanes(const struct live_snapshot *s, size_t most)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->lane_count && i < most; i++) {
        const struct live_lane *l = &s->lanes[i];
        json_array_append_new(list,
                              json_pack("{ss so so ss# sb sI sI}", "name", l->name, "answered",
                                        counts(l->answered), "failed", counts(l->failed), "kind",
                                        l->kind, LIVE_BUCKETS, "out", l->out, "answered_per_s",
                                        (json_int_t)l->answered_per_s, "failed_per_s",
                                        (json_int_t)l->failed_per_s));
    }
    return list;
}

static json_t *faults(const struct live_snapshot *s, size_t most)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->fault_count && i < most; i++) {
        const struct live_fault *f = &s->faults[i];
        json_array_append_new(list,
                              json_pack("{ss ss ss sI sI sI sI}", "text", f->text, "place",
                                        f->place, "share", f->share, "left_ms", ms(f->left_ns),
                                        "total_ms", ms(f->total_ns), "fired", (json_int_t)f->fired,
                                        "reach_per_s", (json_int_t)f->reach_per_s));
    }
    return list;
}

/* Samples as per cent of the limit: whole numbers are short. -1: none. */
static json_t *guards(const struct live_snapshot *s, size_t most)
{
    static const char *const words[] = {"ok", "near", "tripped"};
    json_t *list = json_array();
    for (size_t i = 0; i < s->guard_count; i++) {
        const struct live_guard *g = &s->guards[i];
        json_t *samples = json_array();
        for (size_t k = LIVE_BUCKETS - most; k < LIVE_BUCKETS; k++) {
            float share = g->samples[k] > 100.0F ? 100.0F : g->samples[k];
            json_array_append_new(samples,
                                  json_integer(!(share >= 0) ? -1 : (json_int_t)(share * 100.0F)));
        }
        json_array_append_new(list, json_pack("{ss ss ss ss sb so}", "name", g->name, "value",
                                              g->value, "limit", g->limit, "state", words[g->state],
                                              "upper", g->upper, "samples", samples));
    }
    return list;
}

/* The one under way, those to come, and the last of those that are over. */
static json_t *phases(const struct live_snapshot *s, size_t most)
{
    static const char *const words[] = {"done", "now", "next"};
    json_t *list = json_array();
    size_t from = 0;
    while (from + 1 < s->phase_count && s->phases[from + 1].state == LIVE_PHASE_DONE)
        from++;
    from = s->phase_count <= most ? 0 : from + most > s->phase_count ? s->phase_count - most : from;
    for (size_t i = from; i < s->phase_count && i - from < most; i++) {
        const struct live_phase *p = &s->phases[i];
        json_array_append_new(list,
                              json_pack("{ss sI sI ss}", "name", p->name, "from_ms", ms(p->from_ns),
                                        "to_ms", ms(p->to_ns), "state", words[p->state]));
    }
    return list;
}

static json_t *verdicts(const struct live_snapshot *s, size_t most)
{
    static const char *const words[] = {"PASS", "INCONCLUSIVE", "FAIL", "NOT APPLICABLE"};
    json_t *list = json_array();
    for (size_t i = 0; i < s->verdict_count && i < most; i++) {
        const struct live_verdict *v = &s->verdicts[i];
        json_t *one = json_pack("{ss ss ss ss}", "kind", words[v->kind], "claim", v->claim, "text",
                                v->text, "mark", v->mark);
        if (v->needs[0] != '\0')
            json_object_set_new(one, "needs", json_string(v->needs));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *events(const struct live_snapshot *s, size_t most)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->event_count && i < most; i++) {
        const struct live_event *e = &s->events[i];
        json_array_append_new(list, json_pack("{sI ss ss}", "at_ms", ms(e->at_ns), "kind",
                                              live_event_word(e->kind), "text", e->text));
    }
    return list;
}

static json_t *question(const struct live_question *q)
{
    if (!q->open)
        return json_null();
    return json_pack("{sI ss ss sI sI}", "number", (json_int_t)q->number, "ask", q->ask, "role",
                     q->role, "since_ms", ms(q->since_ns), "within_ms", ms(q->within_ns));
}

static json_t *head(const struct live_snapshot *s)
{
    return json_pack("{ss ss ss ss ss ss ss sI sI sI ss ss}", "state", live_state_word(s->state),
                     "run", s->run, "seed", s->seed, "suite", s->suite, "target", s->target,
                     "scenario", s->scenario, "edge", s->edge, "since_start_ms",
                     ms(s->since_start_ns), "expected_total_ms", ms(s->expected_total_ns),
                     "phase_left_ms", ms(s->phase_left_ns), "next", s->next, "ends", s->ends);
}

static json_t *whole(const struct live_snapshot *s, const struct amounts *most)
{
    json_t *json = head(s);
    json_t *rest = json_pack("{so so so so so so so}", "lanes", lanes(s, most->lanes), "faults",
                             faults(s, most->faults), "guards", guards(s, most->samples), "phases",
                             phases(s, most->phases), "verdicts", verdicts(s, most->verdicts),
                             "events", events(s, most->events), "question", question(&s->question));
    json_t *numbers =
        json_pack("{sI sI sI sI sI sI sI sI sI sI sI}", "fail", (json_int_t)s->fail, "inconclusive",
                  (json_int_t)s->inconclusive, "pass", (json_int_t)s->pass, "judged_ms",
                  ms(s->judged_ns), "lanes_more",
                  (json_int_t)(s->lanes_more +
                               (s->lane_count > most->lanes ? s->lane_count - most->lanes : 0)),
                  "touched_per_s", (json_int_t)s->touched_per_s, "tries_per_s",
                  (json_int_t)s->tries_per_s, "endpoints_touched", (json_int_t)s->endpoints_touched,
                  "endpoints", (json_int_t)s->endpoints, "requests", (json_int_t)s->requests,
                  "tries", (json_int_t)s->tries);
    json_t *tail =
        json_pack("{ss sI ss sI sI ss}", "journal", s->journal, "journal_bytes",
                  (json_int_t)s->journal_bytes, "abort_reason", s->abort_reason, "undone",
                  (json_int_t)s->undone, "undo_total", (json_int_t)s->undo_total, "end", s->end);
    INVARIANT(json != NULL && rest != NULL && numbers != NULL && tail != NULL);
    json_object_update(json, rest);
    json_object_update(json, numbers);
    json_object_update(json, tail);
    json_decref(rest);
    json_decref(numbers);
    json_decref(tail);
    return json;
}

/* In this order: each step makes it shorter. False: nothing more can be left out. */
static bool leave_out(struct amounts *most, const struct live_snapshot *s, size_t step)
{
    size_t open = 0;
    while (open < s->verdict_count && s->verdicts[open].kind != VERDICT_PASS)
        open++;
    const struct amounts steps[] = {
        {10, LIVE_VERDICTS, LIVE_LANES, LIVE_FAULTS, LIVE_PHASES, LIVE_BUCKETS},
        {10, open, LIVE_LANES, LIVE_FAULTS, LIVE_PHASES, LIVE_BUCKETS},
        {10, open, LIVE_LANES, 16, 16, 20},
        {10, open, 8, 12, 12, 10},
        {8, 12, 6, 8, 12, 10},
        {5, 6, 4, 6, 8, 0},
        {3, 3, 3, 4, 4, 0},
        {1, 1, 2, 3, 3, 0},
        {1, 1, 1, 1, 1, 0},
        {0, 0, 0, 0, 0, 0},
    };
    if (step >= COUNT_OF(steps))
        return false;
    *most = steps[step];
    return true;
}

bool live_json(const struct live_snapshot *s, struct text *to)
{
    struct amounts most = {LIVE_EVENTS, LIVE_VERDICTS, LIVE_LANES,
                           LIVE_FAULTS, LIVE_PHASES,   LIVE_BUCKETS};
    size_t step = 0;
    do {
        json_t *json = whole(s, &most);
        char *text = json_dumps(json, JSON_COMPACT);
        json_decref(json);
        INVARIANT(text != NULL);
        bool fits = strlen(text) <= LIVE_JSON_BYTES;
        if (fits)
            text_add_bytes(to, bytes_of(text));
        free(text);
        if (fits)
            return !to->full;
    } while (leave_out(&most, s, step++));
    return false;
}
