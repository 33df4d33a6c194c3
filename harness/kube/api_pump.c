#include "kube/api_inside.h"

#include "base/clock.h"

#include <stdlib.h>

void pump_ended(void *cookie, CURL *easy, CURLcode code)
{
    struct api_call *c = NULL;
    (void)cookie;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &c);
    api_tried(c, code);
}

/* --- the loop's form --- */

void pump_turned(void *cookie)
{
    struct api *a = cookie;
    uint64_t wake = api_turn(a);
    if (wake != UINT64_MAX)
        pump_wake(a, wake);
}

static void on_turn(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    pump_turned((char *)h - offsetof(struct api, turn));
}

void pump_wake(struct api *a, uint64_t at_ns)
{
    if (a->loop == NULL || (!hold_is_idle(&a->turn) && a->turn.at_ns <= at_ns))
        return;
    loop_hold_remove(a->loop, &a->turn);
    loop_hold_add(a->loop, &a->turn, at_ns, on_turn);
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
        curl_multi_poll(a->pump.multi, NULL, 0, ms < 1000 ? (int)ms : 1000, NULL);
        curl_multi_perform(a->pump.multi, &running);
        web_pump_collect(&a->pump);
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
