#include "standalone/proxy_host.h"

#include "base/clock.h"
#include "net/socket.h"
#include "standalone/proxy_scribe.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define TICK_NS (50 * NS_PER_MS)
#define LAST_FLUSH_NS (10 * NS_PER_S)

static void on_tick(struct hold *hold, uint64_t now_ns)
{
    struct proxy_host *h =
        (struct proxy_host *)(void *)((char *)hold - offsetof(struct proxy_host, tick));
    if (!recorder_flush(h->recorder)) {
        h->scribe_gone = true;
        loop_stop(h->loop);
        return;
    }
    loop_hold_add(h->loop, hold, now_ns + TICK_NS, on_tick);
}

static void on_stall(const struct stall_seen *stall, void *cookie)
{
    struct proxy_host *h = cookie;
    struct stall_record r = {.at = stall->due_ns,
                             .fired = stall->fired_ns - stall->due_ns,
                             .run_delay = stall->run_delay_ns,
                             .turn = stall->turn_ns};
    recorder_emit(h->recorder, RECORD_STALL, &r);
}

bool proxy_host_open(struct proxy_host *h, const struct proxy_host_config *config,
                     struct error *err)
{
    *h = (struct proxy_host){0};
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    (void)socket_raise_limit();
    if (!loop_new(&h->loop, err))
        return false;
    if (config->recorder_fd >= 0) {
        h->recorder_fd = config->recorder_fd;
        h->recorder = recorder_new(config->recorder_fd, 0);
        loop_on_stall(h->loop, on_stall, h);
        loop_hold_add(h->loop, &h->tick, clock_now_ns() + TICK_NS, on_tick);
    }
    h->set = proxy_set_new(h->loop, &(struct proxy_set_config){.seed = config->seed,
                                                               .drain_ns = config->drain_ns,
                                                               .recorder = h->recorder,
                                                               .workers = config->workers,
                                                               .remote = config->remote,
                                                               .hooks = config->hooks});
    return true;
}

/* The last word: how many records of each kind there were. Then all that is still here. */
static bool say_bye(struct recorder *r, struct error *err)
{
    size_t count;
    const struct record_type *types = record_types(&count);
    json_t *counts = json_object();
    recorder_flush(r); /* pays for what was lost, so that the counts are the last ones */
    for (size_t i = 0; i < count; i++)
        json_object_set_new(
            counts, types[i].name,
            json_integer((json_int_t)recorder_count(r, (enum record_kind)types[i].kind)));
    char *text = json_dumps(counts, JSON_COMPACT);
    json_decref(counts);
    bool ok = recorder_control(r, PROXY_SCRIBE_BYE, bytes_of(text), err);
    free(text);
    return ok;
}

static bool hand_over(struct recorder *r, int fd, struct error *err)
{
    uint64_t until_ns = clock_now_ns() + LAST_FLUSH_NS;
    while (recorder_pending(r) && clock_now_ns() < until_ns) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        (void)poll(&wait, 1, 100);
        if (!recorder_flush(r))
            break;
    }
    return !recorder_pending(r) ||
           error_set(err, ERROR_SYSTEM, "the journal's writer did not take the last records");
}

bool proxy_host_close(struct proxy_host *h, struct error *err)
{
    bool ok = true;
    if (h->loop != NULL) {
        loop_on_stall(h->loop, NULL, NULL);
        loop_hold_remove(h->loop, &h->tick);
    }
    proxy_set_free(h->set);
    loop_free(h->loop);
    if (h->recorder != NULL)
        ok = !h->scribe_gone && say_bye(h->recorder, err) &&
             hand_over(h->recorder, h->recorder_fd, err);
    recorder_free(h->recorder);
    *h = (struct proxy_host){0};
    return ok;
}
