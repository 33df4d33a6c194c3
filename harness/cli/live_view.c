#include "cli/live_view.h"

#include "base/clock.h"
#include "base/outlet.h"
#include "base/units.h"
#include "reports/report.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_NS (250 * NS_PER_MS)
#define LINE_EVERY_NS (10 * NS_PER_S)
#define JUDGE_EVERY_NS (10 * NS_PER_S)
#define JUDGE_SHARE \
    20 /* so many times as long as it took, it rests: it uses up our CPU quota too */
#define SETTLE_MS 1000          /* for what nobody has read yet when the run ends */
#define JUDGE_AFTER_NS NS_PER_S /* the records of a phase are there by then */

static void on_live_event(void *cookie, const struct live_event *event)
{
    struct live_view *v = cookie;
    if (strcmp(event->what, "phase.end") == 0)
        v->judge_ns = clock_now_ns() + JUDGE_AFTER_NS;
    if (v->shows == LIVE_VIEW_JSON)
        live_view_json_event(v, event);
    else if (!v->on_screen)
        live_view_line_event(v, event);
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

static bool wants_colour(const struct arguments *args)
{
    const char *how = arguments_get(args, "color");
    if (strcmp(how, "auto") != 0)
        return strcmp(how, "always") == 0;
    return !is_set("NO_COLOR") && isatty(STDERR_FILENO) == 1;
}

void live_view_init(struct live_view *v, const struct arguments *args, const struct prepared *p,
                    const char *journal)
{
    *v = (struct live_view){
        .quiet = arguments_has(args, "quiet"), .prepared = p, .journal = journal};
    const char *target = json_string_value(json_object_get(p->policy_row, "target"));
    v->target = target == NULL ? "" : target;
    v->tty.colour = wants_colour(args);
    v->tty.ascii = !screen_is_utf8();
    if (arguments_has(args, "json"))
        v->shows = LIVE_VIEW_JSON;
    else if (!v->quiet && !arguments_has(args, "plain") && !is_set("CI") && screen_possible())
        v->shows = LIVE_VIEW_SCREEN;
    v->live = live_new(p->plan, p->run, p->plan->suite, p->seed_text, v->target);
    live_journal(v->live, journal, 0);
    live_listen(v->live, on_live_event, v);
    v->aside = aside_start(journal);
    v->judge_ns = UINT64_MAX;
}

static void on_judged(void *cookie, const struct live_judged *rows, size_t count,
                      const struct aside_cost *cost)
{
    struct live_view *v = cookie;
    uint64_t as_of_ns = cost->asked_ns;
    v->judge_least_ns = clock_now_ns() + cost->cpu_ns * JUDGE_SHARE;
    live_judged(v->live, rows, count, as_of_ns);
    if (v->shows == LIVE_VIEW_JSON)
        live_view_json_verdicts(v);
}

/* With what stands beside it while it is written to. */
static uint64_t journal_bytes(const struct live_view *v)
{
    struct stat st;
    char path[700];
    uint64_t bytes = stat(v->journal, &st) == 0 ? (uint64_t)st.st_size : 0;
    snprintf(path, sizeof(path), "%s-wal", v->journal);
    return bytes + (stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
}

static void look(struct live_view *v, uint64_t now_ns)
{
    live_tick(v->live, now_ns);
    live_journal(v->live, v->journal, journal_bytes(v));
    if (v->aside != NULL && now_ns >= v->judge_ns && now_ns >= v->judge_least_ns &&
        aside_ask(v->aside, now_ns))
        v->judge_ns = now_ns + JUDGE_EVERY_NS;
}

static void on_tick(struct hold *h, uint64_t now_ns)
{
    struct live_view *v = (struct live_view *)((char *)h - offsetof(struct live_view, tick));
    loop_hold_add(v->loop, h, now_ns + TICK_NS, on_tick);
    look(v, now_ns);
    outlet_flush();
    if (v->screen != NULL)
        live_view_screen_draw(v);
    if (v->shows != LIVE_VIEW_JSON && !v->on_screen && now_ns >= v->line_ns + LINE_EVERY_NS) {
        v->line_ns = now_ns;
        live_view_line_progress(v, now_ns);
    }
}

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    struct live_view *v = cookie;
    v->loop = loop;
    v->steer = steer;
    v->line_ns = loop_now_ns(loop);
    if (v->shows == LIVE_VIEW_SCREEN)
        live_view_screen_open(v);
    struct error err = {0};
    if (v->aside != NULL && !aside_watch(v->aside, loop, on_judged, v, &err))
        live_view_say(v, err.text);
    loop_hold_add(loop, &v->tick, loop_now_ns(loop), on_tick);
}

static void on_end(void *cookie)
{
    struct live_view *v = cookie;
    loop_hold_remove(v->loop, &v->tick);
    aside_unwatch(v->aside);
    screen_close(v->screen);
    v->screen = NULL;
    v->on_screen = false;
    v->loop = NULL;
    v->steer = NULL;
    outlet_settle(STDERR_FILENO, SETTLE_MS);
}

static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    struct live_view *v = cookie;
    if (kind == RECORD_END) { /* the journal is closed now, and must have no reader */
        aside_end(v->aside);
        v->aside = NULL;
    }
    live_record(v->live, from, kind, record, clock_now_ns());
}

static void on_event(void *cookie, const struct engine_event *event)
{
    struct live_view *v = cookie;
    if (v->shows != LIVE_VIEW_JSON)
        live_view_line_told(v, event);
}

struct onlooker live_view_onlooker(struct live_view *v)
{
    return (struct onlooker){on_begin, on_end, on_record, on_event, v};
}

void live_view_end(struct live_view *v, int exit_code)
{
    if (v->shows == LIVE_VIEW_JSON)
        live_view_json_end(v, exit_code);
    outlet_settle(STDERR_FILENO, SETTLE_MS);
    outlet_settle(STDOUT_FILENO, -1); /* all is done: it may take its time */
    json_decref(v->verdicts);
    v->verdicts = NULL;
    aside_end(v->aside);
    v->aside = NULL;
    live_free(v->live);
    v->live = NULL;
}
