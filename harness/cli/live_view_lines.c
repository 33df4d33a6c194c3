#include "cli/live_view.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/outlet.h"
#include "base/units.h"
#include "journal/arm.h"

/* The plain log (ui.md 9): one line an event, "time kind text", on stderr; nothing is overwritten.
 */

static void print(const struct live_view *v, const char *line)
{
    if (v->quiet)
        return;
    outlet_line(STDERR_FILENO, line);
}

void live_view_say(struct live_view *v, const char *text)
{
    if (v->on_screen)
        snprintf(v->notice, sizeof(v->notice), "%.190s", text);
    v->notice_until_ns = clock_now_ns() + 5 * NS_PER_S;
    if (!v->on_screen && v->shows != LIVE_VIEW_JSON)
        print(v, text);
}

void live_view_begin(struct live_view *v)
{
    const struct prepared *p = v->prepared;
    char hash[65], span[40], line[800];
    uint64_t total = 0;
    size_t controls = 0;
    outlet_hurry();
    if (v->shows == LIVE_VIEW_JSON) {
        live_view_json_begin(v);
        return;
    }
    snprintf(line, sizeof(line),
             "meshproof " MESHPROOF_VERSION "  %.300s  run %s  seed %s  target %.60s",
             p->plan->suite, p->run, p->seed_text, v->target);
    print(v, line);
    plan_hash(p->plan, hash);
    for (size_t i = 0; i < p->plan->scenario_count; i++)
        total += generate_length_ns(&p->plan->scenarios[i]);
    for (size_t i = 0; i < p->walk_count; i++)
        controls += !arm_is_subject(p->walks[i].arm);
    uint64_t rounded = (total + NS_PER_S - 1) / NS_PER_S * NS_PER_S;
    snprintf(line, sizeof(line),
             "plan   %zu scenario%s, %zu control%s, about %s, hash %.8s   seed %s   journal %s",
             p->plan->scenario_count, p->plan->scenario_count == 1 ? "" : "s", controls,
             controls == 1 ? "" : "s", units_print_duration(rounded, span, sizeof(span)), hash,
             p->seed_text, v->journal);
    print(v, line);
}

/* A word of its own column. */
static const char *word_of(const char *what)
{
    static const struct {
        const char *what, *word;
    } words[] = {
        {"phase.start", "phase"},     {"phase.end", "ended"},         {"fault.arm", "armed"},
        {"fault.first", "fired"},     {"fault.disarm", "undo"},       {"mesh.out", "mesh"},
        {"mesh.back", "mesh"},        {"guard.near", "guard"},        {"guard.trip", "guard"},
        {"question", "ask"},          {"claim.verdict", "claim"},     {"run.end", "end"},
        {"fault.expired", "expired"}, {"journal.pressed", "journal"}, {"answer.refused", "answer"}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(words[i].what, what) == 0)
            return words[i].word;
    return what;
}

/* The word before it says so already. */
static void leave_out(char *line, const char *said)
{
    char *at = strstr(line, said);
    if (at != NULL)
        memmove(at, at + strlen(said), strlen(at + strlen(said)) + 1);
}

void live_view_line_event(struct live_view *v, const struct live_event *event)
{
    char at[32], line[LIVE_TEXT_BYTES + 100];
    bool question = strcmp(event->what, "question") == 0, quiet = v->quiet;
    if (event->quiet)
        return;
    v->quiet = quiet && !question; /* whoever cannot see them cannot answer */
    snprintf(line, sizeof(line), "%s %-7s %s", units_print_time(event->at_ns, at, sizeof(at)),
             word_of(event->what), event->text);
    if (strcmp(event->what, "phase.end") == 0)
        leave_out(line + strlen(at) + 8, " ended");
    if (strcmp(event->what, "pause") == 0)
        leave_out(line + strlen(at) + 8, " paused");
    if (strcmp(event->what, "resume") == 0)
        leave_out(line + strlen(at) + 8, " resumed");
    if (strcmp(event->what, "fault.first") == 0)
        leave_out(line + strlen(at) + 8, " has fired");
    print(v, line);
    if (question && !v->asked && !v->reads) {
        snprintf(line, sizeof(line), "%*s meshproof answer %s NUMBER ANSWER --as NAME",
                 (int)strlen(at) + 8, "", v->prepared->run);
        print(v, line);
    }
    v->asked = v->asked || question;
    v->quiet = quiet;
}

/* The phase that is walked; NULL: none. */
static const char *phase_now(const struct live_snapshot *s)
{
    for (size_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].state == LIVE_PHASE_NOW)
            return s->phases[i].name;
    return NULL;
}

static bool phases_are_left(const struct live_snapshot *s)
{
    for (size_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].state != LIVE_PHASE_DONE)
            return true;
    return false;
}

void live_view_line_progress(struct live_view *v, uint64_t now_ns)
{
    struct live_snapshot *s = &v->snapshot;
    char at[32], line[400], requests[32], left[40] = "", waits[40] = "";
    live_snapshot(v->live, now_ns, s);
    const char *now = phase_now(s);
    /* While somebody is waited for it goes on, but for an approval: nothing has begun yet. */
    if (s->state != LIVE_RUNNING && (s->state != LIVE_WAITING || now == NULL))
        return;
    if (now == NULL)
        now = phases_are_left(s) ? "between two phases" : "after the last phase";
    if (s->question.open)
        snprintf(waits, sizeof(waits), ", waits for answer %u", s->question.number);
    if (s->phase_left_ns != UINT64_MAX)
        snprintf(left, sizeof(left), "%llu s left, ",
                 (unsigned long long)((s->phase_left_ns + NS_PER_S / 2) / NS_PER_S));
    uint64_t bad = s->requests - s->ended[LIVE_ENDED_GOOD];
    snprintf(line, sizeof(line), "%s %-7s %s%s: %s%s requests, %llu of them not good, %u tries/s",
             units_print_time(s->since_start_ns, at, sizeof(at)), "...", now, waits, left,
             text_grouped(s->requests, requests, sizeof(requests)), (unsigned long long)bad,
             s->tries_per_s);
    print(v, line);
}

/* Rows of the journal tell the rest, by the live model. */
void live_view_line_told(struct live_view *v, const struct engine_event *event)
{
    static const char *const by_rows[] = {
        "progress", "phase.start", "phase.end",    "fault.armed",     "fault.first",
        "await",    "abort",       "question",     "question.closed", "answer",
        "pause",    "resume",      "fault.expired"};
    char at[32], line[700], clean[600];
    bool control = !arm_is_subject(event->arm) && event->arm[0] != '\0';
    if (control && strcmp(event->what, "progress") != 0)
        log_info(event->arm, "%s %s", word_of(event->what), event->text);
    for (size_t i = 0; i < COUNT_OF(by_rows); i++)
        if (control || strcmp(event->what, by_rows[i]) == 0)
            return;
    live_clean(clean, sizeof(clean), event->text);
    snprintf(line, sizeof(line), "%s %-7s %s",
             units_print_time(event->since_start_ns, at, sizeof(at)), word_of(event->what), clean);
    live_view_say(v, line);
}
