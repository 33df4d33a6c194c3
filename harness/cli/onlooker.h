#ifndef CLI_ONLOOKER_H
#define CLI_ONLOOKER_H

/* Who looks on while a run goes on: lines on stderr, the control socket, a live view, a page. The
 * engine has one hook of each kind; here each onlooker has its own, with a cookie of its own. They
 * are called in the order in which they were added, on_end in the reverse. */

#include "engine/engine.h"

struct onlooker { /* as in engine_options; each may be NULL */
    void (*on_begin)(void *cookie, struct steer *steer, struct loop *loop);
    void (*on_end)(void *cookie);
    tap_on_row *on_record;
    void (*on_event)(void *cookie, const struct engine_event *event);
    void *cookie;
};

#define ONLOOKERS_MOST 8
struct onlookers {
    struct onlooker rows[ONLOOKERS_MOST];
    size_t count;
    bool sees_records;
};

/* Zero-initialise ${o} first. */
void onlookers_add(struct onlookers *o, const struct onlooker *row);
/* Once all are there: they are the hooks of ${options}, whose cookie is ${o} then. */
void onlookers_hook(struct onlookers *o, struct engine_options *options);

#endif
