#include "live/live_model.h"
#include "journal/arm.h"

/* The conductor's own rows: what it did, what it waits for, and how it ended. */

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL ? "" : text;
}

static void on_await(struct live *l, const struct journal_event *e)
{
    char after[32];
    uint64_t ns = (uint64_t)json_integer_value(json_object_get(e->json, "after_ns"));
    units_print_duration(ns / NS_PER_MS * NS_PER_MS, after, sizeof(after));
    live_tell(l, e->t_ns, LIVE_EVENT_PHASE, "await", text_of(e->json, "on"), "%s %s: %s after %s",
              text_of(e->json, "word"), text_of(e->json, "on"),
              json_is_true(json_object_get(e->json, "met")) ? "seen" : "not seen", after);
}

static void on_abort(struct live *l, const struct journal_event *e)
{
    if (l->undoing)
        return;
    l->undoing = true;
    l->paused = false;
    l->head.undone = 0;
    l->head.undo_total = (uint32_t)live_faults_armed(l) + l->world_open;
    live_clean(l->head.abort_reason, sizeof(l->head.abort_reason), text_of(e->json, "why"));
    live_tell(l, e->t_ns, LIVE_EVENT_RUN, "abort", "", "aborted: %s", l->head.abort_reason);
}

/* The oldest that is open is shown; one that nobody waits for is no state of the run. */
static void show_question(struct live *l)
{
    l->head.question = (struct live_question){0};
    l->waiting = false;
    for (size_t i = 0; i < l->question_count; i++)
        l->waiting = l->waiting || l->question_waits[i];
    if (l->question_count > 0)
        l->head.question = l->questions[0];
}

static void on_question(struct live *l, const struct journal_event *e)
{
    const char *kind = text_of(e->json, "kind"), *role = text_of(e->json, "role");
    json_int_t within_ns = json_integer_value(json_object_get(e->json, "within_ns"));
    struct live_question q = {.open = true, .since_ns = live_since(l, e->t_ns)};
    q.number = (uint32_t)json_integer_value(json_object_get(e->json, "number"));
    q.within_ns = within_ns > 0 && within_ns < INT64_MAX ? (uint64_t)within_ns : 0;
    live_clean(q.ask, sizeof(q.ask), text_of(e->json, "ask"));
    live_clean(q.role, sizeof(q.role), role);
    if (l->question_count < QUESTIONS_OPEN_MOST) {
        l->question_waits[l->question_count] = strcmp(kind, "expect") != 0;
        l->questions[l->question_count++] = q;
    }
    show_question(l);
    live_tell(l, e->t_ns, LIVE_EVENT_QUESTION, "question", q.role, "%u%s%s%s: %s", q.number,
              role[0] != '\0' ? " (" : "", q.role, role[0] != '\0' ? ")" : "", q.ask);
}

static void on_answer(struct live *l, const struct journal_event *e)
{
    live_tell(l, e->t_ns, LIVE_EVENT_QUESTION, "answer", text_of(e->json, "who"),
              "%lld answered by %s (%s): %s",
              (long long)json_integer_value(json_object_get(e->json, "number")),
              text_of(e->json, "who"), text_of(e->json, "channel"), text_of(e->json, "answer"));
}

static void on_question_closed(struct live *l, const struct journal_event *e)
{
    json_int_t number = json_integer_value(json_object_get(e->json, "number"));
    size_t kept = 0;
    for (size_t i = 0; i < l->question_count; i++) {
        if (l->questions[i].number == number)
            continue;
        l->question_waits[kept] = l->question_waits[i];
        l->questions[kept++] = l->questions[i];
    }
    l->question_count = kept;
    show_question(l);
    const char *state = text_of(e->json, "state");
    if (strcmp(state, "late") == 0)
        live_tell(l, e->t_ns, LIVE_EVENT_QUESTION, "answer", "", "%lld not answered in time",
                  (long long)number);
}

static void on_pause(struct live *l, const struct journal_event *e, bool paused)
{
    if (l->undoing || l->done)
        return;
    l->paused = paused;
    live_tell(l, e->t_ns, LIVE_EVENT_RUN, paused ? "pause" : "resume", text_of(e->json, "who"),
              "%s by %s", paused ? "paused" : "resumed", text_of(e->json, "who"));
}

/* Rows of a control's phases are not ours. */
static bool is_ours(const struct live *l, const struct journal_event *e)
{
    const char *arm = json_string_value(json_object_get(e->json, "arm"));
    if (arm != NULL)
        return arm_is_subject(arm);
    for (size_t i = 0; i < l->phase_count; i++)
        if (live_phase_has(&l->phases[i], e->phase))
            return true;
    return e->phase == 0;
}

/* Of the arms of one scenario it is another's turn. */
static void on_block(struct live *l, const struct journal_event *e)
{
    const char *arm = arm_shown(text_of(e->json, "arm"));
    for (size_t i = 0; i < l->plan->scenario_count; i++) {
        const struct scenario *s = &l->plan->scenarios[i];
        if (s->arm != NULL && strcmp(s->arm, arm) == 0 && plan_same_arms(s, l->scenario))
            live_enter(l, (uint32_t)i);
    }
}

void live_row(struct live *l, const struct journal_event *e)
{
    if (!is_ours(l, e))
        return;
    if (strcmp(e->what, "fault_armed") == 0)
        live_fault_armed(l, e->json, e->t_ns);
    else if (strcmp(e->what, "fault_disarmed") == 0)
        live_fault_disarmed(l, e->json, e->t_ns);
    else if (strcmp(e->what, "block.begin") == 0)
        on_block(l, e);
    else if (strcmp(e->what, "await") == 0)
        on_await(l, e);
    else if (strcmp(e->what, "guard_trip") == 0)
        live_guard_trip(l, e->json, e->t_ns);
    else if (strcmp(e->what, "abort") == 0)
        on_abort(l, e);
    else if (strcmp(e->what, "pause") == 0 || strcmp(e->what, "resume") == 0)
        on_pause(l, e, strcmp(e->what, "pause") == 0);
    else if (strcmp(e->what, "question") == 0)
        on_question(l, e);
    else if (strcmp(e->what, "answer") == 0)
        on_answer(l, e);
    else if (strcmp(e->what, "question_closed") == 0)
        on_question_closed(l, e);
}

void live_end(struct live *l, const struct journal_end *end)
{
    l->done = true;
    l->done_ns = end->t_ns;
    l->paused = false;
    l->question_count = 0;
    show_question(l);
    live_clean(l->head.end, sizeof(l->head.end), end->how);
    live_tell(l, end->t_ns, LIVE_EVENT_END, "run.end", "", "%llu requests, %llu tries: %s",
              (unsigned long long)l->head.requests, (unsigned long long)l->head.tries, l->head.end);
}

/* Only what the ledger promised is undone at the end; a leaf or a bundle stays as it is. */
void live_world(struct live *l, const struct record_source *from, const struct world_record *r)
{
    const char *what = record_name(from, r->what), *place = record_name(from, r->place);
    if (strstr(place, ": ") != NULL) /* a control names itself */
        return;
    bool undone = r->step == 2;
    if (r->step == 0)
        return;
    if (r->entry != 0 && !undone)
        l->world_open++;
    if (r->entry != 0 && undone && l->world_open > 0) {
        l->world_open--;
        l->head.undone += l->undoing;
    }
    live_tell(l, r->at, undone ? LIVE_EVENT_UNDO : LIVE_EVENT_WORLD, undone ? "undo" : "world",
              place, "%.100s on %.60s%s", what, place,
              !undone           ? ""
              : r->read_back_ok ? " undone, read back"
                                : " undone, but it does not read back");
}
