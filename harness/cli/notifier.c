#include "cli/notifier.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/notice.h"
#include "cli/teller.h"
#include "journal/arm.h"

#include <stdlib.h>

#define TELLERS_MOST 32
#define END_WITHIN_NS (10 * NS_PER_S)
#define VERDICTS_MOST 20
#define PHASE_MOST 300

/* A phase under way: its region is told when it ends. */
struct region {
    char name[PHASE_MOST];
    uint64_t from_wall_ns;
};
struct notifier {
    const struct plan *plan;
    const char *run;
    struct teller tellers[TELLERS_MOST];
    size_t count;
    struct region region;
    uint32_t scenario;       /* under way */
    uint64_t since_start_ns; /* of the last that was told */
    char counts[80];         /* "1 fail, 7 pass" */
};

static void say(const struct notify_plan *to, const struct error *why)
{
    char where[300], line[700];
    source_format(to->source, false, where, sizeof(where));
    snprintf(line, sizeof(line), "%s: notify.%s: %s", where, notify_word(to->kind), why->text);
    command_say(line);
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The defaults of a suite stand in each of its scenarios: one address is told once. */
static bool is_there(const struct notifier *n, const struct notify_plan *to)
{
    for (size_t i = 0; i < n->count; i++) {
        const struct notify_plan *have = n->tellers[i].to;
        if (have->kind == to->kind && have->source.line == to->source.line &&
            same(have->source.file, to->source.file) && same(have->url, to->url) &&
            same(have->url_from, to->url_from))
            return true;
    }
    return false;
}

static void tell(struct notifier *n, struct notice notice)
{
    notice.run = n->run;
    notice.suite = n->plan->suite;
    notice.scenario = notice.scenario != NULL                 ? notice.scenario
                      : n->scenario < n->plan->scenario_count ? n->plan->scenarios[n->scenario].name
                                                              : NULL;
    if (notice.wall_ns == 0)
        notice.wall_ns = clock_wall_ns();
    for (size_t i = 0; i < n->count; i++) {
        if (!notify_wants(n->tellers[i].to, notice.event))
            continue;
        if (n->tellers[i].to->kind == NOTIFY_GRAFANA && notice.until_ns == 0)
            continue; /* one region a phase, once it is over */
        json_t *body = notice_body(n->tellers[i].to, &notice);
        char *line = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
        if (line != NULL)
            teller_send(&n->tellers[i], line);
        free(line);
        json_decref(body);
    }
}

struct notifier *notifier_start(const struct plan *plan, const char *run,
                                const struct event_target *cluster)
{
    struct notifier *n = check_alloc_zero(1, sizeof(*n));
    n->plan = plan;
    n->run = run;
    for (size_t i = 0; i < plan->scenario_count; i++) {
        const struct scenario *s = &plan->scenarios[i];
        for (size_t k = 0; k < s->notify_count && n->count < TELLERS_MOST; k++) {
            struct error err = {0};
            if (is_there(n, &s->notifies[k]))
                continue;
            if (teller_open(&n->tellers[n->count], &s->notifies[k], cluster, &err))
                n->count++;
            else
                say(&s->notifies[k], &err);
        }
    }
    if (n->count > 0)
        return n;
    free(n);
    return NULL;
}

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    (void)steer;
    (void)loop;
    tell(cookie, (struct notice){.event = "start", .text = "the run starts"});
}

/* "phase.end" has "NAME (why)". */
static void on_phase(struct notifier *n, const struct engine_event *event)
{
    bool starts = strcmp(event->what, "phase.start") == 0;
    char text[PHASE_MOST + 20];
    snprintf(text, sizeof(text), "phase %s %s", starts ? "begins:" : "over:", event->text);
    struct notice notice = {.event = "phase",
                            .what = event->what,
                            .text = text,
                            .since_start_ns = event->since_start_ns};
    if (starts) {
        snprintf(n->region.name, sizeof(n->region.name), "%s", event->text);
        n->region.from_wall_ns = clock_wall_ns();
    } else if (n->region.from_wall_ns != 0) {
        notice.wall_ns = n->region.from_wall_ns;
        notice.until_ns = clock_wall_ns();
        n->region.from_wall_ns = 0;
    }
    tell(n, notice);
}

/* The scenario under way is told by its phases. */
static void on_record(void *cookie, const struct record_source *from, enum record_kind kind,
                      const void *record)
{
    struct notifier *n = cookie;
    (void)from;
    if (kind == RECORD_PHASE)
        n->scenario = ((const struct journal_phase *)record)->scenario;
}

static void on_event(void *cookie, const struct engine_event *event)
{
    static const struct {
        const char *what, *event, *word;
    } rows[] = {{"fault.armed", "fault", "fault armed: "},
                {"fault.expired", "fault", ""},
                {"question", "human", "question "},
                {"answer", "human", "answer "},
                {"guard.trip", "guard", ""},
                {"abort", "abort", "aborted: "}};
    struct notifier *n = cookie;
    if (!arm_is_subject(event->arm))
        return;
    n->since_start_ns = event->since_start_ns;
    if (strncmp(event->what, "phase.", 6) == 0) {
        on_phase(n, event);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[700];
        if (strcmp(rows[i].what, event->what) != 0)
            continue;
        bool asks = strcmp(event->what, "question") == 0;
        snprintf(text, sizeof(text), "%s%s%s%s", rows[i].word, event->text,
                 asks ? ": meshproof answer " : "", asks ? n->run : "");
        tell(n, (struct notice){.event = rows[i].event,
                                .what = event->what,
                                .text = text,
                                .since_start_ns = event->since_start_ns});
        return;
    }
}

/* A phase that an abort cut has no end of its own. */
static void end_region(struct notifier *n)
{
    if (n->region.from_wall_ns == 0)
        return;
    tell(n, (struct notice){.event = "phase",
                            .what = "phase.end",
                            .text = n->region.name,
                            .since_start_ns = n->since_start_ns,
                            .wall_ns = n->region.from_wall_ns,
                            .until_ns = clock_wall_ns()});
    n->region.from_wall_ns = 0;
}

static void on_end(void *cookie)
{
    end_region(cookie);
}

void notifier_look_on(struct notifier *n, struct onlookers *onlookers)
{
    if (n != NULL)
        onlookers_add(onlookers, &(struct onlooker){.on_begin = on_begin,
                                                    .on_end = on_end,
                                                    .on_record = on_record,
                                                    .on_event = on_event,
                                                    .cookie = n});
}

void notifier_verdicts(struct notifier *n, const struct report *report)
{
    const struct judgement *g = report->judgement;
    size_t told = 0;
    if (n == NULL)
        return;
    snprintf(n->counts, sizeof(n->counts), "%zu fail, %zu inconclusive, %zu pass", g->fail,
             g->inconclusive, g->pass);
    for (size_t i = 0; i < g->verdict_count && told < VERDICTS_MOST; i++) {
        const struct judged *d = &g->verdicts[i];
        char text[700];
        if (!d->gates ||
            (d->verdict.kind != VERDICT_FAIL && d->verdict.kind != VERDICT_INCONCLUSIVE))
            continue;
        snprintf(text, sizeof(text), "%s %s %.100s: %.400s",
                 d->verdict.kind == VERDICT_FAIL ? "FAIL" : "INCONCLUSIVE", d->claim->id,
                 d->on != NULL ? d->on : "", d->verdict.text != NULL ? d->verdict.text : "");
        tell(n, (struct notice){.event = "verdict",
                                .scenario = d->scenario_name,
                                .text = text,
                                .since_start_ns = n->since_start_ns});
        told++;
    }
}

void notifier_end(struct notifier *n, const char *outcome, int code, const char *journal)
{
    char text[700];
    uint64_t until_ns = clock_now_ns() + END_WITHIN_NS;
    if (n == NULL)
        return;
    snprintf(text, sizeof(text), "%s%s%s, exit %d, journal %.400s", outcome,
             n->counts[0] != '\0' ? ": " : "", n->counts, code, journal);
    tell(n, (struct notice){.event = "end", .text = text, .since_start_ns = n->since_start_ns});
    for (size_t i = 0; i < n->count; i++)
        teller_finish(&n->tellers[i]);
    for (size_t i = 0; i < n->count; i++) {
        struct error err = {0};
        if (!teller_close(&n->tellers[i], until_ns, &err))
            say(n->tellers[i].to, &err);
    }
    free(n);
}
