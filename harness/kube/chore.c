#include "kube/chore.h"

#include "base/clock.h"

static void on_told(void *cookie, const struct api_answer *answer)
{
    struct chore *c = cookie;
    c->answer(c, clock_now_ns(), answer);
}

void chore_do_until(struct chore *c, struct api *a, bool (*enough)(void *cookie), void *cookie)
{
    while (enough == NULL || !enough(cookie)) {
        struct chore_step step = {0};
        uint64_t now_ns = clock_now_ns(), most_ns = enough == NULL ? UINT64_MAX : now_ns + NS_PER_S;
        c->next(c, now_ns, &step);
        switch (step.want) {
        case CHORE_CALL:
            api_ask(a, &step.request, on_told, c);
            break;
        case CHORE_WAIT:
            api_wait(a, step.wake_ns < most_ns ? step.wake_ns : most_ns);
            break;
        case CHORE_OVER:
            return;
        }
    }
}

void chore_do(struct chore *c, struct api *a)
{
    chore_do_until(c, a, NULL, NULL);
}

static void go_on(struct chore_run *r);

static void on_wake(struct hold *h, uint64_t now_ns)
{
    struct chore_run *r = (struct chore_run *)(void *)h;
    (void)now_ns;
    go_on(r);
}

static void on_answer(void *cookie, const struct api_answer *answer)
{
    struct chore_run *r = cookie;
    r->call = NULL;
    r->chore->answer(r->chore, clock_now_ns(), answer);
    /* Not from here: a chore whose end is told here may be gone when this returns. */
    loop_hold_add(r->loop, &r->hold, clock_now_ns(), on_wake);
}

static void go_on(struct chore_run *r)
{
    struct chore_step step = {0};
    r->chore->next(r->chore, clock_now_ns(), &step);
    switch (step.want) {
    case CHORE_CALL:
        r->call = api_start(r->api, &step.request, on_answer, r);
        break;
    case CHORE_WAIT:
        loop_hold_add(r->loop, &r->hold, step.wake_ns, on_wake);
        break;
    case CHORE_OVER: {
        struct chore *over = r->chore;
        r->chore = NULL;
        if (r->on_over != NULL)
            r->on_over(r->cookie, over);
        break;
    }
    }
}

void chore_start(struct chore_run *r, struct chore *c, struct api *a, struct loop *l,
                 void (*on_over)(void *cookie, struct chore *c), void *cookie)
{
    INVARIANT(r->chore == NULL);
    *r = (struct chore_run){.chore = c, .api = a, .loop = l, .on_over = on_over, .cookie = cookie};
    loop_hold_add(l, &r->hold, clock_now_ns(), on_wake);
}

void chore_stop(struct chore_run *r)
{
    if (r->call != NULL)
        api_cancel(r->call);
    if (r->loop != NULL)
        loop_hold_remove(r->loop, &r->hold);
    *r = (struct chore_run){0};
}
