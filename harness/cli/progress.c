#include "cli/progress.h"

#include "base/log.h"
#include "base/units.h"
#include "journal/arm.h"

#include <unistd.h>

void progress_init(struct progress *p, bool quiet, bool plain)
{
    *p = (struct progress){.quiet = quiet, .terminal = !plain && isatty(STDERR_FILENO) == 1};
}

static void print(struct progress *p, const char *line, bool stays)
{
    if (p->quiet)
        return;
    if (p->line_open)
        fputs("\r\033[K", stderr);
    p->line_open = !stays;
    fputs(line, stderr);
    if (stays)
        fputc('\n', stderr);
    fflush(stderr);
}

void progress_say(struct progress *p, const char *text)
{
    print(p, text, true);
}

void progress_begin(struct progress *p, const struct prepared *prepared, const char *journal)
{
    char hash[65], span[40], line[400];
    uint64_t total = 0;
    size_t controls = 0;
    plan_hash(prepared->plan, hash);
    for (size_t i = 0; i < prepared->plan->scenario_count; i++)
        total += generate_length_ns(&prepared->plan->scenarios[i]);
    for (size_t i = 0; i < prepared->walk_count; i++)
        controls += !arm_is_subject(prepared->walks[i].arm);
    uint64_t rounded = (total + 999999999) / 1000000000 * 1000000000;
    snprintf(line, sizeof(line),
             "plan   %zu scenario%s, %zu control%s, about %s, hash %.8s   seed %s   journal %s",
             prepared->plan->scenario_count, prepared->plan->scenario_count == 1 ? "" : "s",
             controls, controls == 1 ? "" : "s", units_print_duration(rounded, span, sizeof(span)),
             hash, prepared->seed_text, journal);
    print(p, line, true);
}

/* "phase.start" reads "phase": what happened, in a word of its own column. */
static const char *word_of(const char *what)
{
    static const struct {
        const char *what, *word;
    } words[] = {{"phase.start", "phase"}, {"phase.end", "ended"}, {"fault.armed", "armed"},
                 {"fault.first", "fired"}, {"await", "await"},     {"fault.expired", "expired"},
                 {"abort", "abort"},       {"broken", "broken"},   {"journal.pressed", "journal"},
                 {"guard.trip", "guard"}};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i].what, what) == 0)
            return words[i].word;
    }
    return what;
}

void progress_on_event(void *cookie, const struct engine_event *event)
{
    struct progress *p = cookie;
    char at[32], line[400];
    bool control = !arm_is_subject(event->arm) && event->arm[0] != '\0';
    bool passing = strcmp(event->what, "progress") == 0;
    if (control && !passing)
        log_info(event->arm, "%s %s", word_of(event->what), event->text);
    if (control || (passing && !p->terminal))
        return;
    snprintf(line, sizeof(line), "%s %-7s %s",
             units_print_time(event->since_start_ns, at, sizeof(at)), word_of(event->what),
             event->text);
    print(p, line, !passing);
}

void progress_end(struct progress *p)
{
    if (p->line_open && !p->quiet)
        fputs("\r\033[K", stderr);
    p->line_open = false;
}
