#ifndef LIVE_PAGE_PAGE_SERVER_H
#define LIVE_PAGE_PAGE_SERVER_H

/* The web page of a run that is going on, served on the conductor's own loop (`run --listen`): the
 * page, its snapshots as server-sent events, and what people ask of the run. A browser that is
 * slow, gone or hostile costs the run nothing but bounded memory: one snapshot waits for it at
 * most, and then it is dropped.
 *
 *     GET  /         the page; /?token=T: the way in (page_gate.h)
 *     GET  /events   one snapshot a second, "event: snapshot"
 *     POST /abort /pause /resume /answer     forms; 303 to "/", or JSON where JSON is accepted */

#include "base/text.h"
#include "live/page/page_gate.h"

#include <jansson.h>

struct page_server;

#define PAGE_CONNECTIONS_MOST 64
#define PAGE_WATCHERS_MOST 16 /* that are sent snapshots */
#define PAGE_BODY_MOST_BYTES 4096
#define PAGE_IDLE_MOST_NS \
    (UINT64_C(10) * 1000000000) /* without a whole request, or without reading */
#define PAGE_EVERY_NS (UINT64_C(1) * 1000000000)
#define PAGE_SNAPSHOT_MOST_BYTES 8192

struct page_server_config {
    const char *listen;           /* "127.0.0.1:0" */
    const struct page_gate *gate; /* borrowed */
    /* The run as it is now: one JSON object without a line break, as live_json writes it. False:
     * there is none yet. */
    bool (*snapshot)(void *cookie, struct text *to);
    /* {"verb": "abort", "who": "page 127.0.0.1:40123", ...} gives {"ok": ..., "error": ...}, as
     * steer_ask does; the caller's. Verbs: abort, pause, resume; answer, with "number", "answer",
     * the person's name as "who", and "channel": "page". */
    json_t *(*ask)(void *cookie, const json_t *ask);
    void *cookie;
    bool more; /* another run follows at this address: browsers are told to wait for it */
};

bool page_server_open(struct loop *loop, const struct page_server_config *config,
                      struct page_server **ret, struct error *err) WARN_UNUSED;
const char *page_server_address(const struct page_server *s);
/* The address for people, "http://127.0.0.1:40123/?token=...": with the token where it was drawn,
 * else with ${token_name} in its place, which is an environment variable's. */
void page_server_print(const struct page_server *s, const char *token_name, struct text *to);
/* The last snapshot to all, then nothing more. Once, when the run is over; the loop need not run.
 */
void page_server_end(struct page_server *s);
void page_server_free(struct page_server *s); /* NULL is fine */

#endif
