#ifndef NET_WEB_PUMP_H
#define NET_WEB_PUMP_H

/* Drives libcurl, for web.h and kube/api.h: on a loop, or, without one, by whoever polls
 * ${multi}. */

#include "net/loop.h"

#include <curl/curl.h>

struct web_pump {
    CURLM *multi; /* the owner's handles are added to it and taken from it */
    /* A handle is done: it is still in ${multi}. Called out of libcurl's callbacks. */
    void (*on_end)(void *cookie, CURL *easy, CURLcode code);
    /* On the loop, after libcurl has worked and all ends were told; NULL: nothing. */
    void (*on_turn)(void *cookie);
    void *cookie;
    /* Inside. */
    struct loop *loop;
    /* libcurl's descriptors are in an epoll of their own, which the loop watches, for libcurl wants
     * to be told by level, and the loop tells by edge. */
    int epoll;
    struct watch watch;
    struct hold timer;
};
/* ${p} has its callbacks; ${loop} NULL: none. On failure there is nothing to close. */
bool web_pump_open(struct web_pump *p, struct loop *loop, struct error *err) WARN_UNUSED;
/* All handles are out of it. */
void web_pump_close(struct web_pump *p);
/* Without a loop: libcurl has worked; tells what ended. */
void web_pump_collect(struct web_pump *p);

#endif
