#include "cli/control_state.h"

#include "base/clock.h"
#include "journal/arm.h"

#include <stdlib.h>

#define STEP_PROMISED 0
#define STEP_UNDONE 2

void control_state_init(struct control_state *s)
{
    *s = (struct control_state){.word = "starting", .changed = true};
}

void control_state_release(struct control_state *s)
{
    for (size_t i = 0; i < s->phase_count; i++)
        free(s->begun[i]);
    s->phase_count = 0;
}

static void go_to(struct control_state *s, const char *word)
{
    s->changed = s->changed || s->word != word;
    s->word = word;
}

/* What is cut in the midst of a character is no UTF-8 any more. */
static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
    record_clean_text(to, strlen(to));
    for (; *to != '\0'; to++)
        if ((unsigned char)*to < 0x20)
            *to = '?'; /* six bytes in JSON: the whole must fit into an answer */
}

static void see_phase(struct control_state *s, const struct journal_phase *p)
{
    if (!arm_is_subject(p->arm))
        return;
    s->changed = true;
    if (p->why != NULL) {
        if (s->phase_count == 0 || s->phases[s->phase_count - 1] == p->phase)
            s->phase[0] = '\0'; /* else another arm is in it still */
        return;
    }
    copy(s->phase, sizeof(s->phase), p->name);
    s->phase_t0_ns = p->t0_ns;
    if (strcmp(s->word, "starting") == 0)
        go_to(s, "running");
    if (s->phase_count == CONTROL_PHASES_MOST) { /* the oldest is forgotten */
        free(s->begun[0]);
        memmove(s->begun, s->begun + 1, sizeof(s->begun) - sizeof(s->begun[0]));
        memmove(s->phases, s->phases + 1, sizeof(s->phases) - sizeof(s->phases[0]));
        s->phase_count--;
    }
    s->phases[s->phase_count] = p->phase;
    s->begun[s->phase_count++] = check_strdup(s->phase);
}

/* Events between phases have no number, and are the same in all arms. */
static bool is_subjects(const struct control_state *s, uint32_t phase)
{
    for (size_t i = s->phase_count; i-- > 0;)
        if (s->phases[i] == phase)
            return true;
    return phase == 0;
}

static size_t find_fault(const struct control_state *s, uint32_t fault)
{
    size_t i = 0;
    while (i < s->fault_count && s->faults[i].fault != fault)
        i++;
    return i;
}

static void take(char *to, size_t size, const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    copy(to, size, text == NULL ? "" : text);
}

static void see_armed(struct control_state *s, const json_t *json)
{
    uint32_t fault = (uint32_t)json_integer_value(json_object_get(json, "fault"));
    size_t at = find_fault(s, fault);
    if (at == CONTROL_FAULTS_MOST)
        return;
    struct control_fault *f = &s->faults[at];
    s->fault_count += at == s->fault_count;
    f->fault = fault;
    take(f->text, sizeof(f->text), json, "text");
    take(f->on, sizeof(f->on), json, "on");
    take(f->name, sizeof(f->name), json, "name");
    take(f->word, sizeof(f->word), json, "word");
    s->changed = true;
}

static void see_disarmed(struct control_state *s, const json_t *json)
{
    size_t at = find_fault(s, (uint32_t)json_integer_value(json_object_get(json, "fault")));
    if (at == s->fault_count)
        return;
    s->fault_count--;
    memmove(&s->faults[at], &s->faults[at + 1], (s->fault_count - at) * sizeof(s->faults[0]));
    s->off += s->abort_ns != 0;
    s->changed = true;
}

static void see_event(struct control_state *s, const struct journal_event *e)
{
    const char *arm = json_string_value(json_object_get(e->json, "arm"));
    if (strcmp(e->what, "pause") == 0)
        go_to(s, "paused");
    else if (strcmp(e->what, "resume") == 0)
        go_to(s, "running");
    else if (strcmp(e->what, "abort") == 0 && arm_is_subject(arm)) {
        go_to(s, "undoing");
        s->abort_ns = e->t_ns;
        take(s->why, sizeof(s->why), e->json, "why");
    } else if (strcmp(e->what, "fault_armed") == 0 && is_subjects(s, e->phase))
        see_armed(s, e->json);
    else if (strcmp(e->what, "fault_disarmed") == 0 && is_subjects(s, e->phase))
        see_disarmed(s, e->json);
}

static void see_world(struct control_state *s, const struct world_record *r)
{
    if (r->entry == 0) /* a listener or a leaf of the lab: it goes with it */
        return;
    s->promised += r->step == STEP_PROMISED;
    s->undone += r->step == STEP_UNDONE && r->read_back_ok != 0;
    s->not_back += r->step == STEP_UNDONE && r->read_back_ok == 0;
}

void control_state_row(struct control_state *s, const struct record_source *from,
                       enum record_kind kind, const void *record)
{
    const struct fault_record *fault = record;
    if (kind == RECORD_PHASE)
        see_phase(s, record);
    else if (kind == RECORD_EVENT)
        see_event(s, record);
    else if (kind == RECORD_WORLD)
        see_world(s, record);
    else if (kind == RECORD_END)
        go_to(s, "judging");
    else if (kind == RECORD_FAULT && fault->what == FAULT_DISARMED && s->abort_ns != 0 &&
             fault->at >= s->abort_ns && arm_is_subject(from->arm) && fault->at > s->off_ns)
        s->off_ns = fault->at;
}

json_t *control_state_json(const struct control_state *s)
{
    json_t *phases = json_array(), *faults = json_array();
    for (size_t i = 0; i < s->phase_count; i++)
        json_array_append_new(phases, json_string(s->begun[i]));
    for (size_t i = 0; i < s->fault_count; i++) {
        const struct control_fault *f = &s->faults[i];
        json_t *one = json_pack("{ss ss ss ss}", "text", f->text, "on", f->on, "name", f->name,
                                "word", f->word);
        if (one != NULL)
            json_array_append_new(faults, one);
    }
    uint64_t off_ns = s->off_ns > s->abort_ns ? s->off_ns - s->abort_ns : 0;
    json_t *json =
        json_pack("{ss ss* so so ss* si sI si si si}", "state", s->word, "phase",
                  s->phase[0] == '\0' ? NULL : s->phase, "phases", phases, "faults", faults, "why",
                  s->why[0] == '\0' ? NULL : s->why, "faults_off", (int)s->off, "off_ms",
                  (json_int_t)((off_ns + NS_PER_MS / 2) / NS_PER_MS), "changes", (int)s->promised,
                  "undone", (int)s->undone, "not_back", (int)s->not_back);
    INVARIANT(json != NULL);
    return json;
}
