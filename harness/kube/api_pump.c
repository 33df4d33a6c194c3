#include "kube/api_inside.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* --- what both forms do after libcurl has worked --- */

static void collect(struct api *a)
{
    struct CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(a->multi, &left)) != NULL) {
        struct api_call *c = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &c);
        api_tried(c, message->data.result);
    }
}

/* --- the loop's form --- */

static void turn_now(struct api *a)
{
    uint64_t wake = api_turn(a);
    if (wake != UINT64_MAX)
        pump_wake(a, wake);
}

static void on_turn(struct hold *h, uint64_t now_ns)
{
    struct api *a = (struct api *)(void *)((char *)h - offsetof(struct api, turn));
    (void)now_ns;
    turn_now(a);
}

void pump_wake(struct api *a, uint64_t at_ns)
{
    if (a->loop == NULL || (!hold_is_idle(&a->turn) && a->turn.at_ns <= at_ns))
        return;
    loop_hold_remove(a->loop, &a->turn);
    loop_hold_add(a->loop, &a->turn, at_ns, on_turn);
}

static void act(struct api *a, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(a->multi, fd, what, &running);
}

static void on_timer(struct hold *h, uint64_t now_ns)
{
    struct api *a = (struct api *)(void *)((char *)h - offsetof(struct api, timer));
    (void)now_ns;
    act(a, CURL_SOCKET_TIMEOUT, 0);
    collect(a);
    turn_now(a);
}

static int curl_wants_timer(CURLM *multi, long timeout_ms, void *cookie)
{
    struct api *a = cookie;
    (void)multi;
    loop_hold_remove(a->loop, &a->timer);
    if (timeout_ms >= 0)
        loop_hold_add(a->loop, &a->timer, clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS,
                      on_timer);
    return 0;
}

static int curl_wants_socket(CURL *easy, curl_socket_t fd, int what, void *cookie, void *own)
{
    struct api *a = cookie;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    (void)own;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(a->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(a->epoll, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
        epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &event);
    return 0;
}

static void on_sockets(struct watch *w, unsigned what)
{
    struct api *a = (struct api *)(void *)((char *)w - offsetof(struct api, watch));
    struct epoll_event events[8];
    (void)what;
    int count = epoll_wait(a->epoll, events, 8, 0);
    for (int i = 0; i < count; i++)
        act(a, events[i].data.fd,
            (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
    collect(a);
    turn_now(a);
}

bool pump_open(struct api *a, struct error *err)
{
    a->epoll = -1;
    if (a->loop == NULL)
        return true;
    a->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (a->epoll < 0)
        return error_system(err, errno, "an epoll for the API server's client");
    curl_multi_setopt(a->multi, CURLMOPT_SOCKETFUNCTION, curl_wants_socket);
    curl_multi_setopt(a->multi, CURLMOPT_SOCKETDATA, a);
    curl_multi_setopt(a->multi, CURLMOPT_TIMERFUNCTION, curl_wants_timer);
    curl_multi_setopt(a->multi, CURLMOPT_TIMERDATA, a);
    return loop_watch_add_level(a->loop, &a->watch, a->epoll, on_sockets, err);
}

void pump_close(struct api *a)
{
    if (a->epoll < 0)
        return;
    loop_hold_remove(a->loop, &a->timer);
    loop_hold_remove(a->loop, &a->turn);
    if (a->watch.event != NULL)
        loop_watch_remove(&a->watch);
    close(a->epoll);
    a->epoll = -1;
}

/* --- the blocking form --- */

static void pump_until(struct api *a, uint64_t until_ns, const bool *done)
{
    for (;;) {
        uint64_t wake = api_turn(a), now = clock_now_ns();
        int running;
        if (*done || now >= until_ns)
            return;
        wake = wake < until_ns ? wake : until_ns;
        uint64_t ms = wake <= now ? 0 : (wake - now) / NS_PER_MS + 1;
        curl_multi_poll(a->multi, NULL, 0, ms < 1000 ? (int)ms : 1000, NULL);
        curl_multi_perform(a->multi, &running);
        collect(a);
    }
}

void api_wait(struct api *a, uint64_t until_ns)
{
    bool never = false;
    INVARIANT(a->loop == NULL);
    pump_until(a, until_ns, &never);
}

struct asking {
    bool done;
    void (*on_answer)(void *cookie, const struct api_answer *answer);
    void *cookie;
};

static void on_asked(void *cookie, const struct api_answer *answer)
{
    struct asking *asking = cookie;
    asking->on_answer(asking->cookie, answer);
    asking->done = true;
}

void api_ask(struct api *a, const struct api_request *request,
             void (*on_answer)(void *cookie, const struct api_answer *answer), void *cookie)
{
    struct asking asking = {false, on_answer, cookie};
    INVARIANT(a->loop == NULL);
    api_start(a, request, on_asked, &asking);
    pump_until(a, UINT64_MAX, &asking.done);
}

struct blocking {
    json_t *body;
    enum api_outcome outcome;
    struct error *err;
};

static void on_blocking(void *cookie, const struct api_answer *answer)
{
    struct blocking *b = cookie;
    b->outcome = answer->outcome;
    b->body = json_incref((json_t *)(uintptr_t)answer->body);
    api_answer_error(answer, b->err);
}

bool api_call(struct api *a, const struct api_request *request, json_t **ret_body,
              enum api_outcome *ret_outcome, struct error *err)
{
    struct blocking b = {.err = err};
    api_ask(a, request, on_blocking, &b);
    if (ret_outcome != NULL)
        *ret_outcome = b.outcome;
    if (ret_body != NULL)
        *ret_body = b.body;
    else
        json_decref(b.body);
    return b.outcome == API_DONE;
}
