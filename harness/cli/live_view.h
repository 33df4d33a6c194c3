#ifndef CLI_LIVE_VIEW_H
#define CLI_LIVE_VIEW_H

/* Who watches a run from its command line: keeps the live model (live/live.h), and shows it: as a
 * screen on a terminal, else as lines on stderr, one an event; with --json as objects on stdout.
 * What else wants to see the run (the page, `status`) finds the model here.
 *
 * Verdicts so far come from a judge aside (aside.h): after each phase, and every few seconds. */

#include "cli/aside.h"
#include "cli/onlooker.h"
#include "cli/prepare.h"
#include "cli/screen.h"
#include "live/live.h"
#include "live/tty.h"
#include "verify/judge.h"

enum live_view_shows { LIVE_VIEW_LINES, LIVE_VIEW_SCREEN, LIVE_VIEW_JSON };
struct live_view {
    enum live_view_shows shows;
    bool quiet;
    const struct prepared *prepared;
    const char *journal, *target;
    struct live *live; /* from live_view_begin on */
    struct loop *loop; /* from on_begin to on_end, as ${steer} */
    struct steer *steer;
    struct live_snapshot snapshot; /* the newest that was drawn */
    struct hold tick;
    uint64_t line_ns;                  /* the last progress line */
    struct aside *aside;               /* NULL: none */
    uint64_t judge_ns, judge_least_ns; /* when to ask it next, and not before */
    struct screen *screen;             /* NULL: none */
    bool on_screen;                    /* it is large enough just now */
    struct tty_options tty;
    char notice[LIVE_TEXT_BYTES], typed[200];
    char page[LIVE_TEXT_BYTES]; /* address of the web page: the help shows it; "": none */
    uint64_t notice_until_ns;
    bool typing;      /* an answer */
    bool asked;       /* how to answer was said */
    bool reads;       /* whoever sits here answers by lines (people_options) */
    json_t *verdicts; /* --json: of the last line */
};
/* --plain, --json, --color, -q, CI and NO_COLOR say how; the journal's path and ${p} are borrowed.
 */
void live_view_init(struct live_view *v, const struct arguments *args, const struct prepared *p,
                    const char *journal);
/* Says what is about to be run. */
void live_view_begin(struct live_view *v);
struct onlooker live_view_onlooker(struct live_view *v);
/* A line of its own. */
void live_view_say(struct live_view *v, const char *text);
/* The run is judged: --json keeps the verdicts for the last line. */
void live_view_judged(struct live_view *v, const struct judgement *all);
/* With --json the last line; frees. */
void live_view_end(struct live_view *v, int exit_code);

/* --- between its files --- */
/* live_view_lines.c */
void live_view_line_event(struct live_view *v, const struct live_event *event);
void live_view_line_progress(struct live_view *v, uint64_t now_ns);
/* What the engine tells and no row of the journal does. */
void live_view_line_told(struct live_view *v, const struct engine_event *event);
/* live_view_json.c */
void live_view_json_begin(struct live_view *v);
void live_view_json_event(struct live_view *v, const struct live_event *event);
void live_view_json_verdicts(struct live_view *v);
void live_view_json_end(struct live_view *v, int exit_code);
/* live_view_screen.c */
void live_view_screen_open(struct live_view *v);
void live_view_screen_draw(struct live_view *v);

#endif
