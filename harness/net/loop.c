#include "net/loop.h"

#include "base/clock.h"
#include "net/hold_heap.h"
#include "net/splice.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define HOLDS_A_TURN 64
#define HEARTBEAT_NS (5 * NS_PER_MS)
#define HEARTBEAT_LATE_NS (3 * NS_PER_MS)
#define HOLD_LATE_NS (200 * NS_PER_US)
#define TURN_LATE_NS (1 * NS_PER_MS)
/* The kernel wakes a sleeper some ten microseconds after its timer. So the timer is set earlier, by
 * what half of the last wake-ups took, and what is left is spent looking at the descriptors. */
#define LEAD_MOST_NS (60 * NS_PER_US)
#define LEAD_STEP_NS (1 * NS_PER_US)

/* A watch's event, recycled: connections come and go without malloc. */
struct loop_event {
    struct event event; /* first: the slot is found from it */
    struct loop_event *next;
};

struct loop_signal_slot {
    struct event *event;
    void (*on_signal)(int signo, void *cookie);
    void *cookie;
    struct loop_signal_slot *next;
};

struct task_list {
    struct loop_task *first, **last;
    size_t count;
};

struct loop {
    struct event_base *base;
    struct hold_heap heap;
    struct watch timer;
    uint64_t
        armed_ns; /* what the timerfd will fire at; UINT64_MAX: it has fired, or never was armed */
    uint64_t lead_ns;         /* how much earlier than the next hold the timer is set */
    unsigned holds_left;      /* expired holds that may still run in this turn */
    bool stopped, stall_told; /* told: in this turn */
    struct task_list deferred, again;
    struct loop_event *free_events;
    struct loop_signal_slot *signals;
    struct loop_counters counters;
    void (*on_stall)(const struct stall_seen *stall, void *cookie);
    void *stall_cookie;
    struct hold heartbeat;
    int schedstat_fd;
    uint64_t run_delay_ns;               /* at the last look */
    uint64_t turn_began_ns, turn_before; /* began: 0 until the turn's first callback */
    struct splice_cache splices;
    uint8_t scratch[LOOP_SCRATCH_BYTES];
};

static void task_list_init(struct task_list *list)
{
    list->first = NULL;
    list->last = &list->first;
    list->count = 0;
}

static void task_list_add(struct task_list *list, struct loop_task *t)
{
    if (t->queued)
        return;
    t->queued = true;
    t->next = NULL;
    *list->last = t;
    list->last = &t->next;
    list->count++;
}

static struct loop_task *task_list_pop(struct task_list *list)
{
    struct loop_task *t = list->first;
    if (t != NULL) {
        list->first = t->next;
        if (list->first == NULL)
            list->last = &list->first;
        list->count--;
        t->queued = false;
    }
    return t;
}

static bool task_list_remove(struct task_list *list, struct loop_task *t)
{
    for (struct loop_task **at = &list->first; *at != NULL; at = &(*at)->next) {
        if (*at != t)
            continue;
        *at = t->next;
        if (list->last == &t->next)
            list->last = at;
        list->count--;
        t->queued = false;
        return true;
    }
    return false;
}

/* Those that are there now; what they add waits for the next turn. */
static void task_list_run(struct task_list *list)
{
    for (size_t left = list->count; left > 0; left--) {
        struct loop_task *t = task_list_pop(list);
        if (t == NULL)
            return; /* others were cancelled meanwhile */
        t->run(t);
    }
}

/* Nanoseconds that this thread waited in a run queue, since it began (second number of schedstat).
 */
static uint64_t run_delay_now(struct loop *l)
{
    char text[96];
    if (l->schedstat_fd < 0)
        return 0;
    ssize_t n = pread(l->schedstat_fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *space = strchr(text, ' ');
    return space == NULL ? 0 : strtoull(space + 1, NULL, 10);
}

static void stall_report(struct loop *l, uint64_t due_ns, uint64_t now_ns)
{
    uint64_t delay = run_delay_now(l);
    struct stall_seen stall = {
        .due_ns = due_ns,
        .fired_ns = now_ns,
        .run_delay_ns = delay >= l->run_delay_ns ? delay - l->run_delay_ns : 0,
        .turn_ns = l->turn_before,
    };
    l->run_delay_ns = delay;
    l->stall_told = true;
    l->on_stall(&stall, l->stall_cookie);
}

/* Runs what is due, at most HOLDS_A_TURN in a turn: a burst of releases must not starve accept and
 * the evidence of FINs. */
static void holds_run(struct loop *l)
{
    uint64_t now_ns = clock_now_ns();
    if (l->turn_began_ns == 0)
        l->turn_began_ns = now_ns;
    if (l->on_stall != NULL && !l->stall_told && l->heap.count > 0) {
        uint64_t due_ns = l->heap.nodes[0].at_ns;
        uint64_t bound = l->heap.nodes[0].hold == &l->heartbeat ? HEARTBEAT_LATE_NS : HOLD_LATE_NS;
        if (due_ns + bound < now_ns)
            stall_report(l, due_ns, now_ns);
    }
    while (l->holds_left > 0 && hold_heap_next_ns(&l->heap) <= now_ns) {
        struct hold *h = l->heap.nodes[0].hold;
        l->holds_left--;
        hold_heap_remove(&l->heap, h);
        INVARIANT(now_ns >= h->at_ns);
        h->fire(h, now_ns);
        now_ns = clock_now_ns();
    }
}

static void on_event(evutil_socket_t fd, short what, void *cookie)
{
    struct watch *w = cookie;
    struct loop *l = w->loop;
    (void)fd;
    if (l->heap.count > 0 && l->holds_left > 0) {
        holds_run(l);
        if (w->event == NULL) /* a hold has closed it */
            return;
    }
    unsigned bits = ((what & EV_READ) != 0 ? WATCH_READ : 0U) |
                    ((what & EV_WRITE) != 0 ? WATCH_WRITE : 0U) |
                    ((what & EV_CLOSED) != 0 ? WATCH_CLOSED : 0U);
    w->on_event(w, bits);
}

/* The holds themselves have run at the head of on_event. Edge-triggered: the count need not be
 * read. */
static void on_timer(struct watch *w, unsigned what)
{
    struct loop *l = w->loop;
    (void)what;
    if (l->armed_ns + l->lead_ns < l->turn_began_ns)
        l->lead_ns += l->lead_ns < LEAD_MOST_NS ? LEAD_STEP_NS : 0;
    else
        l->lead_ns -= l->lead_ns > 0 ? LEAD_STEP_NS : 0;
    if (l->on_stall != NULL && !l->stall_told && l->armed_ns < l->turn_began_ns &&
        l->turn_began_ns - l->armed_ns > TURN_LATE_NS)
        stall_report(l, l->armed_ns, l->turn_began_ns);
    l->armed_ns = UINT64_MAX;
}

static bool watch_add(struct loop *l, struct watch *w, int fd, short what,
                      void (*callback)(struct watch *w, unsigned what), struct error *err)
{
    struct loop_event *e = l->free_events;
    if (e != NULL)
        l->free_events = e->next;
    else
        e = check_alloc_zero(1, sizeof(*e));
    *w = (struct watch){.fd = fd, .on_event = callback, .event = e, .loop = l};
    l->counters.epoll_ctl++;
    if (event_assign(&e->event, l->base, fd, what, on_event, w) != 0 ||
        event_add(&e->event, NULL) != 0) {
        e->next = l->free_events;
        l->free_events = e;
        w->event = NULL;
        return error_system(err, errno, "watching descriptor %d", fd);
    }
    return true;
}

bool loop_watch_add(struct loop *l, struct watch *w, int fd,
                    void (*callback)(struct watch *w, unsigned what), struct error *err)
{
    return watch_add(l, w, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, callback, err);
}

bool loop_watch_add_level(struct loop *l, struct watch *w, int fd,
                          void (*callback)(struct watch *w, unsigned what), struct error *err)
{
    return watch_add(l, w, fd, EV_READ | EV_PERSIST, callback, err);
}

void loop_watch_remove(struct watch *w)
{
    struct loop_event *e = w->event;
    if (e == NULL)
        return;
    w->event = NULL;
    w->loop->counters.epoll_ctl++;
    event_del(&e->event);
    e->next = w->loop->free_events;
    w->loop->free_events = e;
}

static bool open_parts(struct loop *l, struct error *err)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return error_set(err, ERROR_SYSTEM, "libevent has no configuration to give");
    /* No PRECISE_TIMER: with a timer pending it costs a timerfd_settime each turn (engine.md
     * section 5). */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_O1 | EV_FEATURE_EARLY_CLOSE);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    if (l->base == NULL)
        return error_set(err, ERROR_SYSTEM, "libevent has no epoll here");
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return error_system(err, errno, "making a timerfd");
    l->timer.fd = fd;
    return watch_add(l, &l->timer, fd, EV_READ | EV_ET | EV_PERSIST, on_timer, err);
}

bool loop_new(struct loop **ret, struct error *err)
{
    struct loop *l = check_alloc_zero(1, sizeof(*l));
    l->armed_ns = UINT64_MAX;
    l->schedstat_fd = -1;
    l->timer.fd = -1;
    task_list_init(&l->deferred);
    task_list_init(&l->again);
    if (!open_parts(l, err)) {
        loop_free(l);
        return false;
    }
    *ret = l;
    return true;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    loop_settle(l);
    splice_cache_release(&l->splices);
    loop_watch_remove(&l->timer);
    if (l->timer.fd >= 0)
        close(l->timer.fd);
    for (struct loop_signal_slot *s = l->signals, *next; s != NULL; s = next) {
        next = s->next;
        event_free(s->event);
        free(s);
    }
    for (struct loop_event *e = l->free_events, *next; e != NULL; e = next) {
        next = e->next;
        free(e);
    }
    hold_heap_release(&l->heap);
    if (l->schedstat_fd >= 0)
        close(l->schedstat_fd);
    if (l->base != NULL)
        event_base_free(l->base);
    free(l);
}

/* The next hold is so near that waiting for the timer would make it late. */
static bool is_near(const struct loop *l)
{
    return l->armed_ns == UINT64_MAX && l->heap.count > 0 &&
           l->heap.nodes[0].hold != &l->heartbeat &&
           l->heap.nodes[0].at_ns <= clock_now_ns() + l->lead_ns;
}

static void arm(struct loop *l)
{
    uint64_t next_ns = hold_heap_next_ns(&l->heap);
    if (l->heap.count > 0 && l->heap.nodes[0].hold != &l->heartbeat && next_ns > l->lead_ns)
        next_ns -= l->lead_ns;
    if (next_ns >= l->armed_ns) /* a later head: let it fire for nothing, that is cheaper */
        return;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next_ns / NS_PER_S),
                                         .tv_nsec = (long)(next_ns % NS_PER_S)}};
    if (next_ns == 0)
        at.it_value.tv_nsec = 1; /* 0 would disarm */
    l->counters.other++;
    INVARIANT(timerfd_settime(l->timer.fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
    l->armed_ns = next_ns;
}

void loop_settle(struct loop *l)
{
    for (struct loop_task *t; (t = task_list_pop(&l->deferred)) != NULL;)
        t->run(t);
}

bool loop_run(struct loop *l, struct error *err)
{
    l->stopped = false;
    while (!l->stopped) {
        bool busy = l->again.first != NULL || l->deferred.first != NULL ||
                    (l->heap.count > 0 && l->holds_left == 0) || is_near(l);
        if (!busy)
            arm(l);
        l->holds_left = HOLDS_A_TURN;
        if (event_base_loop(l->base, EVLOOP_ONCE | (busy ? EVLOOP_NONBLOCK : 0)) < 0)
            return error_system(err, errno, "waiting for events");
        task_list_run(&l->again);
        if (busy && l->heap.count > 0 && l->holds_left > 0)
            holds_run(l);
        loop_settle(l);
        if (l->turn_began_ns != 0) {
            l->turn_before = clock_now_ns() - l->turn_began_ns;
            l->turn_began_ns = 0;
            l->stall_told = false;
        }
    }
    return true;
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

uint64_t loop_now_ns(struct loop *l)
{
    (void)l;
    return clock_now_ns();
}

struct splice_cache *loop_splices(struct loop *l)
{
    return &l->splices;
}

uint8_t *loop_scratch(struct loop *l)
{
    return l->scratch;
}

void loop_hold_add(struct loop *l, struct hold *h, uint64_t at_ns,
                   void (*fire)(struct hold *h, uint64_t now_ns))
{
    h->at_ns = at_ns;
    h->fire = fire;
    hold_heap_add(&l->heap, h);
}

void loop_hold_remove(struct loop *l, struct hold *h)
{
    hold_heap_remove(&l->heap, h);
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    task_list_add(&l->deferred, t);
}

void loop_again(struct loop *l, struct loop_task *t)
{
    task_list_add(&l->again, t);
}

void loop_task_cancel(struct loop *l, struct loop_task *t)
{
    if (t->queued && !task_list_remove(&l->again, t))
        (void)task_list_remove(&l->deferred, t);
}

static void on_signal_event(evutil_socket_t signo, short what, void *cookie)
{
    struct loop_signal_slot *s = cookie;
    (void)what;
    s->on_signal((int)signo, s->cookie);
}

bool loop_signal(struct loop *l, int signo, void (*on_signal)(int signo, void *cookie),
                 void *cookie, struct error *err)
{
    struct loop_signal_slot *s = check_alloc_zero(1, sizeof(*s));
    s->on_signal = on_signal;
    s->cookie = cookie;
    s->event = evsignal_new(l->base, signo, on_signal_event, s);
    if (s->event == NULL || event_add(s->event, NULL) != 0) {
        if (s->event != NULL)
            event_free(s->event);
        free(s);
        return error_system(err, errno, "catching signal %d", signo);
    }
    s->next = l->signals;
    l->signals = s;
    return true;
}

static void on_heartbeat(struct hold *h, uint64_t now_ns)
{
    struct loop *l = (struct loop *)((char *)h - offsetof(struct loop, heartbeat));
    loop_hold_add(l, h, now_ns + HEARTBEAT_NS, on_heartbeat);
}

void loop_on_stall(struct loop *l, void (*on_stall)(const struct stall_seen *stall, void *cookie),
                   void *cookie)
{
    l->on_stall = on_stall;
    l->stall_cookie = cookie;
    if (l->schedstat_fd < 0)
        l->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    l->run_delay_ns = run_delay_now(l);
    if (on_stall == NULL)
        loop_hold_remove(l, &l->heartbeat);
    else if (hold_is_idle(&l->heartbeat))
        loop_hold_add(l, &l->heartbeat, clock_now_ns() + HEARTBEAT_NS, on_heartbeat);
}

struct loop_counters *loop_counters(struct loop *l)
{
    return &l->counters;
}
