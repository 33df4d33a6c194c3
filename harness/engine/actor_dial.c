#include "engine/actor_inside.h"

#include "base/clock.h"
#include "engine/fleet.h"
#include "net/socket.h"

/* An actor whose process somebody else made, and which dials in: its link may break and come back,
 * and nobody here knows a process to kill. */

char *actor_reached_at(const struct actor *a, const char *listens)
{
    struct socket_address from = {.len = sizeof(from.storage)};
    char text[128];
    if (a->id == NULL || a->link.wire == NULL || strncmp(listens, "0.0.0.0:", 8) != 0 ||
        getpeername(a->link.wire->fd, (struct sockaddr *)&from.storage, &from.len) != 0 ||
        from.storage.ss_family != AF_INET)
        return check_strdup(listens);
    socket_print(&from, text, sizeof(text));
    size_t host = strcspn(text, ":");
    snprintf(text + host, sizeof(text) - host, "%s", listens + 7);
    return check_strdup(text);
}

void actor_lose(struct actor *a, const char *how)
{
    char who[FLEET_ID_BYTES + 32];
    struct error why = {0};
    if (a->state == ACTOR_ENDED)
        return;
    a->state = ACTOR_ENDED;
    a->lost = true;
    actor_stop_clocks(a);
    link_close(&a->link);
    error_set(&why, ERROR_PEER, "the %s was lost%s%s", actor_print(a, who, sizeof(who)),
              how == NULL ? "" : ": it ", how == NULL ? "" : how);
    a->events->on_lost(a->cookie, a, &why);
}

static void on_not_back(struct hold *h, uint64_t now_ns)
{
    (void)now_ns;
    actor_lose((struct actor *)((char *)h - offsetof(struct actor, back_hold)), NULL);
}

void actor_give_up(struct actor *a)
{
    if (a->instance != 0)
        link_drain(&a->link); /* what it wrote before its end */
    actor_lose(a, NULL);
}

void actor_go_away(struct actor *a)
{
    if (a->away)
        return;
    a->away = true;
    a->unheard = 0;
    loop_hold_add(a->loop, &a->back_hold,
                  clock_now_ns() +
                      (a->state < ACTOR_SETTING_UP ? FLEET_FIRST_WITHIN_NS : FLEET_BACK_WITHIN_NS),
                  on_not_back);
    a->events->on_away(a->cookie, a);
}

static void on_gone(void *cookie, const struct error *why)
{
    struct actor *a = cookie;
    if (a->state == ACTOR_ENDED)
        return;
    if (why->kind != ERROR_NONE && a->state < ACTOR_READY)
        actor_broken(a, why);
    else if (why->kind != ERROR_NONE) /* it failed, or spoke nonsense: it is none any more */
        actor_lose(a, why->text);
    else if (a->state == ACTOR_DRAINING) /* it is on its way out, and does not dial any more */
        actor_lose(a, NULL);
    else
        actor_go_away(a);
}

bool actor_expect(struct actor *a, struct loop *loop, struct store *store, const char *role,
                  const char *service, const char *id, uint32_t proc, uint64_t beat_ns,
                  const struct actor_events *events, void *cookie, struct error *err)
{
    *a = (struct actor){.role = role,
                        .service = service,
                        .id = id,
                        .netns_fd = -1,
                        .proc = proc,
                        .beat_ns = beat_ns == 0 ? 5 * NS_PER_S : beat_ns,
                        .loop = loop,
                        .store = store,
                        .events = events,
                        .cookie = cookie,
                        .state = ACTOR_ENDED,
                        .reaped = true};
    INVARIANT(events->on_away != NULL && events->on_back != NULL && events->on_lost != NULL);
    if (!link_open(&a->link, loop, NULL, actor_on_frame, on_gone, a, err))
        return false;
    a->state = ACTOR_STARTED;
    return true;
}

void actor_expect_end(struct actor *a)
{
    loop_hold_remove(a->loop, &a->back_hold);
    a->state = ACTOR_ENDED;
    a->away = false;
    actor_stop_clocks(a);
}

bool actor_expect_again(struct actor *a, uint32_t proc, struct error *err)
{
    char **former = a->addresses;
    size_t count = a->address_count;
    INVARIANT(a->state == ACTOR_ENDED && a->id != NULL);
    if (a->link.wire != NULL)
        return false;
    for (size_t i = 0; i < a->former_count; i++)
        free(a->former[i]);
    free(a->former);
    link_release(&a->link);
    free(a->edges);
    bool ok = actor_expect(a, a->loop, a->store, a->role, a->service, a->id, proc, a->beat_ns,
                           a->events, a->cookie, err);
    a->former = former;
    a->former_count = count;
    return ok;
}

/* May this HELLO be its? */
static bool check(const struct actor *a, const json_t *hello, struct error *err)
{
    uint64_t instance = control_number(hello, "instance");
    if (instance == 0)
        return error_set(err, ERROR_PEER, "the HELLO has no instance");
    if (a->instance == 0 && (a->state == ACTOR_STARTED || a->state == ACTOR_DRAINING))
        return control_number(hello, "took") == 0 ||
               error_set(err, ERROR_PEER, "%s has served another run, or another scenario", a->id);
    if (a->state == ACTOR_ENDED)
        return error_set(err, ERROR_PEER, "%s is not expected any more", a->id);
    return a->instance == instance ||
           error_set(err, ERROR_PEER,
                     "%s is there already: one that was started again is another agent", a->id);
}

bool actor_admit(struct actor *a, const json_t *hello, const struct intake *intake,
                 struct carrier *wire, const char *arm, bool stub, struct error *err)
{
    struct error why = {0};
    if (!check(a, hello, err))
        return false;
    bool first = a->instance == 0;
    if (first && !store_proc(a->store, a->proc, a->role, arm, a->service,
                             (int64_t)control_number(hello, "pid"), err))
        return false;
    if (!intake_answer(intake, wire, link_taken(&a->link), stub, err))
        return false;
    a->instance = control_number(hello, "instance");
    bool resumed = link_resume(&a->link, wire, control_number(hello, "took"), &why);
    if (!resumed) {
        actor_broken(a, &why);
        return true;
    }
    a->committed = link_taken(&a->link);
    a->unheard = 0;
    if (first && a->state == ACTOR_STARTED) {
        a->state = ACTOR_WAITING;
        a->events->on_hello(a->cookie, a);
    }
    if (first)
        return true;
    bool was_away = a->away;
    loop_hold_remove(a->loop, &a->back_hold);
    a->away = false;
    if (!was_away) /* it has seen the end, and we had not: its faults are out all the same */
        a->events->on_away(a->cookie, a);
    a->events->on_back(a->cookie, a);
    return true;
}

void actor_commit(struct actor *a)
{
    struct error err = {0};
    uint64_t taken = link_taken(&a->link);
    if (a->id == NULL || a->away || a->state == ACTOR_ENDED || taken == a->committed)
        return;
    a->committed = taken;
    if (!actor_send(a, CONTROL_COMMITTED, json_pack("{sI}", "at", (json_int_t)taken), &err))
        actor_broken(a, &err);
}

void actor_note_lost(struct actor *a, uint64_t from_ns)
{
    uint64_t now_ns = clock_now_ns();
    actor_put_lost(a, (struct lost_record){.at = from_ns < now_ns ? from_ns : now_ns,
                                           .to = now_ns,
                                           .count = 1,
                                           .kind = RECORD_LOST});
}
