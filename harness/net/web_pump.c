#include "net/web_pump.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MOST 8

void web_pump_collect(struct web_pump *p)
{
    struct CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(p->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE)
            p->on_end(p->cookie, message->easy_handle, message->data.result);
}

static void act(struct web_pump *p, curl_socket_t fd, int what)
{
    int running;
    curl_multi_socket_action(p->multi, fd, what, &running);
}

/* Out of libcurl's callbacks: a handle may not be taken away within them. */
static void tell(struct web_pump *p)
{
    web_pump_collect(p);
    if (p->on_turn != NULL)
        p->on_turn(p->cookie);
}

static void on_timer(struct hold *h, uint64_t now_ns)
{
    struct web_pump *p = (struct web_pump *)(void *)((char *)h - offsetof(struct web_pump, timer));
    (void)now_ns;
    act(p, CURL_SOCKET_TIMEOUT, 0);
    tell(p);
}

static int wants_timer(CURLM *multi, long timeout_ms, void *cookie)
{
    struct web_pump *p = cookie;
    (void)multi;
    loop_hold_remove(p->loop, &p->timer);
    if (timeout_ms >= 0)
        loop_hold_add(p->loop, &p->timer, clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS,
                      on_timer);
    return 0;
}

static int wants_socket(CURL *easy, curl_socket_t fd, int what, void *cookie, void *own)
{
    struct web_pump *p = cookie;
    struct epoll_event event = {.data.fd = fd};
    (void)easy;
    (void)own;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
        epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event);
    return 0;
}

static void on_sockets(struct watch *watch, unsigned what)
{
    struct web_pump *p =
        (struct web_pump *)(void *)((char *)watch - offsetof(struct web_pump, watch));
    struct epoll_event events[EVENTS_MOST];
    (void)what;
    int count = epoll_wait(p->epoll, events, EVENTS_MOST, 0);
    for (int i = 0; i < count; i++)
        act(p, events[i].data.fd,
            (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
    tell(p);
}

bool web_pump_open(struct web_pump *p, struct loop *loop, struct error *err)
{
    p->loop = loop;
    p->epoll = -1;
    p->multi = curl_multi_init();
    INVARIANT(p->multi != NULL);
    if (loop == NULL)
        return true;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll < 0)
        error_system(err, errno, "an epoll for what is asked over HTTP");
    if (p->epoll >= 0 && loop_watch_add_level(loop, &p->watch, p->epoll, on_sockets, err)) {
        curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, wants_socket);
        curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
        curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, wants_timer);
        curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
        return true;
    }
    web_pump_close(p);
    return false;
}

void web_pump_close(struct web_pump *p)
{
    curl_multi_cleanup(p->multi); /* it closes what it keeps open: the epoll is told */
    p->multi = NULL;
    if (p->loop == NULL)
        return;
    loop_hold_remove(p->loop, &p->timer);
    if (p->watch.event != NULL)
        loop_watch_remove(&p->watch);
    if (p->epoll >= 0)
        close(p->epoll);
}
