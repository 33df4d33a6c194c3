#ifndef CLI_RUN_PAGE_H
#define CLI_RUN_PAGE_H

/* `run --listen`: the web page of each run of the command, one address and one token for all of its
 * suites. It is an onlooker; what it shows is the live model's snapshot. */

#include "cli/arguments.h"
#include "cli/live_view.h"
#include "cli/onlooker.h"
#include "live/page/page_server.h"

struct run_page {
    const char *token_name; /* --token-env; NULL: the token is drawn */
    bool told, more;        /* more: another suite follows; the caller sets it */
    char listen[80];        /* with the port that the kernel chose; "": no page is asked for */
    struct page_gate gate;
    struct live_view *view;
    struct live_snapshot *snapshot;
    struct steer *steer;
    struct loop *loop;
    struct page_server *server; /* while a run goes on */
};
/* --listen and --token-env. The address is tried, so that a port in use is an error before anything
 * runs. ERROR_USAGE: beyond loopback without a token, or it is short. */
bool run_page_init(struct run_page *p, const struct arguments *args, struct error *err) WARN_UNUSED;
void run_page_release(struct run_page *p);
/* Adds itself where a page is asked for; ${view} is borrowed until the run's on_end. When the first
 * run begins the address is told on stderr, once, with the token: never in the journal, and not by
 * command_say, whose first line is kept. */
void run_page_watch(struct run_page *p, struct live_view *view, struct onlookers *to);

#endif
